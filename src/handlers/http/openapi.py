"""The OpenAPI 3.1 document, made from the table of routes and the types that decode and encode."""

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import msgspec

from core.model.errors import (
    DatabaseError,
    DeadlineExceeded,
    Forbidden,
    InternalError,
    InvalidRequest,
    MemtraceError,
    Overloaded,
    RateLimited,
    RequestTimeout,
    RequestTooLarge,
    ShuttingDown,
    Unauthenticated,
    Unavailable,
)
from handlers.http.answers import ErrorAnswer
from handlers.http.endpoint import Endpoint
from handlers.http.errors import status_of

JsonObject = dict[str, Any]

_JSON: Final = "application/json"
_REFERENCE: Final = "#/components/schemas/{name}"
_WITH_KEY: Final[tuple[type[MemtraceError], ...]] = (
    InvalidRequest,
    Unauthenticated,
    Forbidden,
    RateLimited,
    Overloaded,
    ShuttingDown,
    Unavailable,
    DeadlineExceeded,
    DatabaseError,
    InternalError,
)
_WITH_BODY: Final[tuple[type[MemtraceError], ...]] = (InvalidRequest, RequestTooLarge, RequestTimeout)
_REQUEST_ID: Final = {
    "name": "X-Request-ID",
    "in": "header",
    "description": "a name for this request, repeated in its answer and in the server's log;"
    " one that is not 1 to 128 letters, digits, `.`, `_` or `-` is replaced",
    "schema": {"type": "string"},
}
_REQUEST_TIMEOUT: Final = {
    "name": "X-Request-Timeout",
    "in": "header",
    "description": "seconds within which the answer is wanted; the server's own limit holds beside it",
    "schema": {"type": "number", "exclusiveMinimum": 0},
}
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "the same key and body get the same answer within the dedup window; another body a 409",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
}
_ANSWER_HEADERS: Final = {
    "X-Request-ID": {"description": "of this request", "schema": {"type": "string"}},
}
_RETRY_AFTER: Final = {
    "Retry-After": {"description": "seconds after which to try again", "schema": {"type": "integer"}},
}


def document_of(routes: Sequence[Endpoint]) -> JsonObject:
    """The whole document. The same routes give the same document."""
    types = {t for e in routes for t in (*e.takes, *e.answers)} | {ErrorAnswer}
    _, schemas = msgspec.json.schema_components(
        sorted(types, key=lambda t: t.__name__), ref_template=_REFERENCE
    )
    for schema in schemas.values():
        _drop_defaults(schema)
    paths: JsonObject = {}
    for endpoint in routes:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Memtrace",
            "version": _version(),
            "summary": "A memory layer for fleets of AI agents",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items())), "securitySchemes": _SECURITY},
    }


_SECURITY: Final = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "Bearer": {"type": "http", "scheme": "bearer"},
}


def errors_of(endpoint: Endpoint) -> dict[int, list[type[MemtraceError]]]:
    """Every error that the operation can give, by status."""
    errors: list[type[MemtraceError]] = [*endpoint.errors]
    if endpoint.permission is not None:
        errors += _WITH_KEY
    else:
        errors += (DatabaseError, InternalError)
    if endpoint.takes:
        errors += _WITH_BODY
    elif endpoint.query is not None:
        errors.append(InvalidRequest)
    by_status: dict[int, list[type[MemtraceError]]] = {}
    for error in dict.fromkeys(errors):
        by_status.setdefault(status_of(error), []).append(error)
    return dict(sorted(by_status.items()))


def _operation(endpoint: Endpoint) -> JsonObject:
    operation: JsonObject = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "tags": [_tag(endpoint)],
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint), _REQUEST_ID],
        "responses": {str(endpoint.status): _success(endpoint), **_failures(endpoint)},
        "security": [{"ApiKey": []}, {"Bearer": []}] if endpoint.permission else [],
    }
    if endpoint.permission:
        operation["x-permission"] = endpoint.permission
        operation["parameters"].append(_REQUEST_TIMEOUT)
    if endpoint.repeatable:
        operation["parameters"].append(_IDEMPOTENCY_KEY)
    if endpoint.takes:
        content = {_JSON: {"schema": _one_of(endpoint.takes)}}
        operation["requestBody"] = {"required": endpoint.body_required, "content": content}
    return operation


def _path_parameters(endpoint: Endpoint) -> list[JsonObject]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]


def _drop_defaults(schema: JsonObject) -> None:
    """Our defaults in bodies only mean that something may be left out, and `required` says that."""
    for member in schema.get("properties", {}).values():
        member.pop("default", None)


def _query_parameters(endpoint: Endpoint) -> list[JsonObject]:
    if endpoint.query is None:
        return []
    _, schemas = msgspec.json.schema_components([endpoint.query], ref_template=_REFERENCE)
    properties: Mapping[str, JsonObject] = schemas[endpoint.query.__name__]["properties"]
    return [{"name": name, "in": "query", "schema": _filled(schema)} for name, schema in properties.items()]


def _filled(schema: JsonObject) -> JsonObject:
    """Without an empty default: an empty parameter is an absent one."""
    return {name: value for name, value in schema.items() if (name, value) != ("default", "")}


def _success(endpoint: Endpoint) -> JsonObject:
    answer: JsonObject = {"description": endpoint.summary, "headers": _ANSWER_HEADERS}
    if endpoint.status != 204:
        schema = _one_of(endpoint.answers) if endpoint.answers else _plain(endpoint.media)
        answer["content"] = {endpoint.media: {"schema": schema}}
    return answer


def _plain(media: str) -> JsonObject:
    return {"type": "object"} if media == _JSON else {"type": "string"}


def _failures(endpoint: Endpoint) -> JsonObject:
    failures: JsonObject = {}
    for status, errors in errors_of(endpoint).items():
        codes = ", ".join(f"`{error.code}`" for error in errors)
        types: Sequence[type[Any]] = (
            (*endpoint.answers, ErrorAnswer) if status == endpoint.also_with else (ErrorAnswer,)
        )
        retries = status in (503, 504) or any(error.retry_after is not None for error in errors)
        failures[str(status)] = {
            "description": codes,
            "headers": {**_ANSWER_HEADERS, **(_RETRY_AFTER if retries else {})},
            "content": {_JSON: {"schema": _one_of(types)}},
        }
    return failures


def _one_of(types: Sequence[type[Any]]) -> JsonObject:
    references = [{"$ref": _REFERENCE.format(name=t.__name__)} for t in types]
    return references[0] if len(references) == 1 else {"oneOf": references}


def _tag(endpoint: Endpoint) -> str:
    return endpoint.handler.__module__.rsplit(".", 1)[-1]


def _version() -> str:
    """Of the installed distribution; a bare checkout has none."""
    try:
        return version("memtrace-server")
    except PackageNotFoundError:
        return "0+checkout"
