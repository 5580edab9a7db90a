"""What a server works with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Final

from core import telemetry
from core.adapters.clock import SystemClock
from core.adapters.prometheus import PrometheusMetrics
from core.adapters.routing import StoreRouter
from core.adapters.sqlite.checkpoint import Checkpointer
from core.adapters.sqlite.journal import SqliteJournal
from core.agents import Agents
from core.asking import StoreReader
from core.auth import Authenticator, Callers, Gate, OpenGate
from core.bootstrap.admin import Admin, build_admin
from core.bootstrap.backend import Backend
from core.bootstrap.parts import embedded_store, open_seeding, opening
from core.bootstrap.sqlite import open_sqlite
from core.deletions import Forgetting
from core.hashing import Hasher
from core.health import Health
from core.ingest import Ingest
from core.model.errors import DatabaseError
from core.ports import Clock, HealthBoard, Ledger, Replies
from core.recall import Recall
from core.sessions import Sessions
from core.settings import Settings
from core.storyteller import Storyteller
from core.tenants import Tenants

MICROS: Final = 1_000_000
_HOUR: Final = 3_600
_ERASING: Final = 2.0
"""Seconds for which a request takes what it deleted out of the journal; the flusher does the rest."""
_SEED_SECONDS: Final = 10.0
_SEED_ROWS: Final = 5_000
"""Nobody else writes yet."""
_TIDY_EVERY: Final = 1.0
_PROBES_KIB: Final = 512
_PRUNE_EVERY: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a server works with. `open_services` makes and closes it."""

    settings: Settings
    clock: Clock
    metrics: PrometheusMetrics
    gate: Gate
    tenants: Tenants
    ingest: Ingest
    recall: Recall
    storyteller: Storyteller
    agents: Agents
    sessions: Sessions
    forgetting: Forgetting
    replies: Replies
    health: Health
    ledger: Ledger
    board: HealthBoard


@contextlib.asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Everything a server needs, from a database brought up to date; closed when left.

    Call it once the installation is ours alone: it opens the journal for appending. Raises
    ConfigurationError (MasterKeyError, DatabaseError) with words for a person.
    """
    clock = SystemClock()
    async with opening(settings, clock) as (closing, arcs):
        backend = open_sqlite(settings, clock, closing, for_serving=True)
        metrics = PrometheusMetrics(process="server")
        journal = backend.open_journal(metrics)
        store = StoreRouter(embedded_store(settings, clock, closing), arcs.store)
        admin = build_admin(settings, backend, clock, closing, store)
        await _first_start(settings, admin.tenants)
        await _seed(settings, admin)
        reader = StoreReader(
            store=store, clock=clock, metrics=metrics, query_timeout=settings.arc.query_timeout
        )
        recall = Recall(
            journal=journal,
            store=reader,
            clock=clock,
            metrics=metrics,
            window_hours=settings.dedup.window_hours,
        )
        # For probes alone: with the readers of requests they would wait behind all of these.
        probed = open_sqlite(settings, clock, closing, cache_kib=_PROBES_KIB, readers=1)
        services = Services(
            settings=settings,
            clock=clock,
            metrics=metrics,
            gate=_gate(settings, admin, metrics, closing),
            tenants=admin.tenants,
            ingest=Ingest(journal=journal, metrics=metrics, deduplicates=settings.dedup.enabled),
            recall=recall,
            storyteller=Storyteller(recall=recall),
            agents=Agents(agents=backend.agents, sessions=backend.sessions, tallies=recall, clock=clock),
            sessions=Sessions(sessions=backend.sessions, clock=clock),
            forgetting=_forgetting(settings, backend, clock, recall),
            replies=backend.replies,
            health=Health(board=probed.board, bindings=probed.bindings, clock=clock),
            ledger=probed.ledger,
            board=probed.board,
        )
        async with _background(_keep_tidy(journal, backend.checkpointer, clock)):
            yield services


def _gate(
    settings: Settings,
    admin: Admin,
    metrics: telemetry.Metrics,
    closing: contextlib.ExitStack,
) -> Gate:
    callers = Callers(orgs=admin.backend.orgs, bindings=admin.bindings, vault=admin.vault)
    if not settings.auth.enabled:
        return OpenGate(callers=callers, clock=admin.clock)
    gate = Authenticator(
        keys=admin.backend.keys, callers=callers, hasher=Hasher(), clock=admin.clock, metrics=metrics
    )
    return closing.enter_context(contextlib.closing(gate))


def _forgetting(settings: Settings, backend: Backend, clock: Clock, recall: Recall) -> Forgetting:
    return Forgetting(
        deletions=backend.deletions,
        recall=recall,
        sessions=backend.sessions,
        clock=clock,
        window=int(settings.dedup.window_hours * _HOUR * MICROS),
        patience=_ERASING,
    )


async def _first_start(settings: Settings, tenants: Tenants) -> None:
    await tenants.check_master_key()
    if not settings.auth.enabled:
        await tenants.ensure_default_org()
    if (arc := settings.legacy_arc) is not None:
        is_adopted = await tenants.adopt_arc_block(
            url=arc.url, arc_key=arc.api_key, database=arc.database, measurement=arc.measurement
        )
        if not is_adopted:
            telemetry.info("arc_block_ignored", reason="an organization is bound; the block may be removed")


async def _seed(settings: Settings, admin: Admin) -> None:
    """Claims what stores hold that nobody has looked into; what is not done in time is the flusher's."""
    seeding = open_seeding(settings, admin.seedings, admin.clock, admin.store_for, rows_a_turn=_SEED_ROWS)
    if seeding is None:
        return
    new = [looking for looking in await seeding.due() if looking.began is None]
    if new:
        sealed = {one.org_id: one for one in await admin.bindings.list_bindings()}
        await seeding.seed_all(new, lambda org_id: admin.vault.binding(sealed[org_id]), _SEED_SECONDS)


async def _keep_tidy(journal: SqliteJournal, checkpointer: Checkpointer, clock: Clock) -> None:
    """Short logs and a small index, as long as the server lives. An error is logged and tried again."""
    turn = 0
    while True:
        await asyncio.sleep(_TIDY_EVERY)
        turn += 1
        try:
            await checkpointer.step(journal.committed_rows, clock.monotonic())
            await checkpointer.clean(clock.monotonic())
            if turn % _PRUNE_EVERY == 0:
                await journal.prune()
        except DatabaseError as e:
            telemetry.warning("checkpoint_failed", reason=e.message)


@contextlib.asynccontextmanager
async def _background(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work, name="memtrace-tidy")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
