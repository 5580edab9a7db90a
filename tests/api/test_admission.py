"""Under overload: who is let in, who is refused why, and that probes always get through."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from core.adapters.sqlite.database import Database
from core.model.errors import JournalFull
from handlers.arrival import ARRIVED, QUEUED, SPARE, TAKEN
from tests.api.raw import Wire, exchanged, scope
from tests.api.rig import Answer, Api, assert_error
from tests.clock import ManualClock

URL = "/api/v1/memories"
ONE = {"agent_id": "a", "content": "x"}
BEHIND_ITS_OWN: dict[str, Any] = {QUEUED: True}
ON_A_SPARE: dict[str, Any] = {SPARE: True}
PROBES = ("/livez", "/health", "/ready", "/metrics")


class Crowd:
    """Writes that are under way until they are let go."""

    def __init__(self) -> None:
        self._released = asyncio.Event()
        self._tasks: list[asyncio.Task[Answer]] = []
        self.entered = 0

    async def write(self, *_: Any) -> Any:
        self.entered += 1
        await self._released.wait()
        raise JournalFull()

    async def fill(self, api: Api, count: int) -> int:
        """How many of so many requests are let in."""
        before = self.entered
        self._tasks += [asyncio.create_task(api.post(URL, ONE)) for _ in range(count)]
        for _ in range(20):
            await asyncio.sleep(0)
        return self.entered - before

    async def end(self) -> None:
        self._released.set()
        if self._tasks:
            await asyncio.gather(*self._tasks)


@pytest.fixture
async def crowd() -> AsyncIterator[Crowd]:
    crowd = Crowd()
    yield crowd
    await crowd.end()


async def refusals(api: Api, reason: str) -> float:
    text = (await api.get("/metrics")).content.decode()
    (line,) = [
        li for li in text.splitlines() if li.startswith(f'memtrace_refused_total{{reason="{reason}"}}')
    ]
    return float(line.split()[1])


# --- places and shares


async def test_one_org_does_not_take_all_places(api: Api, crowd: Crowd) -> None:
    busy = api.with_server(max_concurrent_requests=20).with_doors(ingest=crowd)
    assert await crowd.fill(busy, 50) == 18
    body = assert_error(await busy.get(URL), 503, "overloaded", "this organization")
    assert "max_concurrent" not in body
    assert (await busy.as_("other").get(URL)).status == 200
    assert await refusals(busy, "org_share") == 33


async def test_places_come_back_to_who_waits(api: Api, crowd: Crowd) -> None:
    busy = api.with_server(max_concurrent_requests=20).with_doors(ingest=crowd)
    await crowd.fill(busy, 50)
    await crowd.end()
    assert (await busy.get(URL)).status == 200


async def test_the_share_can_be_set(api: Api, crowd: Crowd) -> None:
    busy = api.with_settings(server={"max_concurrent_requests": 20}, limits={"org_share": 0.5})
    assert await crowd.fill(busy.with_doors(ingest=crowd), 50) == 10


async def test_one_org_does_not_take_all_room_for_bodies(api: Api, crowd: Crowd) -> None:
    mib = 1024 * 1024
    busy = api.with_server(max_inflight_bytes=mib, max_body_bytes=mib // 2).with_doors(ingest=crowd)
    head = {"x-api-key": "full", "content-length": str(mib // 4)}
    reading = [
        asyncio.create_task(busy.app(scope("POST", URL, head), silent.receive, silent.send))
        for silent in [Wire([]) for _ in range(4)]
    ]
    await asyncio.sleep(0)
    refused = await exchanged(busy.app, "POST", URL, headers={**head, "content-length": "1"})
    assert_error(refused.answer, 503, "overloaded")
    assert (await busy.get(URL)).status == 200, "no body, no room"
    for task in reading:
        task.cancel()
    await asyncio.wait(reading)
    assert await refusals(busy, "bytes") == 1


async def test_strangers_take_no_more_than_an_org(api: Api, crowd: Crowd) -> None:
    held = asyncio.Event()

    class Slow:
        def peek(self, presented: str | None) -> Any:
            return api.doors.gate.peek(presented)

        async def authenticate(self, presented: str | None) -> Any:
            await held.wait()
            return await api.doors.gate.authenticate(presented)

        def close(self) -> None: ...

    busy = api.with_server(max_concurrent_requests=10).with_doors(gate=Slow())
    strangers = [asyncio.create_task(busy.as_("mtk_x").get(URL)) for _ in range(20)]
    await asyncio.sleep(0)
    assert (await busy.get(URL)).status == 200
    held.set()
    statuses = sorted([(await one).status for one in strangers])
    assert statuses == [401] * 9 + [503] * 11


# --- answers


class Slowly:
    """A client that takes no answer until it is told to."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    @property
    def scope(self) -> dict[str, Any]:
        return {TAKEN: self._waiting.append}

    def take(self) -> None:
        for call in self._waiting:
            call()
        self._waiting.clear()


async def filled(api: Api, count: int) -> Api:
    """With pages of so many times 200 KB, and room for a megabyte of them."""
    for number in range(count):
        await api.remember(f"{number} " + "x" * 200_000)
    return api.with_server(max_inflight_bytes=1 << 20, max_body_bytes=1 << 19)


async def test_large_answers_have_room_until_they_are_taken(api: Api) -> None:
    small, client = await filled(api, 3), Slowly()
    assert (await asked(small, **client.scope)).status == 200
    refused = await asked(small)
    assert_error(refused, 503, "overloaded", "Too many requests at once")
    assert await refusals(small, "bytes") == 1
    client.take()
    assert (await asked(small)).status == 200


