"""Which store each org is bound to, as a snapshot of seconds ago."""

from collections.abc import Iterable
from dataclasses import dataclass

from core import telemetry
from core.model.errors import ConfigurationError, MasterKeyError, NoArcInstance
from core.model.memory import OrgId
from core.model.tenant import Binding, SealedBinding
from core.ports import EventStore
from flusher.ports import FlusherPorts


@dataclass(frozen=True, slots=True)
class Place:
    """Where an org's memories go."""

    binding: Binding
    store: EventStore


class Bindings:
    """Opens each binding once; one that does not open counts as none until it changes."""

    def __init__(self, ports: FlusherPorts, every: float) -> None:
        self._ports = ports
        self._every = every
        self._read_at: float | None = None
        self._sealed: dict[OrgId, SealedBinding] = {}
        self._opened: dict[OrgId, Binding | ConfigurationError] = {}
        self._reads = 0
        self._since: dict[OrgId, int] = {}

    async def refresh(self) -> set[OrgId]:
        """Reads the bindings anew when the snapshot is old; orgs whose binding is new, gone or opens now."""
        now = self._ports.clock.monotonic()
        if self._read_at is not None and now - self._read_at < self._every:
            return set()
        sealed = {b.org_id: b for b in await self._ports.bindings.list_bindings()}
        self._read_at = now
        changed = {o for o in sealed.keys() | self._sealed.keys() if sealed.get(o) != self._sealed.get(o)}
        self._sealed = sealed
        self._reads += 1
        for org_id in changed:
            self._since[org_id] = self._reads
            self._open(org_id)
        return changed | await self._opened_with_newer_keys()

    async def _opened_with_newer_keys(self) -> set[OrgId]:
        """A binding sealed with a newer master key need not change again to be opened."""
        locked = self._locked()
        if not await self._ports.renew_keys(bool(locked)):
            return set()
        for org_id in locked:
            self._open(org_id)
        return locked - self._locked()

    def _locked(self) -> set[OrgId]:
        return {org_id for org_id, opened in self._opened.items() if isinstance(opened, MasterKeyError)}

    def _open(self, org_id: OrgId) -> None:
        self._opened.pop(org_id, None)
        if (sealed := self._sealed.get(org_id)) is None:
            del self._since[org_id]
            return
        try:
            self._opened[org_id] = self._ports.unseal(sealed)
        except ConfigurationError as error:
            self._opened[org_id] = error
            telemetry.error("key_unsealable", org_id=org_id, reason=error.message)

    def place(self, org_id: OrgId) -> Place:
        """Raises NoArcInstance, ConfigurationError or StoreError when there is no store to go to."""
        opened = self._opened.get(org_id)
        if opened is None:
            raise NoArcInstance()
        if isinstance(opened, ConfigurationError):
            raise opened
        return Place(opened, self._ports.store_for(opened))

    def since(self, org_id: OrgId) -> int:
        """Which reading first saw the org's binding as it is; another number is another binding."""
        return self._since.get(org_id, 0)

    def knows(self, org_id: OrgId) -> bool:
        """Whether the org had a binding when they were last read, usable or not."""
        return org_id in self._sealed

    def admin_key(self, org_id: OrgId) -> str:
        """The opened admin key, empty where there is none. Raises NoArcInstance or MasterKeyError."""
        sealed = self._sealed.get(org_id)
        if sealed is None:
            raise NoArcInstance()
        return self._ports.admin_key(sealed)

    def orgs(self) -> Iterable[OrgId]:
        return list(self._opened)
