"""From bytes to typed values: bodies and query strings, and what is wrong with them in words."""

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from core.model.errors import InvalidRequest
from core.model.memory import MEMORY_TYPES
from core.model.work import SESSION_STATUSES
from handlers.http.checks import refuse

T = TypeVar("T")

_MAX_PARAMETERS: Final = 64
_BROKEN: Final = "the body is not valid JSON"
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "memory_type": MEMORY_TYPES,
    "memory_types": MEMORY_TYPES,
    "include_types": MEMORY_TYPES,
    "status": SESSION_STATUSES,
    "order": ("desc", "asc"),
}
_WANTED: Final = {
    **dict.fromkeys(("metadata", "config"), "an object"),
    **dict.fromkeys(("memories", "tags", "memory_types", "event_types", "include_types"), "a list"),
    **dict.fromkeys(("importance", "min_importance"), "a number"),
    **dict.fromkeys(("limit", "offset", "max_tokens"), "a whole number"),
}
"""What a field is, where its type allows an empty string as well."""
_SPOKEN: Final = {"str": "a string", "object": "an object", "array": "a list"}
_SWITCH: Final = "Expected `bool`"
_WHERE: Final = re.compile(r"(.*?)(?: - at `\$\.?(.*)`)?", re.DOTALL)
_MEMBER: Final = re.compile(r"memories\[([0-9]+)\].*")
_MISSING: Final = re.compile(r"Object missing required field `(.*)`")
_BOUND: Final = re.compile(r"Expected `\w+` (>=|<=) ([0-9]+).*")
_TYPE: Final = re.compile(r"Expected `(\w+)(?: \| null)?`.*")

_decoders: Final[dict[type[Any], Callable[[bytes], Any]]] = {}


def _decode(body: bytes, kind: type[T]) -> T:
    decode = _decoders.get(kind)
    if decode is None:
        decode = _decoders[kind] = msgspec.json.Decoder(kind).decode
    value: T = decode(body)
    return value


def parse_body(body: bytes, kind: type[T]) -> T:
    """The body as a value of this type. Raises InvalidRequest, whatever the body is.

    Also what the type does not ask for must be UTF-8 and JSON.
    """
    try:
        if not body.isascii():
            body.decode()
        return _decode(body, kind)
    except msgspec.ValidationError as e:
        raise _invalid(str(e), "the body") from None
    except msgspec.DecodeError as e:
        raise InvalidRequest(f"{_BROKEN}: {e}") from None
    except UnicodeDecodeError as e:
        raise InvalidRequest(f"the body is not valid UTF-8: byte {e.start}") from None
    except RecursionError:
        raise InvalidRequest(f"{_BROKEN}: it is nested too deeply") from None


def parse_optional_body(body: bytes, kind: type[T]) -> T:
    """As `parse_body`; an empty body stands for an empty object."""
    return parse_body(body.strip() or b"{}", kind)


def parse_query(query: bytes, kind: type[T]) -> T:
    """The query string as a value of this type.

    Empty parameters are absent; of repeated ones the first counts. Raises InvalidRequest.
    """
    if not query:
        return kind()
    try:
        pairs = parse_qsl(query.decode(), errors="strict", max_num_fields=_MAX_PARAMETERS)
    except UnicodeDecodeError:
        raise InvalidRequest("the query string is not valid UTF-8") from None
    except ValueError:
        raise InvalidRequest(f"the query string has more than {_MAX_PARAMETERS} parameters") from None
    try:
        return msgspec.convert(dict(reversed(pairs)), kind, strict=False)
    except msgspec.ValidationError as e:
        raise _invalid(str(e), "the query string") from None


def _invalid(complaint: str, whole: str) -> InvalidRequest:
    """The decoder's complaint as one of ours: it names the field, and never repeats a value."""
    match = _WHERE.fullmatch(complaint)
    what, field = (match[1], match[2] or "") if match else (complaint, "")
    member = _MEMBER.fullmatch(field)
    which = {"index": int(member[1])} if member else {}
    if missing := _MISSING.fullmatch(what):
        return refuse(f"{field}.{missing[1]}" if field else missing[1], "is required", **which)
    rule = _rule(what, field)
    return refuse(field, rule, **which) if field else InvalidRequest(f"{whole} {rule}")


def _rule(what: str, field: str) -> str:
    last = field.rsplit(".", 1)[-1]
    if bound := _BOUND.fullmatch(what):
        return f"must be {'at least' if bound[1] == '>=' else 'at most'} {bound[2]}"
    if what.endswith("out of range"):
        return "holds a number that is out of range"
    if what.startswith(_SWITCH):
        return "must be true or false"
    if last in _WANTED:
        return f"must be {_WANTED[last]}"
    if choices := _CHOICES.get(last.split("[")[0]):
        return f"must be one of {', '.join(choices)}"
    type_ = _TYPE.fullmatch(what)
    return f"must be {_SPOKEN.get(type_[1], type_[1])}" if type_ else "has a value that is not allowed"
