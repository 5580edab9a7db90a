"""A double's own doors, for those who run it as a process: faults, a crash, a flush, a compaction."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Final, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from local.arc.faults import Fault, Faults
from local.arc.permissions import needs


class Controlled(Protocol):
    """What the doors do things to."""

    @property
    def faults(self) -> Faults: ...

    async def flush(self) -> None: ...

    async def crash_soon(self, *, unsynced: int, down_for: float) -> None:
        """Returns at once; then the process is gone, and back after so many seconds."""
        ...

    async def compact(self, database: str, measurement: str, *, seconds: float) -> int: ...

    def state(self) -> dict[str, Any]: ...


def control_routes(double: Controlled) -> list[BaseRoute]:
    """For holders of an admin token; 400 says what cannot be read."""
    doors = _Doors(double)
    return [
        _route("GET", "faults", doors.show),
        _route("POST", "faults", doors.add),
        _route("DELETE", "faults", doors.clear),
        _route("POST", "flush", doors.flush),
        _route("POST", "crash", doors.crash),
        _route("POST", "compact", doors.compact),
        _route("GET", "state", doors.state),
    ]


class _Doors:
    def __init__(self, double: Controlled) -> None:
        self._double: Final = double

    async def show(self, body: dict[str, Any]) -> Any:
        faults = self._double.faults
        waiting = [asdict(fault) for fault in faults.waiting]
        return {"faults": waiting, "flushes": faults.flushes, "rewrites": faults.rewrites}

    async def add(self, body: dict[str, Any]) -> Any:
        self._double.faults.flushes += int(body.pop("flushes", 0))
        self._double.faults.rewrites += int(body.pop("rewrites", 0))
        if body:
            self._double.faults.add(msgspec.convert(body, Fault))
        return await self.show({})

    async def clear(self, body: dict[str, Any]) -> Any:
        self._double.faults.clear()
        return await self.show({})

    async def flush(self, body: dict[str, Any]) -> Any:
        await self._double.flush()
        return {}

    async def crash(self, body: dict[str, Any]) -> Any:
        unsynced, down_for = int(body.get("unsynced", 0)), float(body.get("down_for", 0.0))
        await self._double.crash_soon(unsynced=unsynced, down_for=down_for)
        return {}

    async def compact(self, body: dict[str, Any]) -> Any:
        database, measurement = str(body["database"]), str(body["measurement"])
        seconds = float(body.get("seconds", 0.0))
        return {"files": await self._double.compact(database, measurement, seconds=seconds)}

    async def state(self, body: dict[str, Any]) -> Any:
        return self._double.state()


def _route(method: str, name: str, do: Callable[[dict[str, Any]], Awaitable[Any]]) -> Route:
    async def handle(request: Request) -> Response:
        try:
            body = json.loads(await request.body() or b"{}")
            return JSONResponse(await do(dict(body)))
        except (ValueError, KeyError, TypeError, msgspec.ValidationError) as e:
            return JSONResponse({"error": f"cannot read this: {e!r}"}, 400)

    return Route(f"/_double/{name}", needs("admin", handle), methods=[method])
