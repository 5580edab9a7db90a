"""Ids of everything but memories: so that nobody can count or guess them."""

import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal

from core.model.memory import Micros

Kind = Literal["org", "arc", "agent", "sess"]
_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a request that may be repeated: the same token, since then, is the same request."""

    token: bytes
    since: Micros


def new_id(kind: Kind, attempt: Attempt | None = None) -> str:
    """`org_`, `arc_`, `agent_` or `sess_` and 24 hex digits: random, or always the same of one token."""
    tail = secrets.token_bytes(_BYTES) if attempt is None else sha256(attempt.token).digest()[:_BYTES]
    return f"{kind}_{tail.hex()}"
