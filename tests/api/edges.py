"""The same API behind the function that Lambda calls: two sandboxes in turn, each on a thread of its own."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from core.bootstrap.edge import Edge, open_edge
from core.settings import Settings
from handlers.edge.function import Function
from handlers.http.app import application, doors_of
from local.gateway.answer import answer_of
from local.gateway.request import Request, Stage, event_of
from local.lambda_runtime.outcome import Outcome
from tests.api.rig import Api, KnownKeys, Store, populated
from tests.edge.rig import Context

_SANDBOXES: Final = 2
_TRACE: Final = "Root=1-67891233-abcdef012345678912345678"


class Sandbox:
    """A function that is asked from elsewhere; started with its first request."""

    def __init__(self, settings: Settings, gate: KnownKeys) -> None:
        self._function = Function(lambda: _opened(settings, gate))
        self._thread = ThreadPoolExecutor(1)

    async def invoke(self, event: bytes, context: Context) -> bytes:
        """The result, as JSON: what no JSON can hold does not leave a function."""
        result = await asyncio.wrap_future(
            self._thread.submit(lambda: self._function(json.loads(event), context))
        )
        return json.dumps(result).encode()

    def close(self) -> None:
        self._thread.submit(self._function.close).result()
        self._thread.shutdown()


class Sandboxes(httpx.AsyncBaseTransport):
    """Each request goes to the next sandbox, as the gateway hands it on."""

    def __init__(self, settings: Settings, gate: KnownKeys, stage: Stage) -> None:
        self._all = [Sandbox(settings, gate) for _ in range(_SANDBOXES)]
        self._next = itertools.cycle(self._all)
        self._stage = stage
        self._ids = itertools.count(1)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        event = event_of(await self._asked(request), self._stage)
        result = await next(self._next).invoke(event, Context())
        answer = answer_of(Outcome(result), self._stage.version)
        return httpx.Response(answer.status, headers=list(answer.headers), content=answer.body)

    async def _asked(self, request: httpx.Request) -> Request:
        path, _, query = request.url.raw_path.partition(b"?")
        return Request(
            id=f"gateway-{next(self._ids)}",
            method=request.method,
            path=path.decode(),
            query=query.decode(),
            headers=[(name.decode().lower(), value.decode("latin-1")) for name, value in request.headers.raw],
            body=await request.aread(),
            client_ip="192.0.2.1",
            trace=_TRACE,
            at=datetime.now(UTC),
        )

    def close(self) -> None:
        for sandbox in self._all:
            sandbox.close()


@dataclass(frozen=True, kw_only=True)
class EdgeApi(Api):
    """Calls the function. `services` are those of a third edge beside it."""

    reopened: Callable[[Settings], Sandboxes] = field(repr=False)

    def with_settings(self, **sections: Mapping[str, Any]) -> "EdgeApi":
        settings = self.changed(sections)
        return replace(self, settings=settings, transport=self.reopened(settings))


@contextlib.asynccontextmanager
async def opened_edges(settings: Settings, store: Store, stage: Stage) -> AsyncIterator[Api]:
    """As `rig.opened`, over metadata that is there and empty."""
    async with contextlib.AsyncExitStack() as closing:
        services = (await closing.enter_async_context(open_edge(settings))).services
        org, other, gate = await populated(services, store)

        def reopened(settings: Settings) -> Sandboxes:
            sandboxes = Sandboxes(settings, gate, stage)
            closing.callback(sandboxes.close)
            return sandboxes

        doors = replace(doors_of(services), gate=gate)
        yield EdgeApi(
            app=application(doors, settings),
            doors=doors,
            services=services,
            settings=settings,
            org=org,
            other=other,
            transport=reopened(settings),
            reopened=reopened,
        )


@contextlib.asynccontextmanager
async def _opened(settings: Settings, gate: KnownKeys) -> AsyncIterator[Edge]:
    async with open_edge(settings) as edge:
        yield replace(edge, services=replace(edge.services, gate=gate))
