"""A client that goes on while parts of the split are killed, and holds it to every answer."""

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any, Final

import httpx

from tests.e2e.installation import until
from tests.faults.witness import repeated

_AGAIN: Final = (408, 500, 502, 503, 504)
"""What a client repeats, with the same words."""
_PAGE: Final = 100


class Steady:
    """Writes and reads with one key; repeats what was not answered, as the protocol allows."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._numbers: Iterator[int] = itertools.count()
        self.acknowledged: dict[str, str] = {}
        """The content of every memory that was acknowledged, and its id."""
        self.repeats = 0

    async def run(self, agent: str) -> None:
        """Writes, singly and in batches, and reads its own after each; until it is cancelled."""
        while True:
            await self.turn(agent, 1)
            await self.turn(agent, 8)

    async def turn(self, agent: str, count: int) -> None:
        """Everything it wrote is there right after, and nothing twice."""
        contents = [f"memory {next(self._numbers)} of {agent}" for _ in range(count)]
        written = await self._write(agent, contents)
        self.acknowledged.update(written)
        answer = await self.ask("GET", "/memories", params={"agent_id": agent, "limit": _PAGE})
        shown = [(m["content"], m["id"]) for m in answer.json()["memories"]]
        assert repeated(shown) == []
        assert set(written.items()) <= set(shown), f"{written} is not in {shown[:20]}"

    async def _write(self, agent: str, contents: list[str]) -> dict[str, str]:
        drafts = [{"agent_id": agent, "session_id": f"sess_{agent}", "content": c} for c in contents]
        body = {"memories": drafts} if len(drafts) > 1 else drafts[0]
        answer = await self.ask("POST", "/memories", json=body)
        told = answer.json()
        if len(drafts) == 1:
            assert answer.status_code in (201, 409), answer.text
            return {contents[0]: told["id"]}
        assert answer.status_code == 201, answer.text
        return {content: result["id"] for content, result in zip(contents, told["results"], strict=True)}

    async def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The first answer that is one."""
        while True:
            answer = await self._client.request(method, path, **request)
            if answer.status_code not in _AGAIN:
                assert answer.status_code < 400 or answer.status_code == 409, answer.text
                return answer
            self.repeats += 1
            await asyncio.sleep(0.05)

    async def acknowledges(self, more: int, seconds: float = 60.0) -> None:
        """Waits until so many more memories were acknowledged."""
        wanted = len(self.acknowledged) + more

        async def enough() -> bool:
            return len(self.acknowledged) >= wanted

        await until(enough, what=f"{more} more memories acknowledged", seconds=seconds)
