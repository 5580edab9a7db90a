"""Every error that an operation can give, and the answers that tell of them."""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any, Final

import msgspec

from core.model.errors import (
    DatabaseError,
    DeadlineExceeded,
    Forbidden,
    InternalError,
    InvalidRequest,
    MemtraceError,
    MetadataBusy,
    Overloaded,
    RateLimited,
    RequestTimeout,
    RequestTooLarge,
    ShuttingDown,
    StoreError,
    Unauthenticated,
    Unavailable,
)
from handlers.http.answers import ErrorAnswer
from handlers.http.endpoint import Endpoint
from handlers.http.errors import error_reply, status_of
from scripts.openapi.prose import when
from scripts.openapi.schemas import reference

JsonObject = dict[str, Any]
Errors = list[type[MemtraceError]]

EXAMPLE_REQUEST_ID: Final = "req_ca3fbfef8ac1000000000015"
_ALWAYS: Final = (Unavailable, DeadlineExceeded, InternalError)
_OF_DATABASE: Final = (DatabaseError, MetadataBusy)
_ADMITTED: Final = (InvalidRequest, Overloaded, ShuttingDown)
"""Of all but probes; the first for an X-Request-Timeout that is no number."""
_WITH_KEY: Final = (Unauthenticated, Forbidden, RateLimited)
_WITH_BODY: Final = (InvalidRequest, RequestTooLarge, RequestTimeout)


def errors_of(endpoint: Endpoint) -> dict[int, Errors]:
    """Every error that the operation can give, by status."""
    errors: Errors = [*endpoint.errors, *_ALWAYS]
    if endpoint.permission is not None:
        errors += (*_WITH_KEY, *_OF_DATABASE)
    if endpoint.is_probe:
        errors += _OF_DATABASE
    else:
        errors += _ADMITTED
    if endpoint.takes:
        errors += _WITH_BODY
    by_status: dict[int, Errors] = {}
    for error in sorted({e for one in errors for e in _kinds(one)}, key=lambda e: e.code):
        by_status.setdefault(status_of(error), []).append(error)
    return dict(sorted(by_status.items()))


def every_error(root: type[MemtraceError] = MemtraceError) -> Iterator[type[MemtraceError]]:
    """The whole tree, but for its root, which has its code from InternalError, and what adapters add.

    Those are known to the code alone that raises and catches them, and have the code of their parent.
    """
    for child in root.__subclasses__():
        if child.__module__ == MemtraceError.__module__:
            yield child
            yield from every_error(child)


def _kinds(error: type[MemtraceError]) -> Iterable[type[MemtraceError]]:
    """The errors that are meant where a route names this one."""
    if error is InternalError:
        return (e for e in every_error() if status_of(e) == HTTPStatus.INTERNAL_SERVER_ERROR)
    return (error, *every_error(error)) if error is StoreError else (error,)


def failure(status: int, errors: Errors, headers: JsonObject) -> JsonObject:
    """The answer of an operation that gives these errors with this status."""
    codes = [error.code for error in errors]
    if any(error.retry_after is not None or issubclass(error, DatabaseError) for error in errors):
        headers = {**headers, "Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
    schema = {"allOf": [reference(ErrorAnswer), {"properties": {"code": {"type": "string", "enum": codes}}}]}
    examples = {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
    return {
        "description": _description(errors),
        "headers": headers,
        "content": {"application/json": {"schema": schema, "examples": examples}},
    }


def _description(errors: Errors) -> str:
    """What gives which error, a line each; those that have the same cause together."""
    causes: dict[str, list[str]] = {}
    for error in errors:
        causes.setdefault(when(error), []).append(f"`{error.code}`")
    return "\n".join(f"- {', '.join(codes)}: {cause}" for cause, codes in causes.items())


def example(error: type[MemtraceError]) -> JsonObject:
    """What the server answers where nothing more is known than the error's kind."""
    body = msgspec.json.decode(error_reply(error(), EXAMPLE_REQUEST_ID).body)
    return {"summary": when(error), "value": body}


def hoisted(paths: JsonObject) -> JsonObject:
    """Takes failures that several operations share out of the paths; returns them by name."""
    found: dict[str, list[tuple[JsonObject, str]]] = {}
    for operations in paths.values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                text = msgspec.json.encode(response, order="sorted").decode()
                found.setdefault(f"{status} {text}", []).append((operation["responses"], status))
    shared = {text: places for text, places in found.items() if len(places) > 1 and int(text[:3]) >= 400}
    named = _names(list(shared))
    components: JsonObject = {}
    for text, places in shared.items():
        components[named[text]] = places[0][0][places[0][1]]
        for responses, status in places:
            responses[status] = {"$ref": f"#/components/responses/{named[text]}"}
    return dict(sorted(components.items()))


def _names(texts: list[str]) -> dict[str, str]:
    """The status in words, and the codes by which an answer differs from others of its status."""
    codes = {text: _codes(text) for text in texts}
    names: dict[str, str] = {}
    for text in texts:
        alike = [other for other in texts if other[:3] == text[:3] and _is_keyed(other) == _is_keyed(text)]
        common = set.intersection(*(set(codes[other]) for other in alike))
        parts = [HTTPStatus(int(text[:3])).phrase, *(code for code in codes[text] if code not in common)]
        if not _is_keyed(text):
            parts.append("without key")
        names[text] = "".join(word.capitalize() for part in parts for word in part.replace("_", " ").split())
    if len(set(names.values())) < len(names):
        raise ValueError(f"two answers of one name: {sorted(names.values())}")
    return names


def _is_keyed(text: str) -> bool:
    """Whether an answer is one of operations that ask for a key; those of a missing key are anyhow."""
    return "RateLimit" in text or text[:3] in ("401", "403")


def _codes(text: str) -> list[str]:
    response = msgspec.json.decode(text[4:])
    codes: list[str] = [*response["content"]["application/json"]["examples"]]
    return codes
