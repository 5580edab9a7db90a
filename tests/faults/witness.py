"""What the service acknowledged, and whether it keeps its word."""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from typing import Any, Final

import httpx

from tests.e2e.installation import until

_AGENTS: Final = 3
Draft = dict[str, Any]


def draft(content: str) -> Draft:
    """A memory of one of a few agents and sessions, whichever the content falls to."""
    number = sum(content.encode()) % _AGENTS
    return {"agent_id": f"agent_{number}", "session_id": f"sess_{number}", "content": content}


class Witness:
    """Writes, remembers what was acknowledged with which id, and compares."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, str] = {}
        self._contents: Iterator[str] = (f"memory {n}" for n in itertools.count())

    def contents(self, count: int) -> list[str]:
        return list(itertools.islice(self._contents, count))

    async def write(self, client: httpx.AsyncClient, count: int) -> None:
        """A batch; all of it is acknowledged."""
        contents = self.contents(count)
        reply = await client.post("/memories", json={"memories": [draft(c) for c in contents]})
        assert reply.status_code == 201, reply.text
        self.note(reply.json()["memories"])

    def note(self, memories: Sequence[dict[str, Any]]) -> None:
        self.acknowledged.update((m["content"], m["id"]) for m in memories)

    async def load(self, client: httpx.AsyncClient, writers: int = 8, pause: float = 0.0) -> None:
        """Writes on and on, singly and in batches, until the server is gone or refuses.

        Each writer rests for `pause` seconds after each write: a load that need not fill the machine.
        """
        async with asyncio.TaskGroup() as group:
            for writer in range(writers):
                group.create_task(self._write_on(client, 20 if writer % 2 else 1, pause))

    async def _write_on(self, client: httpx.AsyncClient, count: int, pause: float) -> None:
        while True:
            await asyncio.sleep(pause)
            drafts = [draft(c) for c in self.contents(count)]
            try:
                reply = await client.post("/memories", json={"memories": drafts} if count > 1 else drafts[0])
            except httpx.TransportError:
                return
            if reply.status_code != 201:
                return
            self.note(reply.json()["memories"] if count > 1 else [reply.json()])

    async def acknowledges(self, more: int) -> None:
        """Waits until so many more were acknowledged."""
        wanted = len(self.acknowledged) + more

        async def enough() -> bool:
            return len(self.acknowledged) >= wanted

        await until(enough, what=f"{more} more memories acknowledged")

    async def compare(self, client: httpx.AsyncClient, *, also: int = 0) -> None:
        """All that was acknowledged is there once, under its id, in every kind of read.

        At most `also` memories more are there: those whose writers were never answered.
        """
        await self.compare_rows(client, also=also)
        await self._try_claims(client)

    async def compare_rows(self, client: httpx.AsyncClient, *, also: int = 0) -> None:
        """The same without a write."""
        rows = await everything(client)
        assert repeated(m["id"] for m in rows) == []
        assert repeated(m["content"] for m in rows) == []
        ids = {m["content"]: m["id"] for m in rows}
        assert {c: i for c, i in self.acknowledged.items() if ids.get(c) != i} == {}
        assert len(rows) - len(self.acknowledged) <= also
        assert await counted(client) == len(rows)
        backwards = await everything(client, order="desc", limit="999")
        assert [m["id"] for m in backwards] == [m["id"] for m in reversed(rows)]

    async def _try_claims(self, client: httpx.AsyncClient) -> None:
        """Equal writes are told the ids that won: a few of them, from the whole history."""
        known = list(self.acknowledged.items())
        sample = known[:: max(1, len(known) // 100)]
        body = {"memories": [draft(content) for content, _ in sample]}
        reply = await client.post("/memories", json=body)
        assert reply.status_code == 201, reply.text
        expected = [{"status": "duplicate", "id": known_id} for _, known_id in sample]
        assert reply.json()["results"] == expected
        content, known_id = sample[-1]
        single = await client.post("/memories", json=draft(content))
        assert (single.status_code, single.json()["id"]) == (409, known_id)


@contextlib.asynccontextmanager
async def meanwhile(work: Coroutine[Any, Any, None]) -> AsyncIterator["asyncio.Task[None]"]:
    """Within, the work goes on; leaving ends it and raises what went wrong in it."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        yield task
        task.cancel()


def repeated(things: Any) -> list[str]:
    return [thing for thing, times in Counter(things).items() if times > 1]


async def everything(
    client: httpx.AsyncClient, *, order: str = "asc", limit: str = "1000", **params: str
) -> list[dict[str, Any]]:
    """All memories that match, page by page."""
    found: list[dict[str, Any]] = []
    asked = {"limit": limit, "order": order, **params}
    while True:
        reply = await client.get("/memories", params=asked)
        assert reply.status_code == 200, reply.text
        page = reply.json()
        found += page["memories"]
        if not page["has_more"]:
            return found
        asked["cursor"] = page["next_cursor"]


async def counted(client: httpx.AsyncClient) -> int:
    """What the agents' stats add up to."""
    replies = [await client.get(f"/agents/agent_{n}/stats") for n in range(_AGENTS)]
    return sum(int(reply.json()["memory_count"]) for reply in replies)
