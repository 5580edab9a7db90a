"""A request as API Gateway hands it to a function, in the form of a REST API (1) or an HTTP API (2). Pure."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import parse_qsl

DOMAIN: Final = "memtrace.execute-api.us-east-1.amazonaws.com"
_ACCOUNT: Final = "123456789012"
_API: Final = "memtracedev"
_TEXT: Final = ("text/", "application/json", "application/javascript", "application/xml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How the API is published."""

    version: Literal[1, 2] = 1
    name: str = "$default"
    is_in_url: bool = False
    """Whether URLs begin with it, as they do without a domain of one's own."""
    binary: bool = True
    """Of version 1: whether all media types count as binary, so that every body is base64."""
    is_worded: bool = False
    """Whether the gateway's own answers are those of template.yaml."""

    def inner(self, path: str) -> str | None:
        """The path behind the stage; None where the URL is of another stage."""
        if not self.is_in_url:
            return path
        prefix = f"/{self.name}"
        if path != prefix and not path.startswith(f"{prefix}/"):
            return None
        return path[len(prefix) :] or "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it came."""

    id: str
    method: str
    path: str
    """Behind the stage, percent-encoded."""
    query: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    client_ip: str
    trace: str
    at: datetime


def event_of(request: Request, stage: Stage) -> bytes:
    """The event, as JSON."""
    event = _second(request, stage) if stage.version == 2 else _first(request, stage)
    return json.dumps(event).encode()


def _first(request: Request, stage: Stage) -> dict[str, Any]:
    named = [(_capital(name), value) for name, value in _forwarded(request)]
    query = parse_qsl(request.query, keep_blank_values=True)
    body, is_base64 = _body(request, is_binary=stage.binary)
    return {
        "resource": "/{proxy+}",
        "path": request.path,
        "httpMethod": request.method,
        "headers": dict(named) or None,
        "multiValueHeaders": _many(named),
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _many(query),
        "pathParameters": {"proxy": request.path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            **_context(request, stage),
            "httpMethod": request.method,
            "identity": {"sourceIp": request.client_ip, "userAgent": _header(request, "user-agent")},
            "path": f"/{stage.name}{request.path}" if stage.is_in_url else request.path,
            "protocol": "HTTP/1.1",
            "requestTime": request.at.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "requestTimeEpoch": _millis(request.at),
            "resourceId": "proxy",
            "resourcePath": "/{proxy+}",
        },
        "body": body,
        "isBase64Encoded": is_base64,
    }


def _second(request: Request, stage: Stage) -> dict[str, Any]:
    path = f"/{stage.name}{request.path}" if stage.is_in_url else request.path
    query = parse_qsl(request.query, keep_blank_values=True)
    media = _header(request, "content-type") or ""
    body, is_base64 = _body(request, is_binary=not media.startswith(_TEXT))
    headers = {name: ",".join(values) for name, values in (_many(_forwarded(request)) or {}).items()}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            **_context(request, stage),
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.client_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "routeKey": "$default",
            "time": request.at.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": _millis(request.at),
        },
        "isBase64Encoded": is_base64,
    }
    if query:
        event["queryStringParameters"] = {k: ",".join(v) for k, v in (_many(query) or {}).items()}
    return event if body is None else {**event, "body": body}


def _context(request: Request, stage: Stage) -> dict[str, Any]:
    return {
        "accountId": _ACCOUNT,
        "apiId": _API,
        "domainName": DOMAIN,
        "requestId": request.id,
        "stage": stage.name,
    }


def _forwarded(request: Request) -> list[tuple[str, str]]:
    """Its headers and those that the gateway adds; what it says of its own connection stays with it."""
    kept = [(name, value) for name, value in request.headers if name not in ("connection", "keep-alive")]
    return [
        *((name, value) for name, value in kept if not name.startswith("x-forwarded-")),
        ("x-amzn-trace-id", request.trace),
        ("x-forwarded-for", request.client_ip),
        ("x-forwarded-port", "443"),
        ("x-forwarded-proto", "https"),
    ]


def _body(request: Request, *, is_binary: bool) -> tuple[str | None, bool]:
    if not request.body:
        return None, False
    if not is_binary:
        return request.body.decode("utf-8", "replace"), False
    return base64.b64encode(request.body).decode(), True


def _many(pairs: Sequence[tuple[str, str]]) -> Mapping[str, list[str]] | None:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found or None


def _capital(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))


def _header(request: Request, name: str) -> str | None:
    return next((value for key, value in request.headers if key == name), None)


def _millis(at: datetime) -> int:
    return round(at.astimezone(UTC).timestamp() * 1000)
