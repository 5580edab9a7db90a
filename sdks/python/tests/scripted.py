"""A server that plays the conformance files, and clients of both kinds that make calls against it."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
from pydantic import BaseModel

from memtrace import (
    AddedMemories,
    AddMemoryRequest,
    AsyncMemtrace,
    ContextOptions,
    CreateSessionRequest,
    ListOptions,
    Memtrace,
    RegisterAgentRequest,
    SearchQuery,
)

Json = dict[str, Any]
URL: Final = "http://memtrace.test"
KEY: Final = "mtk_conformance"
FOLDER: Final = Path(__file__).parents[2] / "conformance"
FAULTS: Final = {
    "refused": httpx.ConnectError,
    "reset": httpx.RemoteProtocolError,
    "silence": httpx.ReadTimeout,
}
REQUESTS: Final[dict[str, type[BaseModel]]] = {
    "add_memory": AddMemoryRequest,
    "list_memories": ListOptions,
    "iter_memories": ListOptions,
    "search_memories": SearchQuery,
    "iter_search": SearchQuery,
    "register_agent": RegisterAgentRequest,
    "create_session": CreateSessionRequest,
}
"""Operations whose arguments are all one request."""
WITH_OPTIONS: Final[dict[str, tuple[str, type[BaseModel]]]] = {
    "get_agent_memories": ("agent_id", ListOptions),
    "iter_agent_memories": ("agent_id", ListOptions),
    "get_session_memories": ("session_id", ListOptions),
    "iter_session_memories": ("session_id", ListOptions),
    "get_session_context": ("session_id", ContextOptions),
}
"""Operations with an id and the rest as options."""


def cases() -> Iterator[tuple[str, Json]]:
    """All of all files, with a name each."""
    for file in sorted(FOLDER.glob("*.json")):
        content = json.loads(file.read_text())
        for case in content["cases"]:
            yield f"{content['topic']}: {case['name']}", case


class Server:
    """Plays exchanges in order, and checks what is asked."""

    def __init__(self, exchanges: list[Json]) -> None:
        self._exchanges = iter(exchanges)
        self._same: dict[str, str] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        exchange = next(self._exchanges, None)
        assert exchange is not None, f"one request too many: {request.method} {request.url}"
        self._check(request, exchange["request"])
        answer = exchange["response"]
        if "fault" in answer:
            raise FAULTS[answer["fault"]](answer["fault"], request=request)
        body = answer.get("body", "")
        content = {"text": body} if isinstance(body, str) else {"json": body}
        return httpx.Response(answer["status"], headers=answer.get("headers"), **content)

    def _check(self, request: httpx.Request, wanted: Json) -> None:
        path = request.url.raw_path.decode().partition("?")[0]
        assert (request.method, path) == (wanted["method"], wanted["path"])
        assert sorted(request.url.params.multi_items()) == sorted(wanted.get("query", {}).items())
        for name, value in {"x-api-key": KEY, **wanted.get("headers", {})}.items():
            sent = request.headers.get(name)
            assert sent, f"{name} is missing"
            if value.startswith("$"):
                assert self._same.setdefault(value, sent) == sent, f"{name} changed"
            elif value != "*":
                assert sent == value
        if "body" in wanted:
            assert json.loads(request.content) == wanted["body"]
        else:
            assert request.content == b""

    @property
    def is_done(self) -> bool:
        """Whether all of the script was played."""
        return next(self._exchanges, None) is None


def arguments(operation: str, given: Json) -> tuple[list[Any], Json]:
    """The arguments of a case as this SDK takes them."""
    if operation in REQUESTS:
        return [REQUESTS[operation](**given)], {}
    if operation in WITH_OPTIONS:
        name, kind = WITH_OPTIONS[operation]
        rest = {key: value for key, value in given.items() if key != name}
        return [given[name], kind(**rest)] if rest else [given[name]], {}
    if operation == "add_memories":
        return [[AddMemoryRequest(**one) for one in given["memories"]]], {}
    return [], given


def run(kind: str, server: Server, call: Json, waits: list[float]) -> Any:
    """Makes the call with a client of this kind; iterators are read to their end."""
    operation = call["operation"]
    positional, named = arguments(operation, call["arguments"])
    if kind == "sync":
        with Memtrace(URL, KEY, transport=httpx.MockTransport(server), sleep=waits.append) as client:
            value = getattr(client, operation)(*positional, **named)
            return list(value) if operation.startswith("iter_") else value

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    async def run_async() -> Any:
        async with AsyncMemtrace(URL, KEY, transport=httpx.MockTransport(server), sleep=wait) as client:
            value = getattr(client, operation)(*positional, **named)
            return [one async for one in value] if operation.startswith("iter_") else await value

    return asyncio.run(run_async())


def wire(value: Any) -> Any:
    """The value in wire form."""
    if isinstance(value, AddedMemories):
        entries = None if value.results is None else [entry.model_dump() for entry in value.results]
        memories = [memory.model_dump(mode="json") for memory in value]
        return {"memories": memories, "count": len(value), "duplicates": value.duplicates, "results": entries}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return [wire(one) for one in value] if isinstance(value, list) else value


T = TypeVar("T")


def lacks(value: Any, wanted: Any, where: str = "value") -> list[str]:
    """What is wanted and not there."""
    if isinstance(wanted, dict) and isinstance(value, dict):
        return [w for k, v in wanted.items() for w in lacks(value.get(k), v, f"{where}.{k}")]
    if isinstance(wanted, list) and isinstance(value, list) and len(wanted) == len(value):
        return [
            w
            for i, (v, o) in enumerate(zip(wanted, value, strict=True))
            for w in lacks(o, v, f"{where}[{i}]")
        ]
    same = not value if wanted is None else value == wanted
    return [] if same else [f"{where} is {value!r} and not {wanted!r}"]
