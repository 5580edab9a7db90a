"""The tenants service over a real database, with a ledger that a test writes."""

from dataclasses import dataclass

from core.apikeys import NewKey
from core.hashing import Hasher
from core.model.memory import OrgId
from core.model.tenant import Binding, Permission
from core.ports import Backlog
from core.tenants import Tenants
from core.vault import Vault
from tests.clock import ManualClock
from tests.contract.metadata import ACME, Metadata

ARC_KEY = "arc-key-0123456789"
ALL: frozenset[Permission] = frozenset({"read", "write", "admin"})


class FixedLedger:
    """A ledger whose numbers a test writes down."""

    def __init__(self) -> None:
        self.owed: dict[OrgId, tuple[int, int, int]] = {}

    async def backlogs(self) -> list[Backlog]:
        return [Backlog(org, o, d, dead, 0, 0, None) for org, (o, d, dead) in self.owed.items()]


class ReadyPlaces:
    """Every place is there already."""

    async def prepare(self, binding: Binding) -> None: ...


@dataclass
class Office:
    """The tenants service and what it works on."""

    metadata: Metadata
    ledger: FixedLedger
    clock: ManualClock
    hasher: Hasher
    tenants: Tenants

    async def bound(self, org_id: OrgId = ACME, url: str = "https://arc.example") -> None:
        await self.tenants.bind(org_id, url=url, arc_key=ARC_KEY, database="acme")

    async def key(self, name: str = "ci", org_id: OrgId = ACME) -> NewKey:
        return await self.tenants.create_key(org_id, name=name, permissions=frozenset({"read"}))


def office_in(metadata: Metadata, clock: ManualClock, master_key: bytes = bytes(32)) -> Office:
    ledger, hasher = FixedLedger(), Hasher(cost=4)
    tenants = Tenants(
        orgs=metadata.orgs,
        keys=metadata.keys,
        bindings=metadata.bindings,
        ledger=ledger,
        places=ReadyPlaces(),
        vault=Vault(master_key),
        hasher=hasher,
        clock=clock,
    )
    return Office(metadata, ledger, clock, hasher, tenants)
