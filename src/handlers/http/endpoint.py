"""One operation of the API, as the table of routes describes it."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from core.model.errors import Forbidden, MemtraceError
from core.model.tenant import Permission, Principal
from handlers.http.ask import Ask, Reply
from handlers.http.doors import Doors

Handler = Callable[[Doors, Ask], Coroutine[Any, Any, Reply]]
Method = Literal["GET", "POST", "PUT", "DELETE"]
Errors = tuple[type[MemtraceError], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One operation. `permission` None: no key is needed; "any": whatever key."""

    method: Method
    path: str
    permission: Permission | Literal["any"] | None
    handler: Handler
    summary: str
    answers: tuple[type[Any], ...] = ()
    """The types of the successful answer, one of them; none for an answer that is no JSON object."""
    status: int = 200
    also_with: int = 0
    """Another status with which the same answers may come."""
    takes: tuple[type[Any], ...] = ()
    """The types of the body, one of them; none where no body is read."""
    body_required: bool = True
    query: type[Any] | None = None
    errors: Errors = ()
    """Beyond those that every operation with a key or a body can give."""
    repeatable: bool = False
    """Whether it knows Idempotency-Key."""
    writes_memories: bool = False
    """Whether the rates of memories hold for it."""
    media: str = "application/json"
    is_probe: bool = False
    """Whether it is answered also when too much is asked, and while stopping."""
    rewords: Callable[[Reply], Reply] | None = None
    """Gives its errors another shape, where callers expect one."""

    @property
    def kind(self) -> str:
        """By which its times are counted."""
        return self.permission if self.permission in ("read", "write", "admin") else "other"

    @property
    def name(self) -> str:
        """Unique among the operations."""
        return f"{self.handler.__module__.rsplit('.', 1)[-1]}_{self.handler.__name__}"


def permit(endpoint: Endpoint, principal: Principal) -> None:
    """Raises Forbidden where the caller's key lacks the permission that the operation asks for."""
    wanted = endpoint.permission
    if wanted is None or wanted == "any" or principal.may(wanted):
        return
    raise Forbidden(
        f"this API key lacks the permission `{wanted}`",
        hint="ask an admin for a key made with `--permissions`",
    )
