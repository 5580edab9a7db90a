"""Tenants, agents, sessions, kept answers and health."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from core.model.memory import (
    Micros,
    OrgId,
)
from core.model.org_settings import OrgSettings
from core.model.tenant import ApiKey, Org, Permission, SealedBinding
from core.model.work import Agent, Session, SessionStatus
from core.ports.journal import IdempotencyKey


class OrgStore(Protocol):
    """The tenants. Names need not be unique; ids are."""

    async def create_org(self, org: Org) -> None:
        """Raises AlreadyExists when the id is taken."""
        ...

    async def list_orgs(self) -> list[Org]: ...

    async def find_org(self, org_id: OrgId) -> Org | None: ...

    async def update_org_settings(
        self, org_id: OrgId, changes: Mapping[str, float | None]
    ) -> OrgSettings | None:
        """Merges these members into the org's settings, atomically; None takes one away.

        Members that nobody here knows stay as they are. None: unknown.
        """
        ...

    async def delete_org(self, org_id: OrgId) -> bool:
        """Takes its binding, keys, agents, sessions, journal and deletions with it. False: unknown.

        Atomically, or else the first step makes it of no use to anybody, and a repeat goes on.
        """
        ...


class KeyStore(Protocol):
    """API keys: a bcrypt hash and a lookup prefix each. The name is unique among an org's enabled keys."""

    async def create_key(
        self,
        org_id: OrgId,
        name: str,
        prefix: str,
        hash: str,
        permissions: frozenset[Permission],
        expires_at: datetime | None,
        created_at: datetime,
    ) -> ApiKey:
        """Raises AlreadyExists (the name) or NotFound (the org)."""
        ...

    async def find_keys(self, prefix: str) -> list[ApiKey]:
        """All keys with this prefix, disabled and expired ones too."""
        ...

    async def list_keys(self, org_id: OrgId) -> list[ApiKey]: ...

    async def revoke_key(self, key_id: int) -> bool:
        """Disables it; may be repeated. False: unknown."""
        ...


class BindingStore(Protocol):
    """One binding an org at most."""

    async def find_binding(self, org_id: OrgId) -> SealedBinding | None: ...

    async def list_bindings(self) -> list[SealedBinding]: ...

    async def put_binding(self, binding: SealedBinding) -> None:
        """Adds or replaces the org's binding. Raises NotFound when the org is unknown."""
        ...

    async def set_admin_key(self, org_id: OrgId, cipher: bytes, nonce: bytes) -> bool:
        """Adds, replaces or (both empty) removes the admin key of the binding in force. False: no binding."""
        ...

    async def reseal_binding(self, old: SealedBinding, new: SealedBinding) -> bool:
        """Puts the sealed keys of `new` in place of those of `old`, atomically, and changes nothing else.

        False, changing nothing: the org's binding is not `old` any more, or its keys are not.
        """
        ...

    async def remove_binding(self, org_id: OrgId) -> bool: ...


class AgentStore(Protocol):
    """Registered agents, always within one org."""

    async def create_agent(self, agent: Agent) -> None:
        """Raises AlreadyExists when the org has an agent of that name, NotFound without the org."""
        ...

    async def find_agent(self, org_id: OrgId, id_or_name: str) -> Agent | None:
        """By id, else by name."""
        ...

    async def list_agents(self, org_id: OrgId, limit: int, after: tuple[datetime, str] | None) -> list[Agent]:
        """Newest first, strictly after (created_at, id)."""
        ...

    async def delete_agent(self, org_id: OrgId, id_or_name: str) -> bool: ...

    async def touch_agents(self, org_id: OrgId, seen: dict[str, Micros]) -> None:
        """`last_active_at` of the agents of these names or ids grows to these times."""
        ...


class SessionStore(Protocol):
    """Sessions, always within one org; the agent need not be registered."""

    async def create_session(self, session: Session) -> None:
        """Raises NotFound when the org is unknown."""
        ...

    async def find_session(self, org_id: OrgId, session_id: str) -> Session | None: ...

    async def list_sessions(
        self,
        org_id: OrgId,
        agent_id: str | None,
        status: SessionStatus | None,
        limit: int,
        after: tuple[datetime, str] | None,
    ) -> list[Session]:
        """Newest first, strictly after (created_at, id)."""
        ...

    async def update_session(
        self,
        org_id: OrgId,
        session_id: str,
        status: SessionStatus | None,
        metadata: dict[str, Any] | None,
        now: datetime,
    ) -> Session | None:
        """Sets the status and merges the metadata (`work.merged`) in one transaction. None: unknown.

        `closed_at` is when it was closed first, and nothing once it is active again. Raises
        InvalidRequest, changing nothing, when the merged metadata would be too large.
        """
        ...

    async def delete_session(self, org_id: OrgId, session_id: str) -> bool:
        """Its record, with the metadata wherever that is kept; False: unknown. Its memories stay.

        A request that opened it and is repeated is answered as it was then, without the metadata.
        """
        ...

    async def count_sessions(self, org_id: OrgId, agent_ids: Sequence[str]) -> tuple[int, int]:
        """(all, active) sessions of an agent known by these names."""
        ...


class Replies(Protocol):
    """Answers kept for callers that repeat a request under the same idempotency key."""

    async def begin_reply(
        self, org_id: OrgId, idempotency: IdempotencyKey, now: Micros, since: Micros
    ) -> tuple[int, bytes] | None:
        """The kept answer (status, body), or None when there is none since `since`.

        Raises IdempotencyConflict when the key is known with another body.
        """
        ...

    async def keep_reply(
        self, org_id: OrgId, idempotency: IdempotencyKey, now: Micros, status: int, body: bytes
    ) -> None:
        """Keeps this answer; the first one kept stays."""
        ...


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """What the flusher last saw of one org's store."""

    org_id: OrgId
    ok: bool
    checked_at: Micros
    circuit: Literal["closed", "open", "half_open"] = "closed"
    retry_at: Micros | None = None
    reason: str = ""


class HealthBoard(Protocol):
    """Written by the flusher, read by the edge: so a dead store slows no probe."""

    async def post_health(self, health: Sequence[StoreHealth]) -> None: ...

    async def read_health(self) -> list[StoreHealth]: ...

    async def post_report(self, text: bytes, now: Micros) -> None:
        """Replaces the flusher's metrics text."""
        ...

    async def read_report(self) -> tuple[bytes, Micros] | None:
        """The last text posted and when; None when there was none yet."""
        ...


@dataclass(frozen=True, slots=True)
class DatabaseReport:
    """What a look at the metadata database found, before anything in it is changed."""

    damage: tuple[str, ...]
    """The first things that an integrity check found wrong."""
    missing: tuple[str, ...]
    """Migrations not applied yet; the next start applies them."""
    unknown: tuple[str, ...]
    """Migrations of a newer Memtrace."""
    newest: Micros | None
    """The newest time that the journal knows of."""
