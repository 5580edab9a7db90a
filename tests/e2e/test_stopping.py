"""Stopping, asked or not: nothing that was acknowledged is lost, and nothing is there twice."""

import asyncio
import itertools
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator

import httpx

from tests.e2e.installation import Installation, is_running, until

_WRITERS = 8


class Load:
    """Writers that go on until the server is gone, and what it acknowledged to them."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._number = itertools.count()
        self.acknowledged: set[str] = set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for writer in range(_WRITERS):
                group.create_task(self._write(batches=writer % 2 == 0))

    async def _write(self, *, batches: bool) -> None:
        while True:
            contents = [f"memory {next(self._number)}" for _ in range(20 if batches else 1)]
            drafts = [{"agent_id": f"agent_{c[-1]}", "content": c} for c in contents]
            try:
                reply = await self._client.post(
                    "/memories", json={"memories": drafts} if batches else drafts[0]
                )
            except httpx.TransportError:
                return
            if reply.status_code != 201:
                return
            self.acknowledged.update(contents)

    async def at_least(self, count: int) -> None:
        async def enough() -> bool:
            return len(self.acknowledged) >= count

        await until(enough, what=f"{count} memories acknowledged")


async def stored(client: httpx.AsyncClient) -> Counter[str]:
    """Everything that the server serves, page by page."""
    found: Counter[str] = Counter()
    params: dict[str, str] = {"limit": "1000", "order": "asc"}
    while True:
        page = (await client.get("/memories", params=params)).json()
        found.update(m["content"] for m in page["memories"])
        if not page["has_more"]:
            return found
        params["cursor"] = page["next_cursor"]


async def compare(installation: Installation, acknowledged: set[str]) -> None:
    """Every acknowledged memory is there exactly once."""
    async with installation.client() as client:
        found = await stored(client)
    assert acknowledged - found.keys() == set()
    assert [content for content, times in found.items() if times > 1] == []


async def test_a_graceful_stop_under_load_loses_nothing_acknowledged(installation: Installation) -> None:
    running = await installation.dev()
    async with installation.client() as client:
        load = Load(client)
        writing = asyncio.create_task(load.run())
        await load.at_least(300)
        assert await running.stop() == 0
        await writing
    await installation.dev()
    await compare(installation, load.acknowledged)


async def test_a_graceful_stop_flushes_what_waits(installation: Installation) -> None:
    running = await installation.dev()
    await installation.has_flusher()
    async with installation.client() as client:
        await client.post("/memories", json={"agent_id": "a", "content": "to be flushed"})
    await asyncio.sleep(1.5)  # the flusher looks once a second, and holds it for ten
    assert await running.stop() == 0
    assert [p for p in (installation.data / "store").rglob("*.parquet")]


async def test_killed_under_load_and_started_again_everything_is_there_once(
    installation: Installation,
) -> None:
    acknowledged: set[str] = set()
    for _ in range(2):
        running = await installation.dev(MEMTRACE_ARC_WRITE_FLUSH_INTERVAL_MS="200")
        async with installation.client() as client:
            load = Load(client)
            load.acknowledged = acknowledged
            load._number = itertools.count(10 * len(acknowledged))
            writing = asyncio.create_task(load.run())
            await load.at_least(len(acknowledged) + 400)
            await running.kill()
            await writing
    await installation.dev()
    await compare(installation, acknowledged)


async def test_a_killed_flusher_is_replaced(installation: Installation) -> None:
    running = await installation.dev()
    first = await installation.has_flusher()
    os.kill(first, signal.SIGKILL)

    async def another() -> bool:
        pids = installation.children(running.pid)
        return bool(pids) and first not in pids

    await until(another, what="another flusher")
    assert "flusher_died" in running.printed


async def test_the_flusher_does_not_outlive_a_killed_server(installation: Installation) -> None:
    running = await installation.dev()
    flusher = await installation.has_flusher()
    await running.kill()

    async def gone() -> bool:
        return not is_running(flusher)

    await until(gone, what="the end of the flusher")


async def test_a_request_in_flight_is_finished_while_new_ones_are_refused(
    installation: Installation,
) -> None:
    running = await installation.dev()
    go_on = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"agent_id":"a",'
        await go_on.wait()
        yield b'"content":"in flight"}'

    async with installation.client() as client:
        flying = asyncio.create_task(client.post("/memories", content=body()))
        await asyncio.sleep(0.3)
        running.process.send_signal(signal.SIGTERM)
        await running.says("server_stopping")
        await until(lambda: _is_refused(client), what="the refusal of new requests")
        go_on.set()
        assert (await flying).status_code == 201
    assert await running.ends() == 0


async def test_a_second_signal_ends_it_at_once(installation: Installation) -> None:
    running = await installation.dev()
    async with installation.client() as client:
        slow = asyncio.create_task(client.post("/memories", content=_dribble()))
        await asyncio.sleep(0.3)
        running.process.send_signal(signal.SIGTERM)
        await running.says("server_stopping")
        running.process.send_signal(signal.SIGTERM)
        assert await running.ends(3) == 1
        slow.cancel()
        await asyncio.wait([slow])


async def _is_refused(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/memories")).status_code == 503
    except httpx.TransportError:
        return True


async def _dribble() -> AsyncIterator[bytes]:
    """A body that never ends."""
    while True:
        yield b" "
        await asyncio.sleep(0.1)
