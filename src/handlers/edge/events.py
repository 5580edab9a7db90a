"""What invokes a function: HTTP by API Gateway in either of its forms, or something else. Pure.

Events are taken apart with care: a client has a say in much of what they hold.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import quote, unquote

Event = Mapping[str, Any]
Kind = Literal["http", "warm-up", "queue", "unknown"]

_is_escaped: Final = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*").fullmatch
_IN_A_PATH: Final = "/:@!$&'()*+,;=~-._"
_DEFAULT_STAGE: Final = "$default"
_UNTOLD: Final = frozenset({"host", "x-forwarded-port", "content-length", "transfer-encoding"})
"""Headers that speak of a connection which is not ours, or that we know better."""
_parameter: Final = re.compile(r"\{([^}]+?)\+?\}").sub


class Malformed(Exception):
    """The event is no request that anybody could have sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpEvent:
    """One request, as the gateway handed it on."""

    version: Literal[1, 2]
    method: str
    path: str
    """Without stage and base path, percent-encoded as it was sent."""
    query: Mapping[str, Any] | str
    """Of version 1 the parameters, decoded, each a list; of version 2 as it was sent."""
    headers: Mapping[str, str]
    """Names in lower case; of a header sent twice, the last."""
    body: bytes
    client_ip: str
    request_id: str

    def for_mangum(self) -> dict[str, Any]:
        """An event with nothing in it that Mangum would stumble over."""
        shared = {"headers": dict(self.headers), "body": self.body, "isBase64Encoded": False}
        if self.version == 2:
            http = {"method": self.method, "path": self.path, "sourceIp": self.client_ip}
            context = {"http": http}
            return {**shared, "version": "2.0", "requestContext": context, "rawQueryString": self.query}
        return {
            **shared,
            "resource": "/{proxy+}",
            "httpMethod": self.method,
            "path": self.path,
            "multiValueQueryStringParameters": self.query,
            "requestContext": {"identity": {"sourceIp": self.client_ip}},
        }


def kind_of(event: object) -> Kind:
    """Told by what is in it, whoever sent it."""
    if not isinstance(event, Mapping):
        return "unknown"
    context = event.get("requestContext")
    if context is None and "httpMethod" in event:
        context = {}
    if isinstance(context, Mapping):
        is_second = event.get("version") == "2.0" and isinstance(context.get("http"), Mapping)
        is_http = is_second or isinstance(event.get("httpMethod"), str)
        return "http" if is_http and "elb" not in context else "unknown"
    if event.get("warmup") or event.get("source") in ("aws.events", "aws.scheduler"):
        return "warm-up"
    return "queue" if message_ids(event) else "unknown"


def message_ids(event: Event) -> list[str]:
    """Of the messages, where the event is of a queue."""
    records = event.get("Records")
    if not isinstance(records, list):
        return []
    return [
        str(one["messageId"])
        for one in records
        if isinstance(one, Mapping) and one.get("eventSource") == "aws:sqs" and "messageId" in one
    ]


def http_event(event: Event) -> HttpEvent:
    """The request in it. Raises Malformed."""
    try:
        is_second = event.get("version") == "2.0"
        return _second(event) if is_second else _first(event)
    except (KeyError, TypeError, AttributeError, UnicodeError) as e:
        raise Malformed(f"the event lacks what every request has ({type(e).__name__})") from e


def _first(event: Event) -> HttpEvent:
    context = event.get("requestContext") or {}
    headers = _last_of_each(event.get("multiValueHeaders"), event.get("headers"))
    body = _body(event)
    return HttpEvent(
        version=1,
        method=event["httpMethod"].upper(),
        path=_path(event.get("path") or "/", event.get("resource") or "", event, context),
        query=_parameters(event.get("multiValueQueryStringParameters"), event.get("queryStringParameters")),
        headers=_told(headers, body),
        body=body,
        client_ip=str((context.get("identity") or {}).get("sourceIp") or ""),
        request_id=str(context.get("requestId") or ""),
    )


def _second(event: Event) -> HttpEvent:
    context = event["requestContext"]
    http = context["http"]
    route = str(event.get("routeKey") or "").partition(" ")[2]
    body = _body(event)
    return HttpEvent(
        version=2,
        method=http["method"].upper(),
        path=_path(event.get("rawPath") or http.get("path") or "/", route, event, context),
        query=quote(event.get("rawQueryString") or "", safe="%" + _IN_A_PATH + '?[]|"<>^`{}\\'),
        headers=_told(_last_of_each(None, event.get("headers")), body),
        body=body,
        client_ip=str(http.get("sourceIp") or ""),
        # An HTTP API's ends with padding, which ids of ours do not have.
        request_id=str(context.get("requestId") or "").rstrip("="),
    )


def _body(event: Event) -> bytes:
    body = event.get("body") or ""
    if not isinstance(body, str):
        raise Malformed("the event's body is no text")
    if not event.get("isBase64Encoded"):
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("the event's body is not base64") from None


def _path(path: str, template: str, event: Event, context: Event) -> str:
    """The path that our routes know: the gateway's template says where it begins, else the stage does."""
    raw = quote(path, safe=f"%{_IN_A_PATH}" if _is_escaped(path) else _IN_A_PATH)
    meant = _filled_in(template, event.get("pathParameters"))
    if meant and unquote(raw).endswith(meant):
        return _without(raw, unquote(raw)[: -len(meant)])
    stage = context.get("stage") or _DEFAULT_STAGE
    sent = (context.get("http") or {}).get("path") or context.get("path")
    if stage != _DEFAULT_STAGE and sent == path:
        return _without(raw, f"/{stage}")
    return raw


def _filled_in(template: str, parameters: object) -> str:
    """A route's template with its parameters, decoded; empty where it has none that end it."""
    if not template.startswith("/"):
        return ""
    values = parameters if isinstance(parameters, Mapping) else {}
    if not all(name in values for name in re.findall(r"\{([^}]+?)\+?\}", template)):
        return ""
    filled = _parameter(lambda found: str(values[found[1]]).lstrip("/"), template)
    return unquote(filled) if filled != "/" else ""


def _without(path: str, prefix: str) -> str:
    if prefix and (path == prefix or path.startswith(f"{prefix.rstrip('/')}/")):
        return path[len(prefix.rstrip("/")) :] or "/"
    return path


def _last_of_each(many: object, single: object) -> dict[str, str]:
    found: dict[str, str] = {}
    if isinstance(single, Mapping):
        found |= {str(name).lower(): str(value) for name, value in single.items() if value is not None}
    if isinstance(many, Mapping):
        found |= {str(n).lower(): str(v[-1]) for n, v in many.items() if isinstance(v, list) and v}
    return found


def _told(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    kept = {name: value for name, value in headers.items() if name not in _UNTOLD}
    if body or "content-length" in headers or "transfer-encoding" in headers:
        kept["content-length"] = str(len(body))
    return kept


def _parameters(many: object, single: object) -> dict[str, list[str]]:
    if isinstance(many, Mapping) and many:
        return {str(k): ["" if one is None else str(one) for one in v or [""]] for k, v in many.items()}
    if isinstance(single, Mapping):
        return {str(k): ["" if v is None else str(v)] for k, v in single.items()}
    return {}
