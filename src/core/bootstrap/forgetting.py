"""What `forget` and `deletions` work with, whether a server runs or not."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from core.adapters.sqlite.agents import SqliteAgents
from core.adapters.sqlite.checkpoint import Checkpointer
from core.adapters.sqlite.deletions import SqliteDeletions
from core.adapters.sqlite.sessions import SqliteSessions
from core.agents import Agents
from core.bootstrap.admin import Admin, open_admin
from core.bootstrap.parts import open_database
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
        with contextlib.ExitStack() as closing:
            database = open_database(settings, closing)
            checkpointer = closing.enter_context(contextlib.closing(Checkpointer(database)))
            recall = recall_beside(settings, database, admin)
            sessions, clock = SqliteSessions(database), admin.clock
            yield ForgettingDesk(
                admin=admin,
                agents=Agents(agents=SqliteAgents(database), sessions=sessions, tallies=recall, clock=clock),
                forgetting=Forgetting(
                    deletions=SqliteDeletions(database, clock=clock),
                    recall=recall,
                    sessions=sessions,
                    clock=clock,
                    window=window_of(settings),
                ),
                clean=partial(checkpointer.clean, clock.monotonic()),
            )


async def caller(admin: Admin, org_id: OrgId) -> Principal:
    """Whoever runs a command, acting for this org, also where it has no store. Raises NotFound."""
    try:
        return await operator(admin, org_id)
    except NoArcInstance:
        org = await admin.tenants.show_org(org_id)
        return Principal(org_id, org.name, "operator", frozenset({"read", "write"}), None, None)
