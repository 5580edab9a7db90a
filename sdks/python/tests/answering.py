"""Servers without a network, for clients of both kinds."""

import json
from collections.abc import Callable
from typing import Any, Final

import httpx

from memtrace import AddMemoryRequest, AsyncMemtrace, Memtrace

URL: Final = "http://memtrace.test"
KEY: Final = "mtk_secret"
MEMORY: Final = {
    "id": "mem_1",
    "time": "2026-02-07T20:15:00.000001Z",
    "org_id": "org_default",
    "agent_id": "agent_1",
    "memory_type": "episodic",
    "event_type": "general",
    "content": "text",
}
Answer = Callable[[httpx.Request], httpx.Response]


def client(answer: Answer, **more: Any) -> Memtrace:
    """Waits of retries take no time."""
    return Memtrace(URL, KEY, transport=httpx.MockTransport(answer), sleep=lambda _: None, **more)


def async_client(answer: Answer | httpx.AsyncBaseTransport) -> AsyncMemtrace:
    """Waits of retries take no time."""

    async def at_once(_: float) -> None:
        return None

    transport = answer if isinstance(answer, httpx.AsyncBaseTransport) else httpx.MockTransport(answer)
    return AsyncMemtrace(URL, KEY, transport=transport, sleep=at_once)


def asked(content: str = "text", **more: Any) -> AddMemoryRequest:
    fields = {"agent_id": "agent_1", "memory_type": "episodic", "event_type": "general", **more}
    return AddMemoryRequest(content=content, **fields)


def error(status: int, code: str = "", message: str = "no", **more: Any) -> httpx.Response:
    """An error as the server words it."""
    return httpx.Response(status, json={"error": message, **({"code": code} if code else {}), **more})


class Store:
    """Stores batches as the server does: whole or not at all, the first refused memory named."""

    def __init__(self) -> None:
        self.contents: list[str] = []
        self.batches: list[int] = []
        self.keys: list[str] = []
        self.refuses: Callable[[str], bool] = lambda content: False
        self.tells_results = True
        self.names_index = True

    def __call__(self, request: httpx.Request) -> httpx.Response:
        memories = json.loads(request.content)["memories"]
        self.batches.append(len(memories))
        self.keys.append(request.headers["idempotency-key"])
        for index, memory in enumerate(memories):
            if self.refuses(memory["content"]):
                named = {"index": index} if self.names_index else {}
                return error(400, "invalid_request", f"memories[{index}] is wrong", **named)
        fresh = [m for m in memories if m["content"] not in self.contents]
        results = [self._result(m, m in fresh) for m in memories]
        self.contents += [m["content"] for m in fresh]
        answer = {"memories": [{**MEMORY, **m} for m in fresh], "count": len(fresh)}
        told = {"results": results, "duplicates": len(memories) - len(fresh)}
        return httpx.Response(201, json=answer | (told if self.tells_results else {}))

    @staticmethod
    def _result(memory: dict[str, Any], is_new: bool) -> dict[str, str]:
        return {"status": "created" if is_new else "duplicate", "id": f"mem_{memory['content']}"}
