"""Probes, tokens and databases: what a client or an operator asks beside writing and reading."""

import json
import shutil
from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.arc.accounts import DEFAULT, PERMISSIONS
from local.arc.answers import error, field, json_body, refusal
from local.arc.deletion_door import DISABLED
from local.arc.gate import Refused
from local.arc.listing import MARKER, databases, measurements
from local.arc.permissions import needs, token_of
from local.arc.process import Process
from local.arc.write_door import DATABASE

_RESERVED: Final = ("system", "internal", "_internal")
_CREATED: Final = "Token created successfully. Store this token securely - it cannot be retrieved again."
_RULE: Final = (
    "Invalid database name: must start with a letter and contain only alphanumeric characters,"
    " underscores, or hyphens (max 64 characters)"
)


def probe_routes(process: Process) -> list[Route]:
    def told(status: str) -> dict[str, Any]:
        up = process.clock.monotonic() - process.started_at
        return {"status": status, "time": _now(process), "uptime_sec": up}

    async def health(request: Request) -> Response:
        return JSONResponse(told("ok") | {"uptime": f"{told('ok')['uptime_sec']:.9g}s"})

    async def ready(request: Request) -> Response:
        return JSONResponse(told("ready"))

    return [Route("/health", health, methods=["GET"]), Route("/ready", ready, methods=["GET"])]


class TokenDoors:
    """`/api/v1/auth`."""

    def __init__(self, process: Process) -> None:
        self._accounts: Final = process.accounts

    @property
    def routes(self) -> list[Route]:
        tokens = "/api/v1/auth/tokens"
        return [
            Route("/api/v1/auth/verify", self._verify, methods=["GET"]),
            Route(tokens, needs("admin", self._create), methods=["POST"]),
            Route(tokens, needs("admin", self._list), methods=["GET"]),
            Route(f"{tokens}/{{id:int}}", needs("admin", self._revoke), methods=["DELETE"]),
            Route(f"{tokens}/{{id:int}}/revoke", needs("admin", self._revoke), methods=["POST"]),
        ]

    async def _verify(self, request: Request) -> Response:
        token = token_of(request)
        account = self._accounts.of(token)
        if account is None:
            words = "Invalid or expired token" if token else "No token provided"
            return JSONResponse({"valid": False, "error": words}, 401)
        permissions = list(account.permissions)
        return JSONResponse({"valid": True, "token_info": account.shown, "permissions": permissions})

    async def _create(self, request: Request) -> Response:
        try:
            body = await json_body(request)
        except Refused as e:
            return refusal(400, str(e))
        name, given = field(body, "name"), body.get("permissions")
        if not name:
            return refusal(400, "Token name is required")
        wrong = next((p for p in given or () if p not in PERMISSIONS), None)
        if wrong is not None:
            valid = ", ".join(PERMISSIONS)
            return refusal(400, f"Invalid permission: {wrong}. Valid permissions are: {valid}")
        token = self._accounts.create(name, DEFAULT if given is None else tuple(given))
        return JSONResponse({"success": True, "token": token, "message": _CREATED}, 201)

    async def _list(self, request: Request) -> Response:
        tokens = [account.shown for account in self._accounts.all()]
        return JSONResponse({"success": True, "tokens": tokens, "count": len(tokens)})

    async def _revoke(self, request: Request) -> Response:
        if not self._accounts.revoke(int(request.path_params["id"])):
            return refusal(404, "Token not found")
        return JSONResponse({"success": True, "message": "Token revoked"})


class DatabaseDoors:
    """`/api/v1/databases`."""

    def __init__(self, process: Process) -> None:
        self._process: Final = process
        self._files: Final = process.files

    @property
    def routes(self) -> list[Route]:
        all, one = "/api/v1/databases", "/api/v1/databases/{name}"
        return [
            Route(all, self._list, methods=["GET"]),
            Route(all, needs("admin", self._create), methods=["POST"]),
            Route(one, self._show, methods=["GET"]),
            Route(one, needs("admin", self._drop), methods=["DELETE"]),
            Route(f"{one}/measurements", self._measurements, methods=["GET"]),
        ]

    def _information(self, name: str) -> dict[str, Any]:
        return {"name": name, "measurement_count": len(measurements(self._files, name))}

    async def _list(self, request: Request) -> Response:
        found = [self._information(name) for name in databases(self._files)]
        return JSONResponse({"databases": found, "count": len(found)})

    async def _show(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in databases(self._files):
            return _unknown(name)
        return JSONResponse(self._information(name))

    async def _measurements(self, request: Request) -> Response:
        name = request.path_params["name"]
        found = [{"name": each} for each in measurements(self._files, name)]
        if not found and not (self._files.root / name / MARKER).exists():
            return _unknown(name)
        return JSONResponse({"database": name, "measurements": found, "count": len(found)})

    async def _create(self, request: Request) -> Response:
        try:
            name = field(await json_body(request), "name")
        except Refused as e:
            return error(400, str(e))
        if refused := _why_not(name, databases(self._files)):
            return refused
        folder, now = self._files.root / name, _now(self._process)
        folder.mkdir()
        (folder / MARKER).write_text(json.dumps({"created_at": now}))
        return JSONResponse({"name": name, "measurement_count": 0, "created_at": now}, 201)

    async def _drop(self, request: Request) -> Response:
        name = request.path_params["name"]
        if not self._process.settings.delete_enabled:
            return error(403, DISABLED)
        if request.query_params.get("confirm") != "true":
            return error(400, "Confirmation required. Add ?confirm=true to delete the database.")
        if name not in databases(self._files):
            return _unknown(name)
        count = sum(1 for path in (self._files.root / name).rglob("*") if path.is_file())
        shutil.rmtree(self._files.root / name)
        return JSONResponse({"message": f"Database '{name}' deleted successfully", "files_deleted": count})


def _why_not(name: str, there: list[str]) -> Response | None:
    if not name:
        return error(400, "Database name is required")
    if not DATABASE.fullmatch(name):
        return error(400, _RULE)
    if name.lower() in _RESERVED:
        return error(400, f"Database name '{name}' is reserved")
    return error(409, f"Database '{name}' already exists") if name in there else None


def _unknown(name: str) -> Response:
    return error(404, f"Database '{name}' not found")


def _now(process: Process) -> str:
    return f"{datetime.fromtimestamp(process.clock.micros() // 1_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"
