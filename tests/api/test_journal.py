"""What an org is told of its own journal: what is owed, what is dead, and nothing of others."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest

from core.adapters.sqlite.bindings import SqliteBindings
from core.adapters.sqlite.database import Database
from core.adapters.sqlite.dead_letters import SqliteDeadLetters
from core.adapters.sqlite.graves import GraveBook
from core.adapters.sqlite.journal_reader import SqliteJournalReader
from core.adapters.sqlite.outbox import SqliteOutbox
from core.health import Health
from core.model.memory import OrgId, parse_id
from core.outstanding import Outstanding
from core.ports import DeadLetter, StoreHealth
from tests.api.rig import Api, assert_error
from tests.clock import ManualClock

JOURNAL = "/api/v1/journal"
DEAD = "/api/v1/dead-letters"
WHY = "store_refused: a column is too wide"


@pytest.fixture
def database(api: Api) -> Iterator[Database]:
    """The server's own, opened beside it."""
    with closing(Database(api.settings.auth.db_path)) as opened:
        yield opened


@pytest.fixture
def outbox(database: Database, clock: ManualClock) -> SqliteOutbox:
    """The flusher's end of the server's journal."""
    return SqliteOutbox(database, clock=clock)


async def died(outbox: SqliteOutbox, memory: Any) -> None:
    place = parse_id(memory["id"])
    assert place is not None
    assert await outbox.dead(OrgId(memory["org_id"]), [place[0]], WHY, None) == 1


@pytest.mark.every_door
async def test_what_is_owed_is_counted_for_the_callers_org_alone(api: Api) -> None:
    first = await api.remember("a")
    await api.remember("b")
    assert (await api.as_("other").get(JOURNAL)).json["owed"] == 0
    body = (await api.get(JOURNAL)).json
    assert (body["org_id"], body["delivered"], body["dead"]) == (api.org.id, 0, 0)
    assert (await api.get("/api/v1/memories")).json["count"] == 2
    assert body["owed"] <= 2  # where many processes write, a counter may be a moment behind
    assert body["oldest_owed"] == first["time"]
    assert 0 <= body["oldest_owed_seconds"] < 60


async def test_on_one_server_the_numbers_are_exact(api: Api) -> None:
    for content in ("a", "b"):
        await api.remember(content)
    body = (await api.get(JOURNAL)).json
    assert (body["owed"], body["claims"]) == (2, 2)
    assert body["bytes"] > 0


@pytest.mark.every_door
async def test_an_org_that_never_wrote_owes_nothing(api: Api) -> None:
    body = (await api.get(JOURNAL)).json
    assert {name: body[name] for name in ("owed", "delivered", "dead", "bytes", "claims")} == dict.fromkeys(
        ("owed", "delivered", "dead", "bytes", "claims"), 0
    )
    assert "oldest_owed" not in body
    assert "oldest_owed_seconds" not in body
    assert (await api.get(DEAD)).json == {"dead_letters": [], "count": 0, "has_more": False}


async def test_the_store_is_told_of_as_the_flusher_saw_it(api: Api, database: Database) -> None:
    assert (await api.get(JOURNAL)).json["store"] == {"answers": False}, "nobody looked yet"
    now = api.services.clock.micros()
    seen = [StoreHealth(api.org.id, True, now), StoreHealth(api.other.id, False, now)]
    await api.services.board.post_health(seen)
    api = api.with_doors(outstanding=outstanding(api, database, LeftBehind(())))
    store = (await api.get(JOURNAL)).json["store"]
    assert store["answers"] is True
    assert store["age_seconds"] >= 0
    assert (await api.as_("other").get(JOURNAL)).json["store"]["answers"] is False


async def test_an_org_without_a_binding_has_no_store(api: Api) -> None:
    assert "store" not in (await api.as_("unbound").get(JOURNAL)).json


async def test_dead_letters_are_listed_with_their_reasons_the_newest_first(
    api: Api, outbox: SqliteOutbox
) -> None:
    memories = [await api.remember(content) for content in ("a", "b", "c")]
    await api.remember("fine")
    for memory in memories:
        await died(outbox, memory)
    body = (await api.get(DEAD)).json
    assert [letter["memory"] for letter in body["dead_letters"]] == memories[::-1]
    assert {letter["reason"] for letter in body["dead_letters"]} == {WHY}
    assert all(letter["died_at"].endswith("Z") for letter in body["dead_letters"])
    assert (body["count"], body["has_more"]) == (3, False)
    counted = (await api.get(JOURNAL)).json
    assert (counted["owed"], counted["dead"]) == (1, 3)


async def test_a_page_of_dead_letters_says_whether_there_are_more(api: Api, outbox: SqliteOutbox) -> None:
    for content in ("a", "b", "c"):
        await died(outbox, await api.remember(content))
    page = (await api.get(DEAD, limit=2)).json
    assert ([one["memory"]["content"] for one in page["dead_letters"]], page["has_more"]) == (
        ["c", "b"],
        True,
    )
    assert (await api.get(DEAD, limit=3)).json["has_more"] is False
    assert_error(await api.get(DEAD, limit=0), 400, "invalid_request")


async def test_dead_letters_of_others_are_nobodys_business(api: Api, outbox: SqliteOutbox) -> None:
    await died(outbox, await api.remember("secret"))
    assert (await api.as_("other").get(DEAD)).json["count"] == 0


class LeftBehind:
    """Dead letters of which a deletion took none out yet."""

    def __init__(self, letters: Sequence[DeadLetter]) -> None:
        self._letters = letters

    async def list_dead(self, org_id: OrgId | None, limit: int) -> list[DeadLetter]:
        return list(self._letters)[:limit]

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def outstanding(api: Api, database: Database, dead: LeftBehind) -> Outstanding:
    """As the server's own, but for the dead letters, and without what it remembers of stores."""
    services = api.services
    clock = services.clock
    return Outstanding(
        ledger=services.ledger,
        dead_letters=lambda: dead,
        journal=SqliteJournalReader(database, clock=clock, window=1, book=GraveBook()),
        health=Health(board=services.board, bindings=SqliteBindings(database), clock=clock),
        clock=clock,
    )


async def test_a_deleted_memory_is_no_dead_letter_even_while_it_lies_there(
    api: Api, outbox: SqliteOutbox, database: Database
) -> None:
    for session in ("gone", "kept"):
        await died(outbox, await api.remember(session, session_id=session))
    letters = await SqliteDeadLetters(database, clock=api.services.clock).list_dead(None, 10)
    api = api.with_doors(outstanding=outstanding(api, database, LeftBehind(letters)))
    assert (await api.get(DEAD)).json["count"] == 2
    assert (await api.delete("/api/v1/sessions/gone?memories=true")).status == 200
    left = (await api.get(DEAD)).json["dead_letters"]
    assert [letter["memory"]["content"] for letter in left] == ["kept"]
