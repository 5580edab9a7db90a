"""HTTP answers in Arc's shapes, compressed where the client takes that."""

import gzip
import json
import re
from collections.abc import Mapping
from typing import Any, Final

import zstandard
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local.arc.gate import Refused

MSGPACK: Final = "application/msgpack"
_IS_JSON: Final = re.compile(r"[^;]*json\s*(?:;|\Z)", re.I)


def error(status: int, words: str) -> Response:
    """The shape of the write doors and of what has no shape of its own."""
    return JSONResponse({"error": words}, status)


def refusal(status: int, words: str) -> Response:
    """The shape of what has to do with tokens."""
    return JSONResponse({"success": False, "error": words}, status)


def compressed(request: Request, body: bytes, media_type: str) -> Response:
    """zstd before gzip, whatever weights the client gives them other than 0."""
    encoding = _accepted(request.headers.get("accept-encoding", ""))
    headers = {"vary": "Accept-Encoding"}
    if encoding == "zstd":
        body = zstandard.ZstdCompressor(level=1).compress(body)
    elif encoding == "gzip":
        body = gzip.compress(body, 1)
    if encoding:
        headers["content-encoding"] = encoding
    return Response(body, media_type=media_type, headers=headers)


def _accepted(header: str) -> str:
    taken = set()
    for part in header.split(","):
        name, _, weight = part.strip().lower().partition(";")
        if not _is_zero(weight):
            taken.add(name.strip().removeprefix("x-"))
    return "zstd" if "zstd" in taken else "gzip" if "gzip" in taken else ""


def _is_zero(weight: str) -> bool:
    value = weight.split(";")[0].strip().removeprefix("q=").strip()
    try:
        return value != "" and float(value) == 0
    except ValueError:
        return False


async def json_body(request: Request) -> dict[str, Any]:
    """The map in a body that is declared as JSON. Raises Refused."""
    if not _IS_JSON.match(request.headers.get("content-type", "")):
        raise Refused("Invalid request body: Unprocessable Entity")
    try:
        body = json.loads(await request.body())
    except ValueError as e:
        raise Refused(f"Invalid request body: {e}") from e
    if body is not None and not isinstance(body, dict):
        raise Refused(f"Invalid request body: json: cannot unmarshal {type(body).__name__} into Go value")
    return body or {}


def field(body: Any, name: str) -> str:
    """A text of a JSON body, empty where there is none."""
    value = body.get(name) if isinstance(body, Mapping) else None
    return value if isinstance(value, str) else ""
