"""A gate over a real database, with a bcrypt that counts and can be held."""

import hashlib
import threading
from dataclasses import dataclass
from datetime import datetime

from core.apikeys import lookup_prefix, new_key
from core.auth import Authenticator, Callers
from core.hashing import Hasher
from core.model.memory import OrgId
from core.model.tenant import ApiKey, SealedBinding
from core.ports import KeyStore
from core.vault import Vault
from tests.clock import ManualClock
from tests.contract.metadata import ACME, START, Metadata
from tests.unit.fakes import FakeMetrics

VAULT = Vault(bytes(32))


class CountingBcrypt:
    """A quick stand-in for the slow function, which counts, and can be held."""

    def __init__(self) -> None:
        self.calls = 0
        self.started = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def hash(self, key: bytes, cost: int) -> bytes:
        return hashlib.sha256(key).hexdigest().encode()

    def matches(self, key: bytes, hash: bytes) -> bool:
        self.calls += 1
        self.started.set()
        self.go.wait(10)
        return self.hash(key, 0) == hash


class WatchedKeys:
    """The key store, counting look-ups."""

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys
        self.lookups = 0
        self.error: Exception | None = None

    async def find_keys(self, prefix: str) -> list[ApiKey]:
        self.lookups += 1
        if self.error:
            raise self.error
        return await self._keys.find_keys(prefix)

    def __getattr__(self, name: str) -> object:
        return getattr(self._keys, name)


@dataclass
class Door:
    """An authenticator and all that stands behind it."""

    metadata: Metadata
    keys: WatchedKeys
    bcrypt: CountingBcrypt
    clock: ManualClock
    metrics: FakeMetrics
    gate: Authenticator

    async def new_key(
        self, org_id: OrgId = ACME, name: str = "ci", expires_at: datetime | None = None
    ) -> tuple[str, ApiKey]:
        plain = new_key()
        hashed = self.bcrypt.hash(plain.encode(), 0).decode()
        key = await self.metadata.keys.create_key(
            org_id, name, lookup_prefix(plain), hashed, frozenset({"read"}), expires_at, START
        )
        return plain, key

    async def bind(
        self, url: str = "https://arc.example", arc_key: str = "arc-key", id: str = "arc_1"
    ) -> None:
        cipher, nonce = VAULT.seal(ACME, arc_key)
        await self.metadata.bindings.put_binding(
            SealedBinding(id, ACME, url, "db", "events", 1_780_000_000_000_000, cipher, nonce)
        )


def door_to(metadata: Metadata, clock: ManualClock, max_entries: int = 100, max_waiting: int = 10) -> Door:
    bcrypt, metrics, keys = CountingBcrypt(), FakeMetrics(), WatchedKeys(metadata.keys)
    gate = Authenticator(
        keys=keys,  # type: ignore[arg-type]
        callers=Callers(orgs=metadata.orgs, bindings=metadata.bindings, vault=VAULT),
        hasher=Hasher(cost=4, threads=1, max_waiting=max_waiting, bcrypt=bcrypt),
        clock=clock,
        metrics=metrics,
        max_entries=max_entries,
    )
    return Door(metadata, keys, bcrypt, clock, metrics, gate)
