"""Health, readiness, liveness and metrics: read from what the flusher posted, never from a store."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from core.adapters.sqlite.bindings import SqliteBindings
from core.adapters.sqlite.database import Database
from core.health import Health
from core.model.errors import DatabaseError
from core.ports import StoreHealth
from tests.api.rig import Api, assert_error
from tests.clock import ManualClock


@pytest.fixture
def timed(api: Api, clock: ManualClock) -> Iterator[Api]:
    """The API with a health service whose clock the test moves."""
    with closing(Database(api.settings.auth.db_path)) as database:
        bindings = SqliteBindings(database)
        yield api.with_doors(health=Health(board=api.services.board, bindings=bindings, clock=clock))


async def post(api: Api, clock: ManualClock, ok: bool = True, other_ok: bool = True) -> None:
    seen = [
        StoreHealth(api.org.id, ok, clock.micros()),
        StoreHealth(api.other.id, other_ok, clock.micros()),
    ]
    await api.services.board.post_health(seen)


async def test_health_tells_of_the_service_and_every_store(timed: Api, clock: ManualClock) -> None:
    await post(timed, clock, ok=True, other_ok=False)
    clock.advance(9_015)
    answer = await timed.as_("").get("/health")
    assert answer.status == 200
    body = answer.json
    assert (body["status"], body["service"], body["uptime"]) == ("ok", "memtrace", "2h30m15s")
    assert body["arc"] == {timed.org.id: False, timed.other.id: False}, "what is old counts no longer"
    assert body["arc_age_seconds"][timed.org.id] == 9_015.0


async def test_a_store_seen_lately_is_well(timed: Api, clock: ManualClock) -> None:
    await post(timed, clock)
    clock.advance(30)
    assert (await timed.get("/health")).json["arc"] == {timed.org.id: True, timed.other.id: True}


async def test_a_store_nobody_looked_at_is_not_known_to_be_well(timed: Api) -> None:
    body = (await timed.get("/health")).json
    assert body["arc"] == {timed.org.id: False, timed.other.id: False}
    assert body["arc_age_seconds"] == {}


async def test_details_can_be_hidden(api: Api) -> None:
    hidden = api.with_doors(shows_details=False)
    assert set((await hidden.get("/health")).json) == {"status", "service", "uptime"}
    assert set((await hidden.get("/ready")).json) == {"status", "reason"}


async def test_numbers_can_be_hidden(api: Api) -> None:
    hidden = api.with_doors(shows_metrics=False)
    assert_error(await hidden.as_("").get("/metrics"), 404, "not_found", "no such route")


async def test_ready_when_every_store_answers(timed: Api, clock: ManualClock) -> None:
    await post(timed, clock)
    answer = await timed.as_("").get("/ready")
    assert (answer.status, answer.json["status"]) == (200, "ready")
    assert answer.json["arc"] == {timed.org.id: True, timed.other.id: True}


async def test_not_ready_when_one_store_does_not(timed: Api, clock: ManualClock) -> None:
    await post(timed, clock, other_ok=False)
    answer = await timed.get("/ready")
    assert (answer.status, answer.json["status"]) == (503, "not ready")
    assert answer.json["arc"] == {timed.org.id: True, timed.other.id: False}


async def test_not_ready_without_any_binding(timed: Api) -> None:
    for org in (timed.org, timed.other):
        await timed.services.tenants.unbind(org.id)
    answer = await timed.get("/ready")
    assert answer.status == 503
    assert answer.json == {
        "status": "not ready",
        "reason": "no_instances",
        "hint": "configure an Arc instance with `memtrace org add-arc`",
    }


async def test_what_was_read_is_not_read_again_within_a_second(timed: Api, clock: ManualClock) -> None:
    await timed.get("/ready")
    await post(timed, clock)
    assert (await timed.get("/ready")).status == 503
    clock.advance(1)
    assert (await timed.get("/ready")).status == 200


class SlowBoard:
    """A board that counts its readers, and keeps them until it is told what to say."""

    def __init__(self) -> None:
        self.looks = 0
        self.says: asyncio.Future[list[StoreHealth]] = asyncio.get_running_loop().create_future()

    async def read_health(self) -> list[StoreHealth]:
        self.looks += 1
        return await self.says

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


async def test_all_who_ask_at_once_share_one_look(api: Api, clock: ManualClock) -> None:
    board = SlowBoard()
    with closing(Database(api.settings.auth.db_path)) as database:
        health = Health(board=board, bindings=SqliteBindings(database), clock=clock)
        crowd = [asyncio.create_task(health.stores()) for _ in range(5)]
        await asyncio.sleep(0)
        crowd[0].cancel()
        board.says.set_result([])
        first, *others = await asyncio.gather(*crowd, return_exceptions=True)
    assert isinstance(first, asyncio.CancelledError)
    assert [other == others[0] for other in others] == [True] * 4
    assert board.looks == 1


async def test_a_look_that_failed_is_not_remembered(api: Api, clock: ManualClock) -> None:
    board = SlowBoard()
    board.says.set_exception(DatabaseError("gone"))
    with closing(Database(api.settings.auth.db_path)) as database:
        health = Health(board=board, bindings=SqliteBindings(database), clock=clock)
        with pytest.raises(DatabaseError):
            await health.stores()
        board.says = asyncio.get_running_loop().create_future()
        board.says.set_result([])
        assert len(await health.stores()) == 2
    assert board.looks == 2


async def test_alive_whatever_the_stores_do(timed: Api) -> None:
    answer = await timed.as_("").get("/livez")
    assert (answer.status, answer.json) == (200, {"status": "alive"})


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.9, "0s"), (45, "45s"), (60, "1m0s"), (3_600, "1h0m0s"), (360_061, "100h1m1s")]
)
async def test_uptime_is_written_as_go_does(
    timed: Api, clock: ManualClock, seconds: float, text: str
) -> None:
    clock.advance(seconds)
    assert (await timed.get("/health")).json["uptime"] == text


async def test_metrics_show_the_journal_and_what_the_flusher_posted(api: Api) -> None:
    await api.remember("x")
    report = b"# TYPE memtrace_flushed_total counter\nmemtrace_flushed_total 7.0\n"
    await api.services.board.post_report(report, 1)
    answer = await api.as_("").get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = answer.content.decode()
    assert "memtrace_buffer_size 1.0" in text
    assert "memtrace_flushed_total 7.0" in text
    assert 'memtrace_writes_total{outcome="created"} 1.0' in text
    heads = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads))


async def test_metrics_need_no_flusher(api: Api) -> None:
    text = (await api.get("/metrics")).content.decode()
    assert "memtrace_buffer_size 0.0" in text
    assert "memtrace_oldest_owed_seconds 0.0" in text


async def test_a_probe_is_no_place_for_other_methods(api: Api) -> None:
    assert_error(await api.post("/livez"), 405, "method_not_allowed")
