"""Each operation as a value: what is sent, and how the answer is read. No I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import quote
from uuid import uuid4

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from . import models as m
from ._connecting import Headers

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


class Answer(Protocol):
    """What is read of a response."""

    def json(self) -> Any:
        """Its body. Raises ValueError where that is no JSON."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """One operation. Sending it again is safe: what would be done twice has an idempotency key."""

    method: str
    path: str
    read: Callable[[Answer], T]
    params: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] | bytes | None = None
    idempotency_key: str | None = None
    has_offset: bool = False

    @property
    def asked(self) -> dict[str, Any]:
        """What is asked of a list: the parameters, or the body of a search."""
        return self.body if isinstance(self.body, dict) else self.params

    def asking(self, asked: dict[str, Any]) -> Call[T]:
        """The same call with this asked instead."""
        return replace(self, body=asked) if isinstance(self.body, dict) else replace(self, params=asked)

    @property
    def content(self) -> bytes | None:
        """The body's bytes. Raises ValueError or TypeError for what JSON cannot hold."""
        return encoded(self.body) if isinstance(self.body, dict) else self.body


def sent_with(call: Call[Any], headers: dict[str, str]) -> dict[str, Any]:
    """The arguments for httpx beside the address; no redirect is followed, as it would take the key along."""
    key = {"Idempotency-Key": call.idempotency_key} if call.idempotency_key else {}
    options: dict[str, Any] = {"headers": Headers({**headers, **key}), "follow_redirects": False}
    if call.params:
        options["params"] = call.params
    content = call.content
    return options if content is None else {**options, "content": content}


def encoded(value: Any) -> bytes:
    """As compact JSON. Raises ValueError or TypeError for what JSON cannot hold."""
    text = json.dumps(
        value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=to_jsonable_python
    )
    return text.encode()


def fields_of(model: BaseModel | None) -> dict[str, Any]:
    """What was set; members of objects stay as they are, also those that are `None`."""
    if model is None:
        return {}
    return {name: value for name, value in model.model_dump().items() if value is not None}


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _path(*parts: str) -> str:
    """The parts escaped, each one step whatever is in it. Raises ValueError for an empty one."""
    steps = [quote(part, safe="") for part in parts]
    if not all(steps):
        raise ValueError("an id must not be empty")
    return "/api/v1/" + "/".join(s.replace(".", "%2E") if s in (".", "..") else s for s in steps)


def _nothing(_: Answer) -> None:
    return None


def _a(kind: type[M]) -> Callable[[Answer], M]:
    return lambda answer: kind.model_validate(answer.json())


class _Batch(BaseModel):
    memories: list[m.Memory] | None  # where all were duplicates, in servers before 0.3
    results: list[m.BatchEntry] | None = None
    duplicates: int | None = None


def _added(answer: Answer) -> m.AddedMemories:
    batch = _Batch.model_validate(answer.json())
    added = m.AddedMemories(batch.memories or ())
    added.results, added.duplicates = batch.results, batch.duplicates
    return added


def add_memory(req: m.AddMemoryRequest, key: str | None = None) -> Call[m.Memory]:
    return _post("memories", m.Memory, fields_of(req), key)


def add_memories(memories: Sequence[m.AddMemoryRequest], key: str | None = None) -> Call[m.AddedMemories]:
    return add_encoded([encoded(fields_of(memory)) for memory in memories], key)


def add_encoded(memories: Sequence[bytes], key: str | None = None) -> Call[m.AddedMemories]:
    body = b'{"memories":[' + b",".join(memories) + b"]}"
    return Call("POST", _path("memories"), _added, body=body, idempotency_key=key or uuid4().hex)


def get_memory(memory_id: str) -> Call[m.Memory]:
    return Call("GET", _path("memories", memory_id), _a(m.Memory))


def delete_memory(memory_id: str) -> Call[m.Deletion]:
    return Call("DELETE", _path("memories", memory_id), _a(m.Deletion))


def list_memories(opts: m.ListOptions | None) -> Call[m.MemoryList]:
    return _listing(_path("memories"), fields_of(opts))


def get_agent_memories(agent_id: str, opts: m.ListOptions | None) -> Call[m.MemoryList]:
    asked = fields_of(opts)
    asked.pop("agent_id", None)
    return _listing(_path("agents", agent_id, "memories"), asked)


def get_session_memories(session_id: str, opts: m.ListOptions | None) -> Call[m.MemoryList]:
    asked = fields_of(opts)
    asked.pop("session_id", None)
    return _listing(_path("sessions", session_id, "memories"), asked)


def search_memories(query: m.SearchQuery | None) -> Call[m.SearchResult]:
    return Call("POST", _path("search"), _a(m.SearchResult), body=fields_of(query))


def register_agent(req: m.RegisterAgentRequest, key: str | None = None) -> Call[m.Agent]:
    return _post("agents", m.Agent, fields_of(req), key)


def list_agents(limit: int | None, cursor: str | None) -> Call[m.AgentList]:
    asked = _given(limit=limit, cursor=cursor)
    return Call("GET", _path("agents"), _a(m.AgentList), asked)


def get_agent(agent_id: str) -> Call[m.Agent]:
    return Call("GET", _path("agents", agent_id), _a(m.Agent))


def get_agent_stats(agent_id: str) -> Call[m.AgentStats]:
    return Call("GET", _path("agents", agent_id, "stats"), _a(m.AgentStats))


def delete_agent(agent_id: str) -> Call[None]:
    return Call("DELETE", _path("agents", agent_id), _nothing)


def create_session(req: m.CreateSessionRequest, key: str | None = None) -> Call[m.Session]:
    return _post("sessions", m.Session, fields_of(req), key)


def list_sessions(
    agent_id: str | None, status: str | None, limit: int | None, cursor: str | None
) -> Call[m.SessionList]:
    asked = _given(agent_id=agent_id or None, status=status, limit=limit, cursor=cursor)
    return Call("GET", _path("sessions"), _a(m.SessionList), asked)


def get_session(session_id: str) -> Call[m.Session]:
    return Call("GET", _path("sessions", session_id), _a(m.Session))


def update_session(session_id: str, status: str | None, metadata: dict[str, Any] | None) -> Call[m.Session]:
    body = _given(status=status, metadata=metadata)
    return Call("PUT", _path("sessions", session_id), _a(m.Session), body=body)


def get_session_context(session_id: str, opts: m.ContextOptions | None) -> Call[m.SessionContext]:
    path = _path("sessions", session_id, "context")
    return Call("POST", path, _a(m.SessionContext), body=fields_of(opts))


def delete_session(session_id: str, memories: bool) -> Call[m.SessionDeletion]:
    asked = {"memories": "true"} if memories else {}
    return Call("DELETE", _path("sessions", session_id), _a(m.SessionDeletion), asked)


def get_deletion(deletion_id: str) -> Call[m.Deletion]:
    return Call("GET", _path("deletions", deletion_id), _a(m.Deletion))


def list_deletions(limit: int | None) -> Call[m.DeletionList]:
    return Call("GET", _path("deletions"), _a(m.DeletionList), _given(limit=limit))


def me() -> Call[m.Me]:
    return Call("GET", _path("me"), _a(m.Me))


def _post(path: str, kind: type[M], body: dict[str, Any], key: str | None) -> Call[M]:
    return Call("POST", _path(path), _a(kind), body=body, idempotency_key=key or uuid4().hex)


def _listing(path: str, asked: dict[str, Any]) -> Call[m.MemoryList]:
    return Call("GET", path, _a(m.MemoryList), asked, has_offset=True)
