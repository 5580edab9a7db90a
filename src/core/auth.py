"""Who calls: an API key becomes a principal, from memory where that is at most ten seconds old.

Nothing of a key is kept but a digest under a secret of this process. bcrypt runs once for a key
and its stored hash; a key that nobody made never reaches it.
"""

import asyncio
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Final, Protocol

from core.apikeys import LONGEST, PREFIX, lookup_prefix
from core.hashing import Hasher
from core.model.errors import MasterKeyError, Unauthenticated, Unavailable
from core.model.memory import Micros, OrgId
from core.model.tenant import DEFAULT_ORG, PERMISSIONS, ApiKey, Binding, Org, Principal
from core.model.timewindow import micros_of, moment_of
from core.ports import BindingStore, Clock, KeyStore, OrgStore
from core.telemetry import Metrics, error
from core.vault import Vault

MAX_AGE: Final = 10.0
"""Seconds after which a revoked key, a deleted org or a new binding is known at the latest."""
_MAX_ENTRIES: Final = 10_000
_SECRET_BYTES: Final = 32
_DIGEST_BYTES: Final = 16


class Gate(Protocol):
    """What stands before every route that needs a key."""

    def peek(self, presented: str | None) -> Principal | None:
        """The caller, when it is known without asking anybody; else ask `authenticate`."""
        ...

    async def authenticate(self, presented: str | None) -> Principal:
        """The caller. Raises Unauthenticated; Overloaded or ShuttingDown when it cannot tell now."""
        ...

    def close(self) -> None:
        """Leaves no thread. May be called twice."""
        ...


class Callers:
    """Reads an org and its binding, the Arc key opened."""

    def __init__(self, *, orgs: OrgStore, bindings: BindingStore, vault: Vault) -> None:
        self._orgs = orgs
        self._bindings = bindings
        self._vault = vault
        self._unsealable: set[str] = set()

    async def find(self, org_id: OrgId) -> tuple[Org, Binding | None] | None:
        """None when the org is gone. A binding whose key does not open says so, and is logged once."""
        org, sealed = await asyncio.gather(self._orgs.find_org(org_id), self._bindings.find_binding(org_id))
        if org is None:
            return None
        if sealed is None:
            return org, None
        try:
            binding = await self._vault.opened(sealed)
        except MasterKeyError:
            if sealed.id not in self._unsealable:
                self._unsealable.add(sealed.id)
                error("key_unsealable", org_id=org_id, binding_id=sealed.id)
            binding = Binding(
                id=sealed.id,
                org_id=org_id,
                url=sealed.url,
                database=sealed.database,
                measurement=sealed.measurement,
                created=sealed.created,
                key_opens=False,
            )
        else:
            self._unsealable.discard(sealed.id)
        return org, binding


@dataclass(frozen=True, slots=True)
class _Entry:
    principal: Principal
    hash: str = field(repr=False)
    """The stored hash that bcrypt found to be this key's."""
    read_at: float
    expires: Micros | None


