"""Ids of everything but memories: random, so that nobody can count or guess them."""

import secrets
from typing import Final, Literal

Kind = Literal["org", "arc", "agent", "sess"]
_BYTES: Final = 12


def new_id(kind: Kind) -> str:
    """`org_`, `arc_`, `agent_` or `sess_` and 24 hex digits."""
    return f"{kind}_{secrets.token_hex(_BYTES)}"
