"""What becomes known of a request on its way through the layers, for its log line and its counters."""

import msgspec

from core.model.tenant import Principal
from handlers.http.ask import NOBODY
from handlers.http.endpoint import Endpoint


class Visit(msgspec.Struct, gc=False):
    """Filled in as far as the request came."""

    request_id: bytes
    started: float
    """When it was first looked at, in monotonic seconds."""
    arrived: float
    """When its head was complete."""
    spent: float = 0.0
    """Seconds of the server's time for an answer that went by before its handler was called."""
    endpoint: Endpoint | None = None
    principal: Principal = NOBODY
    is_limited: bool = False
    """Whether rates hold for the caller."""
    is_overload: bool = False
    """Whether it was refused because there was too much else."""
    code: str = ""
    """Of the error that it was answered with."""

    def about(self) -> dict[str, object]:
        """Fields for a log line: never the path itself, which may name anything."""
        about: dict[str, object] = {"request_id": self.request_id.decode()}
        if self.endpoint is not None:
            about["route"] = f"{self.endpoint.method} {self.endpoint.path}"
        if self.principal is not NOBODY:
            about["org_id"] = self.principal.org_id
        return about
