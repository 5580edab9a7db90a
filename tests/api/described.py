"""Holds answers against the OpenAPI document: status, headers, type, body, and the code of an error."""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache
from typing import Any, Final, Protocol

import jsonschema
import msgspec

from handlers.http.dispatch import Dispatch
from handlers.http.published import ASSETS
from handlers.http.routes import ROUTES

JSON: Final = "application/json"
DOCUMENT: Final[Any] = msgspec.json.decode((ASSETS / "openapi.json").read_bytes())
OPERATIONS: Final[Mapping[tuple[str, str], Any]] = {
    (method.upper(), path): operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
_OF_HTTP: Final = {"content-type", "content-length", "connection", "vary"}
_FOR_BROWSERS: Final = {
    "cache-control", "content-security-policy", "cross-origin-opener-policy", "cross-origin-resource-policy",
    "etag", "location", "referrer-policy", "x-content-type-options", "x-frame-options",
}  # fmt: skip
"""Headers that need no describing, on every answer and on pages."""
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
_NOWHERE: Final = {404: "not_found", 405: "method_not_allowed"}
_dispatch: Final = Dispatch(ROUTES)


def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or _MOMENT.fullmatch(value) is not None


_formats: Final = jsonschema.FormatChecker(())
_formats.checks("date-time")(_is_moment)


class Told(Protocol):
    """An answer, as far as it is looked at here."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def content(self) -> bytes: ...


def resolved(part: Any) -> Any:
    """What a reference within the document leads to; anything else as it is."""
    if "$ref" not in part:
        return part
    found = DOCUMENT
    for step in part["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


def faults(value: Any, schema: Any, *, strict: bool = True) -> list[str]:
    """What is wrong with a value; when strict, a member that no schema names is wrong too."""
    return _faults(value, _validator(msgspec.json.encode(schema), strict))


def answer_faults(method: str, target: bytes, answer: Told) -> list[str]:
    """Where an answer to this method and path, as they were sent, is not as described."""
    path = target.partition(b"?")[0].decode("latin-1")
    operation = _operation(method, path)
    if operation is None:
        return _fault_of_no_operation(method, answer)
    if str(answer.status) not in operation["responses"]:
        return [f"{answer.status} is not described: {answer.content[:300]!r}"]
    described = resolved(operation["responses"][str(answer.status)])
    return [*_header_faults(answer, described), *_content_faults(method, answer, described)]


def _fault_of_no_operation(method: str, answer: Told) -> list[str]:
    code = msgspec.json.decode(answer.content)["code"] if answer.content else _NOWHERE.get(answer.status)
    is_right = (answer.status, code) in _NOWHERE.items() or (method, answer.status) == ("OPTIONS", 204)
    return [] if is_right else [f"{answer.status} where there is no operation: {answer.content!r}"]


def _operation(method: str, path: str) -> Any:
    found = _dispatch.find({"path": path, "raw_path": path.encode()})
    endpoint = found[0].get("GET" if method == "HEAD" else method) if found else None
    return OPERATIONS[endpoint.method, endpoint.path] if endpoint else None


def _header_faults(answer: Told, described: Any) -> list[str]:
    known = {name.lower() for name in described["headers"]} | _OF_HTTP
    sent = {name for name in answer.headers if not name.startswith("access-control-")}
    is_page = answer.headers.get("content-type", "") != JSON
    known |= _FOR_BROWSERS if is_page else {"cache-control"} if answer.status >= 400 else set()
    return [f"the header {name} is not described for {answer.status}" for name in sorted(sent - known)]


def _content_faults(method: str, answer: Told, described: Any) -> list[str]:
    content = described.get("content")
    if not content or method == "HEAD":
        return [f"has a body: {answer.content!r}"] if answer.content else []
    media = answer.headers["content-type"].partition(";")[0]
    if media not in content:
        return [f"is {media}, not one of {', '.join(content)}"]
    return faults(msgspec.json.decode(answer.content), content[media]["schema"]) if media == JSON else []


def _faults(value: Any, validator: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:500]}" for error in validator.iter_errors(value)]


@cache
def _validator(schema: bytes, strict: bool) -> Any:
    components = _strict(DOCUMENT["components"]["schemas"]) if strict else DOCUMENT["components"]["schemas"]
    whole = {**msgspec.json.decode(schema), "components": {"schemas": components}}
    make: Callable[..., Any] = jsonschema.Draft202012Validator
    return make(whole, format_checker=_formats)


def _strict(schemas: Any) -> Any:
    """The same, but that they know all their members."""
    known = deepcopy(schemas)
    for schema in known.values():
        schema["additionalProperties"] = False
    return known
