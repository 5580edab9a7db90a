"""The journal of the caller's org: what is owed to its store, and what died."""

from msgspec import UNSET

from core.model.timewindow import rfc3339
from core.outstanding import Standing
from core.ports import DeadLetter
from handlers.http import present
from handlers.http.answers import DeadLetterAnswer, DeadLetterListAnswer, JournalAnswer, StoreSeen
from handlers.http.ask import Ask, Reply
from handlers.http.doors import Doors
from handlers.http.given import DeadLettersQuery
from handlers.http.wire import parse_query


async def get(doors: Doors, ask: Ask) -> Reply:
    """The numbers, and whether the store answers. Asks no store."""
    return present.reply(200, _shown(await doors.outstanding.standing(ask.principal.org_id)))


async def dead_letters(doors: Doors, ask: Ask) -> Reply:
    """The newest first."""
    given = parse_query(ask.query, DeadLettersQuery)
    found = await doors.outstanding.dead(ask.principal.org_id, given.limit + 1)
    page = [_letter(letter) for letter in found[: given.limit]]
    answer = DeadLetterListAnswer(dead_letters=page, count=len(page), has_more=len(found) > given.limit)
    return present.reply(200, answer)


def _shown(standing: Standing) -> JournalAnswer:
    backlog, age = standing.backlog, standing.oldest_seconds
    return JournalAnswer(
        org_id=backlog.org_id,
        owed=backlog.owed,
        delivered=backlog.delivered,
        dead=backlog.dead,
        bytes=backlog.bytes,
        claims=backlog.claims,
        oldest_owed=rfc3339(backlog.oldest) if backlog.oldest is not None else "",
        oldest_owed_seconds=round(age, 1) if age is not None else UNSET,
        store=_store(standing) if standing.store is not None else UNSET,
    )


def _store(standing: Standing) -> StoreSeen:
    assert standing.store is not None
    age = standing.store.age_seconds
    return StoreSeen(answers=standing.store.ok, age_seconds=round(age, 1) if age is not None else UNSET)


def _letter(letter: DeadLetter) -> DeadLetterAnswer:
    return DeadLetterAnswer(
        memory=present.read(letter.memory), reason=letter.reason, died_at=rfc3339(letter.died_at)
    )
