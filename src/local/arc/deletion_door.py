"""`POST /api/v1/delete` and `GET /api/v1/delete/config`, for admins."""

from time import monotonic
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.arc.answers import json_body
from local.arc.deleting import Affected, affected, delete
from local.arc.deletion_rules import Order, check_extent, order_of
from local.arc.gate import Refused
from local.arc.permissions import needs
from local.arc.process import Process

DISABLED: Final = "Delete operations are disabled. Set delete.enabled=true in arc.toml to enable."


class DeletionDoors:
    """Both of them."""

    def __init__(self, process: Process) -> None:
        self._process: Final = process
        self._settings: Final = process.settings

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/delete", needs("admin", self._delete), methods=["POST"]),
            Route("/api/v1/delete/", needs("admin", self._delete), methods=["POST"]),
            Route("/api/v1/delete/config", needs("admin", self._config), methods=["GET"]),
        ]

    async def _delete(self, request: Request) -> Response:
        began = monotonic()
        if not self._settings.delete_enabled:
            return _answer(began, 403, error=DISABLED)
        try:
            order = order_of(await json_body(request))
            found = await self._found(order)
        except Refused as e:
            return _answer(began, 400, error=str(e))
        if order.dry_run or not found:
            return _previewed(began, order, found)
        return await _deleted(self._process, began, order, found)

    async def _found(self, order: Order) -> list[Affected]:
        found = await self._process.engine.run(lambda s: affected(s, self._process.files, order))
        check_extent(
            sum(file.rows for file in found),
            order.confirm,
            most=self._settings.max_rows_per_delete,
            threshold=self._settings.confirmation_threshold,
        )
        return found

    async def _config(self, request: Request) -> Response:
        document = {
            "enabled": self._settings.delete_enabled,
            "confirmation_threshold": self._settings.confirmation_threshold,
            "max_rows_per_delete": self._settings.max_rows_per_delete,
            "implementation": "rewrite-based",
            "performance_impact": {
                "writes": "zero overhead",
                "queries": "zero overhead",
                "deletes": "expensive (file rewrites)",
            },
        }
        return JSONResponse(document)


def _previewed(began: float, order: Order, found: list[Affected]) -> Response:
    return _answer(
        began,
        200,
        success=True,
        deleted_count=sum(file.rows for file in found),
        affected_files=len(found),
        dry_run=order.dry_run,
        files_processed=[file.path.name for file in found],
    )


async def _deleted(process: Process, began: float, order: Order, found: list[Affected]) -> Response:
    outcome = await process.engine.run(lambda s: delete(s, process.files, found, order.where, process.faults))
    some: dict[str, Any] = {}
    if outcome.failed:
        some["failed_files"] = outcome.failed
        some["error"] = f"{len(outcome.failed)} of {len(found)} files failed to process"
    return _answer(
        began,
        207 if outcome.failed else 200,
        success=not outcome.failed,
        deleted_count=outcome.deleted,
        affected_files=len(found),
        rewritten_files=len(outcome.rewritten),
        files_processed=outcome.rewritten,
        **some,
    )


def _answer(began: float, status: int, **fields: Any) -> Response:
    document: dict[str, Any] = {
        "success": False,
        "deleted_count": 0,
        "affected_files": 0,
        "rewritten_files": 0,
        "execution_time_ms": int((monotonic() - began) * 1000),
        "dry_run": False,
        "files_processed": None if status >= 400 else [],
    }
    return JSONResponse(document | fields, status)
