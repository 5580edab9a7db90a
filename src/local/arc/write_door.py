"""`POST /api/v1/write/msgpack` and what belongs to it."""

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.arc.answers import error
from local.arc.buffers import FlushFailed
from local.arc.columns import Inconvertible
from local.arc.decoding import decoded
from local.arc.decompressing import decompressed
from local.arc.permissions import needs
from local.arc.process import Process
from local.arc.records import Undecodable

DATABASE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_MEASUREMENT: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,127}")
_RULE: Final = "must start with a letter and contain only alphanumeric characters, underscores, or hyphens"


class WriteDoors:
    """Writing, writing out what was written, and counting both."""

    def __init__(self, process: Process) -> None:
        self._process: Final = process

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/write/msgpack", needs("write", self._write), methods=["POST"]),
            Route("/api/v1/write/msgpack/stats", self._stats, methods=["GET"]),
            Route("/api/v1/write/line-protocol/flush", needs("admin", self._flush), methods=["POST"]),
        ]

    async def _write(self, request: Request) -> Response:
        body = await request.body()
        if len(body) > self._process.settings.max_payload:
            return error(413, "Request Entity Too Large")
        if not body:
            return error(400, "Empty payload")
        return await _taken(self._process, body, request.headers.get("x-arc-database") or "default")

    async def _flush(self, request: Request) -> Response:
        try:
            await self._process.buffers.flush()
        except FlushFailed as e:
            return error(500, f"Flush failed: {e}")
        return JSONResponse({"message": "All buffers flushed", "status": "success"})

    async def _stats(self, request: Request) -> Response:
        counted = self._process.buffers.stats
        buffer = {
            "total_records_buffered": counted.buffered,
            "total_records_written": counted.written,
            "total_flushes": counted.flushes,
            "total_errors": counted.errors,
            "active_buffers": self._process.buffers.active,
        }
        return JSONResponse({"decoder": {}, "buffer": buffer})


async def _taken(process: Process, body: bytes, database: str) -> Response:
    try:
        payload = decompressed(body, process.settings.max_payload)
        records = decoded(payload, process.clock.micros())
    except Undecodable as e:
        return error(400, str(e))
    if not DATABASE.fullmatch(database):
        return error(400, f"invalid database name: {_RULE} (max 64 characters)")
    for name in {record.measurement for record in records if record.measurement}:
        if not _MEASUREMENT.fullmatch(name):
            return error(400, f'invalid measurement name "{name}": {_RULE}')
    try:
        await process.buffers.add(database, records)
    except Inconvertible as e:
        return error(500, f"Failed to write records: failed to convert columns: {e}")
    return Response(status_code=204)
