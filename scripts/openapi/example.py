"""What an example of the document is: one request and its answer. And whom the examples tell of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

ORG: Final = "org_default"
AGENT: Final = "agent_e673d4a359579025b704e702"
SESSION: Final = "sess_e037bcc655d43b34535ad8b5"
FIRST: Final = "mem_0660c0f47aeedac3ea4467e0"
SECOND: Final = "mem_0660c0f47aeedb2b3d7d11c9"
DELETED: Final = "del_5f2c1d2a9be1c0a6f3d4e5b7"
EMPTIED: Final = "del_8a41c77b02d94be69f1c3a52"
REQUEST: Final = "req_ca3fbfef8ac1000000000015"
CURSOR: Final = "ry_l7JOkZGVzY88ABmDA9Hru2tkgZDE4MmRmYTU"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One request and its answer."""

    operation: str
    name: str
    summary: str
    status: int
    answer: Any = None
    """None where it is no JSON, or too long to be of use."""
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    key: str = "full"
    """Whose key is sent: one that may read and write, `reader`, `unbound`, or nobody's."""


def in_query(value: object) -> str:
    """A parameter's value as it is sent."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def error(message: str, code: str, **more: Any) -> dict[str, Any]:
    """An error as it is answered."""
    return {"error": message, "code": code, "request_id": REQUEST, **more}
