"""Where the items of tenants and their records are: partition and sort keys. Pure."""

from hashlib import sha256
from typing import Final

from core.adapters.dynamodb.keys import Key
from core.model.memory import Micros, OrgId

ORGS: Final = "ORGS"
"""The partition that lists all orgs; each org's own item is in its own partition too."""
BINDINGS: Final = "BINDINGS"
HEALTH: Final = "HEALTH"
GONE: Final = "GONE"
"""Orgs that are deleted, while their records are."""
REPORT: Final[Key] = ("REPORT", "-")
KEY_COUNTER: Final[Key] = ("COUNTER", "KEY")
LAST: Final = "\U0010ffff"
"""After every text that a sort key may go on with."""


def org_pk(org_id: OrgId) -> str:
    return f"ORG#{org_id}"


def seeding_key(org_id: OrgId, binding_id: str) -> Key:
    return org_pk(org_id), f"SEED#{binding_id}"


def api_key_key(org_id: OrgId, key_id: int) -> Key:
    return org_pk(org_id), f"KEY#{key_id:012d}"


def key_name_key(org_id: OrgId, name: str) -> Key:
    return org_pk(org_id), f"KEYNAME#{name}"


def prefix_key(prefix: str, key_id: int) -> Key:
    return f"PREFIX#{prefix}", f"{key_id:012d}"


def key_id_key(key_id: int) -> Key:
    return f"KEYID#{key_id}", "-"


def agent_pk(org_id: OrgId) -> str:
    return f"AGENT#{org_id}"


def session_pk(org_id: OrgId) -> str:
    return f"SESSION#{org_id}"


def reply_pk(org_id: OrgId) -> str:
    return f"REPLY#{org_id}"


def by_id(id: str) -> str:
    """The sort key of a record itself."""
    return f"ID#{id}"


def by_name(name: str) -> str:
    """The sort key of what says whose name this is."""
    return f"NAME#{name}"


def by_time(created: Micros, id: str) -> str:
    """The sort key of a record's place in the list of all."""
    return f"AT#{created:020d}#{id}"


def by_agent(agent: str, created: Micros | None = None, id: str = "") -> str:
    """The sort key of a record's place in the list of one agent; without a time, what they all begin with.

    By a digest of the agent: no name is part of another, and none is too long.
    """
    begin = f"BY#{sha256(agent.encode()).hexdigest()[:32]}#"
    return begin if created is None else f"{begin}{created:020d}#{id}"
