"""`POST /api/v1/query` and `/api/v1/query/msgpack`: checked, rewritten, run, rendered."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.arc.answers import MSGPACK, compressed, json_body
from local.arc.engine import Answer, QueryFailed, QueryTimedOut
from local.arc.gate import Refused, check_header, check_one_database, check_statement
from local.arc.listing import shown
from local.arc.permissions import Handler, needs
from local.arc.process import Process
from local.arc.rendering import (
    Moment,
    Unrenderable,
    as_json,
    as_msgpack,
    error_as_json,
    error_as_msgpack,
)
from local.arc.strictness import check_strictly


@dataclass(frozen=True, slots=True)
class _Format:
    media_type: str
    answer: Callable[[Answer, Moment], bytes]
    error: Callable[[str, Moment], bytes]


_JSON: Final = _Format("application/json", as_json, error_as_json)
_MSGPACK: Final = _Format(MSGPACK, as_msgpack, error_as_msgpack)
_EMPTY: Final = Answer((), [])


class _Failed(Exception):
    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status: Final = status


def query_routes(process: Process) -> list[Route]:
    def door(format: _Format) -> Handler:
        async def query(request: Request) -> Response:
            began = monotonic()
            status, media_type, body = 200, format.media_type, b""
            try:
                answer = await _answered(process, request)
                body = format.answer(_cut(answer, request), _moment(process, began))
            except (_Failed, Unrenderable) as e:
                status = e.status if isinstance(e, _Failed) else 500
                body = format.error(str(e), _moment(process, began))
            if status == 200 and answer.columns:
                return compressed(request, body, media_type)
            return Response(body, status, media_type=media_type)

        return query

    return [
        Route("/api/v1/query", needs("read", door(_JSON)), methods=["POST"]),
        Route("/api/v1/query/msgpack", needs("read", door(_MSGPACK)), methods=["POST"]),
    ]


async def _answered(process: Process, request: Request) -> Answer:
    database = request.headers.get("x-arc-database", "")
    try:
        sql = await _sql(request)
        check_statement(sql)
        check_header(database)
        if database:
            check_one_database(sql)
        if (listing := shown(process.files, sql, database)) is not None:
            return listing
        if process.settings.strict:
            check_strictly(sql)
    except Refused as e:
        raise _Failed(400, str(e)) from e
    try:
        return await process.engine.run(
            lambda statements: statements.answer(process.partitions.statement(sql, database)),
            process.settings.query_timeout,
        )
    except QueryFailed as e:
        if e.is_missing:
            return _EMPTY
        raise _Failed(500, f"arrow query failed: {e}") from e
    except QueryTimedOut as e:
        raise _Failed(504, "Query timed out") from e


async def _sql(request: Request) -> str:
    body = await json_body(request)
    sql = body.get("sql")
    if sql is not None and not isinstance(sql, str):
        raise Refused("Invalid request body: json: QueryRequest.sql is of type string")
    return sql or ""


def _cut(answer: Answer, request: Request) -> Answer:
    """What a JSON answer holds whose stream broke off: it says so nowhere."""
    rows: int | None = getattr(request.state, "cut_rows", None)
    return answer if rows is None else Answer(answer.columns, answer.rows[:rows])


def _moment(process: Process, began: float) -> Moment:
    now = datetime.fromtimestamp(process.clock.micros() // 1_000_000, UTC)
    return Moment(int((monotonic() - began) * 1000), f"{now:%Y-%m-%dT%H:%M:%SZ}")
