"""The stand-in's own doors, for those who run it as a process: faults, and how its queues are."""

import json
from dataclasses import asdict
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from local.sqs.account import Account
from local.sqs.faults import Fault


def control_app(account: Account) -> ASGIApp:
    """`/_double/faults` (GET, POST one fault, DELETE all) and `/_double/queues`."""
    doors = _Doors(account)
    return Starlette(
        routes=[
            Route("/_double/faults", doors.show, methods=["GET"]),
            Route("/_double/faults", doors.add, methods=["POST"]),
            Route("/_double/faults", doors.clear, methods=["DELETE"]),
            Route("/_double/queues", doors.queues, methods=["GET"]),
        ]
    )


class _Doors:
    def __init__(self, account: Account) -> None:
        self._account: Final = account

    async def show(self, request: Request) -> Response:
        return JSONResponse({"faults": [asdict(fault) for fault in self._account.faults.waiting]})

    async def add(self, request: Request) -> Response:
        try:
            fault = msgspec.convert(json.loads(await request.body()), Fault)
        except (ValueError, msgspec.ValidationError) as e:
            return JSONResponse({"error": f"cannot read this: {e!r}"}, 400)
        self._account.faults.add(fault)
        return await self.show(request)

    async def clear(self, request: Request) -> Response:
        self._account.faults.clear()
        return await self.show(request)

    async def queues(self, request: Request) -> Response:
        found: dict[str, Any] = {}
        for url in (await self._account.call("ListQueues", {}))["QueueUrls"]:
            queue = self._account.queue(url.rpartition("/")[2])
            found[queue.name] = {
                "visible": queue.visible,
                "in_flight": queue.in_flight,
                "delayed": queue.delayed,
                "bytes": queue.bytes,
            }
        return JSONResponse(found)
