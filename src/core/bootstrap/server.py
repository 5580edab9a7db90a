"""What a server works with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Final

from core import telemetry
from core.adapters.clock import SystemClock
from core.adapters.prometheus import PrometheusMetrics
from core.bootstrap.admin import Admin, build_admin
from core.bootstrap.arcs import opening
from core.bootstrap.aws import opening_aws, sender_of
from core.bootstrap.backend import Backend, open_table
from core.bootstrap.master_keys import open_vault
from core.bootstrap.parts import open_seeding, open_store
from core.bootstrap.services import Ground, Services, services_on
from core.bootstrap.sqlite import open_sqlite
from core.model.errors import DatabaseError
from core.ports import Clock
from core.settings import Settings
from core.tenants import Tenants

if TYPE_CHECKING:
    from core.adapters.aws.api import AwsApi

Tidy = Callable[[], Awaitable[None]]

_SEED_SECONDS: Final = 10.0
_SEED_ROWS: Final = 5_000
"""Nobody else writes yet."""
_TIDY_EVERY: Final = 1.0
_PROBES_KIB: Final = 512


@contextlib.asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Everything a server needs, from a database brought up to date; closed when left.

    Call it once the installation is ours alone: it opens the journal for appending. Raises
    ConfigurationError (MasterKeyError, DatabaseError) with words for a person.
    """
    clock = SystemClock()
    async with opening(settings, clock) as (closing, arcs), opening_aws(settings, clock, light=None) as api:
        vault = await open_vault(settings, clock, api)
        backend, probed, tidy = await _backend(settings, clock, closing, api)
        metrics = PrometheusMetrics(process="server")
        journal = backend.open_journal(metrics)
        store = open_store(settings, clock, closing, arcs)
        admin = build_admin(settings, backend, clock, closing, store, vault)
        await _first_start(settings, admin.tenants)
        await _seed(settings, admin)
        ground = Ground(
            settings=settings,
            clock=clock,
            metrics=metrics,
            backend=backend,
            probed=probed,
            journal=journal,
            store=store,
            tenants=admin.tenants,
            vault=admin.vault,
            sender=sender_of(settings, api, metrics),
        )
        services = services_on(ground, closing)
        async with _background(_keep_tidy(tidy)):
            yield services


async def _backend(
    settings: Settings, clock: Clock, closing: contextlib.ExitStack, api: "AwsApi | None"
) -> tuple[Backend, Backend, Tidy]:
    """The backend, one for probes, and what keeps the first one tidy."""
    if settings.metadata.backend == "dynamodb":
        table = await open_table(settings, clock, api)
        return table, table, _nothing
    backend = open_sqlite(settings, clock, closing, for_serving=True)
    # For probes alone: with the readers of requests they would wait behind all of these.
    probed = open_sqlite(settings, clock, closing, cache_kib=_PROBES_KIB, readers=1)
    return backend, probed, backend.tidy


async def _nothing() -> None:
    """A table keeps itself tidy."""


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


async def _keep_tidy(tidy: Tidy) -> None:
    """As long as the server lives. An error is logged and tried again."""
    while True:
        await asyncio.sleep(_TIDY_EVERY)
        try:
            await tidy()
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