async def test_small_answers_need_no_room(api: Api) -> None:
    small, client = await filled(api, 3), Slowly()
    assert (await asked(small, **client.scope)).status == 200
    assert (await small.get(URL, limit="1")).status == 200
    assert (await small.post(URL, ONE)).status == 201


async def test_an_answer_larger_than_all_the_room_is_given_where_there_is_no_other(api: Api) -> None:
    small, client = await filled(api, 6), Slowly()
    assert (await asked(small, **client.scope)).status == 200
    assert_error(await small.get(URL, limit="2"), 503, "overloaded")
    client.take()
    assert (await asked(small)).status == 200


async def test_the_room_of_an_answer_that_could_not_be_sent_is_free_again(api: Api) -> None:
    async def fails(message: dict[str, Any]) -> None:
        raise ConnectionResetError

    small = await filled(api, 6)
    wire = Wire([])
    with pytest.raises(ConnectionResetError):
        await small.app(scope("GET", URL, {"x-api-key": "full"}), wire.receive, fails)
    assert (await asked(small)).status == 200


# --- queues


def late(clock: ManualClock, seconds: float) -> dict[str, Any]:
    return {ARRIVED: clock.monotonic() - seconds}


async def asked(api: Api, path: str = URL, **more: Any) -> Answer:
    return (await exchanged(api.app, "GET", path, headers={"x-api-key": "full"}, **more)).answer


async def test_when_all_wait_too_long_they_are_refused_until_the_queue_is_gone(
    api: Api, clock: ManualClock
) -> None:
    timed = api.with_doors(clock=clock)
    for _ in range(10):
        assert (await asked(timed, **late(clock, 0.6))).status == 200
        clock.advance(0.1)
    refused = await asked(timed, **late(clock, 0.6))
    assert_error(refused, 503, "overloaded", "wait too long")
    assert refused.headers["retry-after"] == "2"
    assert (await asked(timed, **late(clock, 0.1))).status == 200
    assert (await asked(timed, **late(clock, 0.6))).status == 200
    assert await refusals(timed, "queue") == 1


async def test_the_bound_of_the_queue_can_be_set(api: Api, clock: ManualClock) -> None:
    timed = api.with_doors(clock=clock).with_settings(limits={"max_queue_ms": 100})
    assert (await asked(timed, **late(clock, 0.2))).status == 200
    clock.advance(1)
    assert (await asked(timed, **late(clock, 0.2))).status == 503


async def test_who_waits_behind_its_own_requests_tells_nothing_of_the_queue(
    api: Api, clock: ManualClock
) -> None:
    timed = api.with_doors(clock=clock)
    for _ in range(5):
        assert (await asked(timed, **late(clock, 9), **BEHIND_ITS_OWN)).status == 200
        clock.advance(0.9)


async def test_the_longest_wait_is_shown_until_it_was_looked_at(api: Api, clock: ManualClock) -> None:
    timed = api.with_doors(clock=clock)
    await asked(timed, **late(clock, 0.25))
    assert b"memtrace_loop_lag_seconds 0.25" in (await asked(timed, "/metrics")).content
    assert b"memtrace_loop_lag_seconds 0.0" in (await asked(timed, "/metrics")).content


async def test_the_time_in_the_queue_is_part_of_a_requests_time(api: Api, clock: ManualClock) -> None:
    timed = api.with_doors(clock=clock)
    await asked(timed, **late(clock, 20))
    text = (await asked(timed, "/metrics")).content.decode()
    assert 'memtrace_request_seconds_sum{kind="read"} 20.0' in text


# --- connections


async def test_a_spare_connection_is_for_probes(api: Api) -> None:
    refused = await asked(api, **ON_A_SPARE)
    assert_error(refused, 503, "overloaded", "too many connections")
    assert refused.headers["connection"] == "close"
    probe = await asked(api, "/livez", **ON_A_SPARE)
    assert (probe.status, probe.headers["connection"]) == (200, "close")
    assert await refusals(api, "connections") == 1


# --- probes


async def test_probes_are_answered_when_nothing_else_is(api: Api, crowd: Crowd, clock: ManualClock) -> None:
    busy = api.with_server(max_concurrent_requests=1).with_doors(ingest=crowd, clock=clock)
    await crowd.fill(busy, 3)
    for _ in range(3):
        await asked(busy, **late(clock, 5))
        clock.advance(0.9)
    for probe in PROBES:
        assert (await asked(busy, probe, **late(clock, 5))).status in (200, 503)
        assert_error(await asked(busy, **late(clock, 5)), 503, "overloaded")
    busy.app.stop()
    assert (await asked(busy, "/livez")).status == 200
    assert await refusals(busy, "stopping") == 0
    assert_error(await asked(busy), 503, "shutting_down")
    assert await refusals(busy, "stopping") == 1


async def test_probes_do_not_wait_for_readers(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    release, held = threading.Event(), threading.Semaphore(0)
    read = Database.read

    async def stuck(self: Database, work: Any) -> Any:
        def slowly(connection: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                held.release()
                release.wait(10)
            return work(connection)

        return await read(self, slowly)

    monkeypatch.setattr(Database, "read", stuck)
    readers = [asyncio.create_task(api.get("/api/v1/agents")) for _ in range(8)]
    await asyncio.to_thread(held.acquire)
    monkeypatch.setattr(Database, "read", read)
    try:
        async with asyncio.timeout(30):
            for probe in PROBES:
                assert (await api.get(probe)).status in (200, 503)
        assert not any(reader.done() for reader in readers)
    finally:
        release.set()
    assert {(await reader).status for reader in readers} == {200}