class Authenticator:
    """The gate of a server with `auth.enabled`. Lives on one event loop; closes the hasher too.

    Many first checks of one key share one bcrypt. The longest unchecked are forgotten first.
    """

    def __init__(
        self,
        *,
        keys: KeyStore,
        callers: Callers,
        hasher: Hasher,
        clock: Clock,
        metrics: Metrics,
        max_age: float = MAX_AGE,
        max_entries: int = _MAX_ENTRIES,
    ) -> None:
        self._keys = keys
        self._callers = callers
        self._hasher = hasher
        self._clock = clock
        self._metrics = metrics
        self._max_age = max_age
        self._max_entries = max_entries
        self._secret = secrets.token_bytes(_SECRET_BYTES)
        self._entries: dict[bytes, _Entry] = {}
        self._checks: dict[bytes, asyncio.Task[Principal | None]] = {}
        self._peeked = 0

    def peek(self, presented: str | None) -> Principal | None:
        if not presented or len(presented) > LONGEST or not presented.isascii():
            return None
        entry = self._entries.get(self._digest(presented))
        if entry is None or self._clock.monotonic() - entry.read_at >= self._max_age:
            return None
        if entry.expires is not None and self._clock.micros() >= entry.expires:
            return None
        self._peeked += 1
        return entry.principal

    async def authenticate(self, presented: str | None) -> Principal:
        if not presented:
            raise Unauthenticated("missing API key")
        principal = self.peek(presented)
        if principal is None and _is_plausible(presented):
            principal = await self._shared_check(presented)
        if principal is None:
            self._metrics.count("memtrace_key_checks_total", label="refused")
            raise Unauthenticated("invalid API key")
        return principal

    @property
    def remembered(self) -> int:
        """How many keys memory holds."""
        return len(self._entries)

    def close(self) -> None:
        self._hasher.close()

    def _digest(self, presented: str) -> bytes:
        """A keyed digest (BLAKE2's own MAC): what memory holds gives no key away."""
        return hashlib.blake2b(presented.encode(), key=self._secret, digest_size=_DIGEST_BYTES).digest()

    async def _shared_check(self, presented: str) -> Principal | None:
        """A caller that goes away does not take the check from the others who wait for it."""
        digest = self._digest(presented)
        check = self._checks.get(digest)
        if check is None:
            check = asyncio.create_task(self._check(presented, digest), name="memtrace-key-check")
            self._checks[digest] = check
            check.add_done_callback(lambda done: self._checked(digest, done))
        return await asyncio.shield(check)

    def _checked(self, digest: bytes, check: "asyncio.Task[Principal | None]") -> None:
        del self._checks[digest]
        if not check.cancelled():
            check.exception()  # taken, in case everybody who waited has gone

    async def _check(self, presented: str, digest: bytes) -> Principal | None:
        read_at = self._clock.monotonic()
        key = await self._find(presented, self._entries.get(digest))
        found = await self._callers.find(key.org_id) if key else None
        self._entries.pop(digest, None)
        if key is None or found is None:
            return None
        org, binding = found
        principal = Principal(
            org.id, org.name, key.name, key.permissions, key.expires_at, binding, key.id, org.settings
        )
        expires = micros_of(key.expires_at) if key.expires_at else None
        self._entries[digest] = _Entry(principal, key.hash, read_at, expires)
        if len(self._entries) > self._max_entries:
            del self._entries[next(iter(self._entries))]
        return principal

    async def _find(self, presented: str, known: _Entry | None) -> ApiKey | None:
        """The valid key that this is. bcrypt is spared where it has already seen the stored hash."""
        now = moment_of(self._clock.micros())
        for key in await self._keys.find_keys(lookup_prefix(presented)):
            if not key.is_valid(now):
                continue
            if known is not None and known.hash == key.hash:
                self._count("cached")
                return key
            if await self._hasher.matches(presented, key.hash):
                self._count("verified")
                return key
        return None

    def _count(self, outcome: str) -> None:
        """Peeks are counted here, all at once: one at a time would cost them a third of their speed."""
        self._metrics.count("memtrace_key_checks_total", label=outcome)
        if self._peeked:
            self._metrics.count("memtrace_key_checks_total", self._peeked, label="cached")
            self._peeked = 0


def _is_plausible(presented: str) -> bool:
    return len(presented) <= LONGEST and presented.isascii() and presented.startswith(PREFIX)


class OpenGate:
    """The gate of a server without `auth.enabled`: every caller is `org_default`, with all permissions."""

    def __init__(self, *, callers: Callers, clock: Clock, max_age: float = MAX_AGE) -> None:
        self._callers = callers
        self._clock = clock
        self._max_age = max_age
        self._known: tuple[Principal, float] | None = None

    def peek(self, presented: str | None) -> Principal | None:
        if self._known is None or self._clock.monotonic() - self._known[1] >= self._max_age:
            return None
        return self._known[0]

    async def authenticate(self, presented: str | None) -> Principal:
        principal = self.peek(presented)
        if principal is not None:
            return principal
        read_at = self._clock.monotonic()
        found = await self._callers.find(DEFAULT_ORG)
        if found is None:
            raise Unavailable(f"the organization {DEFAULT_ORG} is gone", hint="start the server again")
        org, binding = found
        everything = frozenset(PERMISSIONS)
        principal = Principal(org.id, org.name, "", everything, None, binding, settings=org.settings)
        self._known = (principal, read_at)
        return principal

    def close(self) -> None:
        """Nothing to close."""
