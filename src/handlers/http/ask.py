"""What passes between the HTTP layer and a handler: a light question, a light answer."""

from collections.abc import Mapping
from typing import Final

import msgspec

from core.model.memory import OrgId
from core.model.tenant import Principal

JSON_TYPE: Final = b"application/json"
NOBODY: Final = Principal(OrgId(""), "", "", frozenset(), None, None)
"""Who asks where no key is needed."""

Headers = Mapping[bytes, bytes]
"""Names in lower case; of a header sent twice, the last."""


class Ask(msgspec.Struct, frozen=True, gc=False):
    """One request, authenticated and permitted, its body complete and within the limit."""

    principal: Principal
    params: Mapping[str, str]
    """The parts of the path that are named in the route, percent-decoded."""
    query: bytes
    body: bytes
    headers: Headers
    request_id: bytes = b""
    """Of a request with a body."""


class Reply(msgspec.Struct, frozen=True, gc=False):
    """One answer. Length, request id and the like are the HTTP layer's to add."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    content_type: bytes = JSON_TYPE
