"""What a tool asks of Memtrace, and what comes back: the same in its process and over the network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from core.model.errors import InvalidRequest

JsonObject = dict[str, Any]
_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One operation of the REST API, named as the table of routes names it."""

    method: Literal["GET", "POST"]
    route: str
    path: Mapping[str, str] = field(default_factory=dict)
    """The parts of the path that are named in the route, as they are: not encoded."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: JsonObject | None = None


class Refusal(Exception):
    """Memtrace said no, or nothing at all; in the words that a model gets to read."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str = "",
        retry_after: int | None = None,
        fields: Mapping[str, Any] = _NOTHING,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.retry_after = retry_after
        self.fields = fields

    @property
    def is_callers(self) -> bool:
        """Whether another call, with other arguments, may do."""
        return self.code in ("invalid_request", "invalid_cursor", "not_found")


class Api(Protocol):
    """Memtrace, for one caller. May be asked several things at once."""

    async def ask(self, call: Call) -> JsonObject:
        """The answer's body. Raises Refusal; what was to be written may be written then, and once at most."""
        ...


def refusal_of(body: JsonObject, retry_after: int | None) -> Refusal:
    """An error of the REST API. What another program than Memtrace answered is no reason to fail."""
    known = {"error", "code", "hint"}
    return Refusal(
        str(body.get("code") or "unexpected_answer"),
        str(body.get("error") or "the answer is none of Memtrace's"),
        hint=str(body.get("hint") or ""),
        retry_after=retry_after,
        fields={name: value for name, value in body.items() if name not in known},
    )


def refused(error: InvalidRequest) -> Refusal:
    """What we found wrong ourselves, before anybody was asked."""
    return Refusal(error.code, error.message, hint=error.hint or "", fields=error.fields)
