"""The whole API in one process: real services, a SQLite file, an embedded store, keys known beforehand."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from core.bootstrap.server import open_services
from core.bootstrap.services import Services
from core.model.errors import Unauthenticated
from core.model.tenant import Binding, Org, Permission, Principal
from core.settings import AuthSettings, ServerSettings, Settings
from handlers.http.app import application, doors_of
from handlers.http.doors import Doors
from handlers.http.exchange import Exchange
from tests.api.described import answer_faults

MASTER_KEY: Final = "bWVtdHJhY2UgdGVzdHMgdXNlIHRoaXMgb25lIGtleSE="
PERMISSIONS: Final[Mapping[str, frozenset[Permission]]] = {
    "full": frozenset({"read", "write"}),
    "reader": frozenset({"read"}),
    "writer": frozenset({"write"}),
    "admin": frozenset({"admin"}),
}


class KnownKeys:
    """A gate that knows its callers by heart, and spares every test bcrypt."""

    def __init__(self, callers: Mapping[str, Principal]) -> None:
        self._callers = callers

    def peek(self, presented: str | None) -> Principal | None:
        return self._callers.get(presented or "")

    async def authenticate(self, presented: str | None) -> Principal:
        raise Unauthenticated("invalid API key" if presented else "missing API key")

    def close(self) -> None: ...


@dataclass(frozen=True)
class Answer:
    """A response, its body decoded."""

    status: int
    headers: httpx.Headers
    content: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.content)


@dataclass(frozen=True)
class Api:
    """Calls the application as an HTTP client would, without a socket."""

    app: Exchange
    doors: Doors
    services: Services
    settings: Settings
    org: Org
    other: Org
    key: str = "full"
    transport: httpx.AsyncBaseTransport | None = None
    """Where requests go instead of to `app` itself."""
    client: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        transport = self.transport or httpx.ASGITransport(self.app)
        object.__setattr__(self, "client", httpx.AsyncClient(transport=transport, base_url="http://memtrace"))

    def as_(self, key: str) -> "Api":
        """The same, called with another key: `reader`, `writer`, `admin`, `other`, `unbound`, ``."""
        return replace(self, key=key)

    def with_doors(self, **changes: Any) -> "Api":
        """The same with other services behind it."""
        doors = replace(self.doors, **changes)
        return replace(self, doors=doors, app=application(doors, self.settings))

    def with_settings(self, **sections: Mapping[str, Any]) -> "Api":
        """The same with other settings, given by section."""
        settings = self.changed(sections)
        return replace(self, settings=settings, app=application(self.doors, settings))

    def changed(self, sections: Mapping[str, Mapping[str, Any]]) -> Settings:
        """The settings, but for these."""
        changed = {name: replace(getattr(self.settings, name), **v) for name, v in sections.items()}
        return replace(self.settings, **changed)

    def with_server(self, **changes: Any) -> "Api":
        """The same with other settings of the server."""
        return self.with_settings(server=changes)

    def with_log(self, level: str) -> "Api":
        """The same, logging at another level."""
        return self.with_settings(log={"level": level})

    async def send(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Answer:
        sent = {"x-api-key": self.key, **(headers or {})} if self.key else dict(headers or {})
        body = content if json is None else msgspec.json.encode(json)
        response = await self.client.request(method, path, content=body, headers=sent, params=params)
        answer = Answer(response.status_code, response.headers, response.content)
        assert answer_faults(method, response.request.url.raw_path, answer) == []
        return answer

    async def get(self, path: str, **params: Any) -> Answer:
        return await self.send("GET", path, params=params)

    async def post(self, path: str, json: Any = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.send("POST", path, json, headers=named)

    async def put(self, path: str, json: Any = None) -> Answer:
        return await self.send("PUT", path, json)

    async def delete(self, path: str) -> Answer:
        return await self.send("DELETE", path)

    async def remember(self, content: str, **more: Any) -> Any:
        """Stores a memory and returns it."""
        answer = await self.post("/api/v1/memories", {"agent_id": "agent_a", "content": content, **more})
        assert answer.status == 201, answer.content
        return answer.json


@dataclass(frozen=True)
class Store:
    """Where the stores of orgs are: folders of this one, or databases of this Arc."""

    url: str
    arc_key: str = field(default="", repr=False)

    def of(self, org: Org) -> str:
        return self.url if self.arc_key else f"{self.url}/{org.id}"


@asynccontextmanager
async def opened(database: Path, store: Path) -> AsyncIterator[Api]:
    """An API with two orgs that are bound to embedded stores, and one that is not."""
    settings = Settings(server=ServerSettings(), auth=AuthSettings(db_path=database), master_key=MASTER_KEY)
    async with open_services(settings) as services:
        org, other, gate = await populated(services, Store(f"file:{store}"))
        doors = replace(doors_of(services), gate=gate)
        yield Api(application(doors, settings), doors, services, settings, org, other)


async def populated(services: Services, store: Store) -> tuple[Org, Org, KnownKeys]:
    """Two orgs with a store, one without, and who knows their keys."""
    org, other, unbound = [await services.tenants.create_org(name) for name in ("A", "B", "C")]
    callers = {name: _principal(org, p, store) for name, p in PERMISSIONS.items()}
    callers["other"] = _principal(other, PERMISSIONS["full"], store)
    callers["unbound"] = _principal(unbound, PERMISSIONS["full"], None)
    for bound in (org, other):
        await services.tenants.bind(bound.id, url=store.of(bound), database="memory", arc_key=store.arc_key)
    return org, other, KnownKeys(callers)


def _principal(org: Org, permissions: frozenset[Permission], store: Store | None) -> Principal:
    binding = (
        Binding(
            id=f"arc_{org.id}",
            org_id=org.id,
            url=store.of(org),
            database="memory",
            measurement="events",
            created=10**13,
            arc_key=store.arc_key,
        )
        if store
        else None
    )
    return Principal(org.id, org.name, "test", permissions, None, binding)


def assert_error(answer: Answer, status: int, code: str, says: str = "") -> Any:
    """That this is an error in the one shape; returns its body."""
    body = answer.json
    assert (answer.status, body["code"]) == (status, code), body
    assert answer.headers["content-type"] == "application/json"
    assert isinstance(body["error"], str)
    assert body["error"]
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body.get("hint", "…"), "a hint is there or is not, but never empty"
    assert says in body["error"], body["error"]
    return body
