"""What `export` and `import` work with, whether a server runs or not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from core.agents import Agents
from core.asking import StoreReader
from core.bootstrap.admin import Admin, open_admin
from core.exporting import Exporter
from core.importing import Importer
from core.model.errors import NoArcInstance
from core.model.memory import Micros, OrgId
from core.model.tenant import Principal
from core.recall import Recall
from core.settings import Settings
from core.telemetry import NoMetrics

_HOUR_MICROS = 3_600_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What moves memories out of an installation and into it."""

    admin: Admin
    agents: Agents
    exporter: Exporter
    importer: Importer


@contextlib.asynccontextmanager
async def open_transfer(settings: Settings) -> AsyncIterator[Transfer]:
    """Reads the journal beside whoever appends to it, and the stores."""
    async with open_admin(settings) as admin:
        recall, backend = recall_beside(settings, admin), admin.backend
        yield Transfer(
            admin=admin,
            agents=Agents(
                agents=backend.agents, sessions=backend.sessions, tallies=recall, clock=admin.clock
            ),
            exporter=Exporter(recall=recall),
            importer=Importer(
                store=admin.store,
                landing=backend.landing,
                bindings=admin.bindings,
                clock=admin.clock,
                pause=asyncio.sleep,
                window=window_of(settings),
                most_claims=settings.journal.max_claims_per_org // 2,
            ),
        )


def recall_beside(settings: Settings, admin: Admin) -> Recall:
    """Reads what the process that appends reads, beside it and without its index."""
    clock, metrics = admin.clock, NoMetrics()
    timeout = settings.arc.query_timeout
    return Recall(
        journal=admin.backend.journal,
        store=StoreReader(store=admin.store, clock=clock, metrics=metrics, query_timeout=timeout),
        clock=clock,
        metrics=metrics,
        window_hours=settings.dedup.window_hours,
    )


def window_of(settings: Settings) -> Micros:
    """How long a dedup key is known."""
    return int(settings.dedup.window_hours * _HOUR_MICROS)


async def operator(admin: Admin, org_id: OrgId) -> Principal:
    """Whoever runs a command, acting for this org. Raises NotFound (the org) or NoArcInstance."""
    org = await admin.tenants.show_org(org_id)
    sealed = await admin.bindings.find_binding(org_id)
    if sealed is None:
        raise NoArcInstance(hint=f"`memtrace org add-arc {org_id}` binds it to a store")
    binding = admin.vault.binding(sealed)
    return Principal(org_id, org.name, "operator", frozenset({"read", "write"}), None, binding)
