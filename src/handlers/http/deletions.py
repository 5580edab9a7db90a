"""Deletions: of one memory, of a session and its memories, and what became of each."""

from typing import Final

from core.deletions import SessionDeleted
from core.model.errors import NotFound
from core.model.receipt import DeletionReceipt
from core.model.timewindow import rfc3339
from handlers.http import present
from handlers.http.answers import (
    DeletionAnswer,
    DeletionListAnswer,
    RemainderAnswer,
    RemovedAnswer,
    SessionDeletionAnswer,
)
from handlers.http.ask import Ask, Reply
from handlers.http.checks import is_id
from handlers.http.doors import Doors
from handlers.http.given import DeletionsQuery, SessionDeletionQuery
from handlers.http.wire import parse_query

_LONGEST_REFERENCE: Final = 1_024


async def memory(doors: Doors, ask: Ask) -> Reply:
    """Found by id, else by dedup key; gone for every reader when this is answered."""
    reference = ask.params["id"]
    if len(reference) > _LONGEST_REFERENCE:
        raise NotFound("memory not found")
    return present.reply(200, shown(await doors.forgetting.forget_memory(ask.principal, reference)))


async def session(doors: Doors, ask: Ask) -> Reply:
    """The record alone, or with `memories=true` all that was written in it as well."""
    session_id = ask.params["id"]
    if not is_id(session_id):
        raise NotFound("session not found")
    given = parse_query(ask.query, SessionDeletionQuery)
    deleted = await doors.forgetting.forget_session(ask.principal, session_id, memories=given.memories)
    return present.reply(200, _of_session(session_id, deleted))


async def get(doors: Doors, ask: Ask) -> Reply:
    """How far it is now. Raises NotFound."""
    return present.reply(200, shown(await doors.forgetting.receipt(ask.principal.org_id, ask.params["id"])))


async def list_all(doors: Doors, ask: Ask) -> Reply:
    """The newest first."""
    given = parse_query(ask.query, DeletionsQuery)
    found = await doors.forgetting.receipts(ask.principal.org_id, given.limit + 1)
    page = [shown(receipt) for receipt in found[: given.limit]]
    answer = DeletionListAnswer(deletions=page, count=len(page), has_more=len(found) > given.limit)
    return present.reply(200, answer)


def _of_session(session_id: str, deleted: SessionDeleted) -> SessionDeletionAnswer:
    return SessionDeletionAnswer(
        session_id=session_id,
        had_record=deleted.had_record,
        memories=shown(deleted.receipt) if deleted.receipt is not None else None,
    )


def shown(receipt: DeletionReceipt) -> DeletionAnswer:
    """A receipt as callers and scripts get it."""
    deletion = receipt.deletion
    rule = deletion.exclusion
    return DeletionAnswer(
        deletion_id=deletion.id,
        org_id=deletion.org_id,
        requested_at=rfc3339(deletion.requested_at),
        state=deletion.state,
        memory_id=receipt.memory_id,
        session_id=rule.session_id if rule else "",
        agent_ids=rule.agent_ids if rule else (),
        before=rfc3339(rule.until) if rule else "",
        removed=RemovedAnswer(journal=deletion.from_journal, store=deletion.from_store),
        remains=[
            RemainderAnswer(where=r.where, until=rfc3339(r.until) if r.until is not None else None, why=r.why)
            for r in receipt.remains
        ],
    )
