"""What `forget` and `deletions` work with, whether a server runs or not."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from core.agents import Agents
from core.bootstrap.admin import Admin, open_admin
from core.bootstrap.transfer import operator, recall_beside, window_of
from core.deletions import Forgetting
from core.model.errors import NoArcInstance
from core.model.memory import OrgId
from core.model.tenant import Principal
from core.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgettingDesk:
    """What deletes memories from the command line."""

    admin: Admin
    agents: Agents
    forgetting: Forgetting
    clean: Callable[[], Awaitable[bool]]
    """Empties the database's log of what was deleted; False where a process that runs has to do it."""


@contextlib.asynccontextmanager
async def open_desk(settings: Settings) -> AsyncIterator[ForgettingDesk]:
    """Works beside whoever appends to the journal, and without."""
    async with open_admin(settings) as admin:
        recall = recall_beside(settings, admin)
        backend, clock = admin.backend, admin.clock
        yield ForgettingDesk(
            admin=admin,
            agents=Agents(agents=backend.agents, sessions=backend.sessions, tallies=recall, clock=clock),
            forgetting=Forgetting(
                deletions=backend.deletions,
                recall=recall,
                sessions=backend.sessions,
                clock=clock,
                window=window_of(settings),
            ),
            clean=backend.clean,
        )


async def caller(admin: Admin, org_id: OrgId) -> Principal:
    """Whoever runs a command, acting for this org, also where it has no store. Raises NotFound."""
    try:
        return await operator(admin, org_id)
    except NoArcInstance:
        org = await admin.tenants.show_org(org_id)
        return Principal(org_id, org.name, "operator", frozenset({"read", "write"}), None, None)
