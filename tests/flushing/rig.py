"""A flusher over a real journal in a temporary file and a store with faults, moved turn by turn."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from core.adapters.sqlite.agents import SqliteAgents
from core.adapters.sqlite.bindings import SqliteBindings
from core.adapters.sqlite.health_board import SqliteHealthBoard
from core.adapters.sqlite.ledger import SqliteLedger
from core.adapters.sqlite.orgs import SqliteOrgs
from core.adapters.sqlite.outbox import SqliteOutbox
from core.adapters.sqlite.prompt_road import JournalQueue
from core.model.errors import LeaseLost, MasterKeyError
from core.model.memory import OrgId
from core.model.tenant import Binding, SealedBinding
from core.ports import Backlog, Receipt
from flusher.batcher import BatchLimits
from flusher.crew import Kind
from flusher.ports import FlusherLimits, FlusherPorts
from flusher.road import Road
from flusher.service import Flusher
from flusher.tenure import Tenure
from tests.clock import ManualClock
from tests.contract.journals import ACME, OTHER, Workshop, draft, workshop
from tests.flushing.fakes import CountingMetrics, ListMerger, ListRemover, ListUndertaker, ShelfStore
from tests.flushing.line import Line, parcel_of

SMALL = FlusherLimits(batch=BatchLimits(count=5, age=10.0), settle_rows=1_000)
"""Batches of five, so that a test need not write thousands."""


async def eventually(holds: Callable[[], bool]) -> None:
    """Lets tasks and threads go on until this holds, for some seconds at most."""
    for _ in range(5_000):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come about")


def paused_by(clock: ManualClock) -> Callable[[float], Coroutine[Any, Any, None]]:
    """Pauses that last until the clock was moved so far; short ones take no time, but let others run."""

    async def pause(seconds: float) -> None:
        ends_at = clock.monotonic() + seconds
        await asyncio.sleep(0)
        if seconds >= 1.0:
            await eventually(lambda: clock.monotonic() >= ends_at)

    return pause


@dataclass
class Rig:
    shop: Workshop
    clock: ManualClock
    store: ShelfStore
    ports: FlusherPorts
    limits: FlusherLimits
    flusher: Flusher
    metrics: CountingMetrics
    merger: ListMerger
    board: SqliteHealthBoard
    bindings: SqliteBindings
    agents: SqliteAgents
    remover: ListRemover
    undertaker: ListUndertaker
    others: list[Flusher] = field(default_factory=list)
    """Closed with the rig."""
    crashed: list[Flusher] = field(default_factory=list)
    line: Line | None = None
    """The queue that the flushers share, where they share one."""

    @property
    def road(self) -> Road:
        assert self.flusher.road is not None
        return self.flusher.road

    @property
    def tenure(self) -> Tenure:
        assert self.flusher.tenure is not None
        return self.flusher.tenure

    async def write(self, *contents: str, org: OrgId = ACME) -> list[Receipt]:
        receipts = await self.shop.journal.append(org, [draft(c) for c in contents], None)
        if self.line is not None:
            self.line.send(parcel_of(receipts))
        return receipts

    async def turn(self, seconds: float = 0.0) -> None:
        """Time passes, then one turn, and all that it started ends (but what hangs)."""
        self.clock.advance(seconds)
        await self.flusher.step()
        await self.ends()

    async def round(self, seconds: float = 0.0) -> None:
        """Time passes, then one heartbeat and one turn of every flusher, and all that they started ends."""
        self.clock.advance(seconds)
        for flusher in [self.flusher, *self.others]:
            with contextlib.suppress(LeaseLost):
                await (flusher.lease.seek() if flusher.lease.fence is None else flusher.lease.beat())
            await flusher.step()
        await self.ends()

    async def rounds(self, count: int, seconds: float = 1.0) -> None:
        for _ in range(count):
            await self.round(seconds)

    async def turns(self, count: int, seconds: float = 1.0) -> None:
        for _ in range(count):
            await self.turn(seconds)

    async def ends(self) -> None:
        """What is under way ends, unless a store hangs."""
        if not self.store.hangs:
            for flusher in [self.flusher, *self.others]:
                if flusher.road is not None:
                    await flusher.road.crew.idle()
            return
        crews = [f.road.crew for f in [self.flusher, *self.others, *self.crashed] if f.road is not None]
        await asyncio.sleep(0.001)  # lets go on what was let go just now
        await eventually(lambda: sum(crew.running(*get_args(Kind)) for crew in crews) <= self.store.hanging)

    async def backlog(self, org: OrgId = ACME) -> Backlog:
        found = [b for b in await self.shop.ledger.backlogs() if b.org_id == org]
        return found[0] if found else Backlog(org, 0, 0, 0, 0, 0, None)

    async def states(self, org: OrgId = ACME) -> tuple[int, int, int]:
        """(owed, delivered, dead)"""
        backlog = await self.backlog(org)
        return backlog.owed, backlog.delivered, backlog.dead

    async def bind(self, org: OrgId, url: str = "file:/data", id: str = "arc_1") -> None:
        await self.bindings.put_binding(SealedBinding(id, org, url, "d", "events", 1, b"", b""))

    def another(self, owner: str = "b:2") -> Flusher:
        """A second flusher on the same data."""
        flusher = Flusher(replace(self.ports, owner=owner), self.limits)
        self.others.append(flusher)
        return flusher

    def crash(self, flusher: Flusher) -> None:
        """Nothing of it is heard again; what it had received stays hidden for a while."""
        if flusher is self.flusher:
            self.flusher = self.others.pop()
        else:
            self.others.remove(flusher)
        self.crashed.append(flusher)

    @property
    def shared(self) -> Line:
        assert self.line is not None
        return self.line


def opened(sealed: SealedBinding) -> Binding:
    return Binding(
        sealed.id, sealed.org_id, sealed.url, sealed.database, sealed.measurement, sealed.created, ""
    )


async def never_renewed(in_vain: bool) -> bool:
    return False


def admin_key_of(sealed: SealedBinding) -> str:
    if sealed.admin_cipher == b"broken":
        raise MasterKeyError("the stored admin key does not open")
    return sealed.admin_cipher.decode()


@contextlib.asynccontextmanager
async def rig(
    path: Path, clock: ManualClock, limits: FlusherLimits = SMALL, line: Line | None = None
) -> AsyncIterator[Rig]:
    """Two bound orgs, a flusher that holds the lease."""
    with workshop(path / "m.db", clock) as shop:
        if line is not None:
            shop.outbox = SqliteOutbox(shop.database, clock=clock, sweeps_all=True)
            shop.ledger = SqliteLedger(shop.database, sweeps_all=True)
        store, metrics, merger = ShelfStore(), CountingMetrics(), ListMerger()
        remover, undertaker = ListRemover(), ListUndertaker(clock.micros)
        board, bindings = SqliteHealthBoard(shop.database), SqliteBindings(shop.database)
        agents = SqliteAgents(shop.database)
        ports = FlusherPorts(
            clock=clock,
            owner="a:1",
            open_queue=line.end if line is not None else lambda: JournalQueue(shop.database, clock=clock),
            outbox=shop.outbox,
            ledger=shop.ledger,
            leases=shop.leases,
            expiry=shop.expiry,
            bindings=bindings,
            unseal=opened,
            renew_keys=never_renewed,
            store_for=lambda _: store,
            agents=agents,
            board=board,
            metrics=metrics,
            report=lambda: b"metrics 1\n",
            random=lambda: 0.5,
            pause=paused_by(clock),
            open_merger=lambda _: merger,
            open_remover=lambda _: remover,
            admin_key=admin_key_of,
            undertaker=undertaker,
            orgs=SqliteOrgs(shop.database),
            erase=undertaker.erase,
            seeding=None,
        )
        made = Rig(
            shop,
            clock,
            store,
            ports,
            limits,
            Flusher(ports, limits),
            metrics,
            merger,
            board,
            bindings,
            agents,
            remover,
            undertaker,
            line=line,
        )
        for number, org in enumerate((ACME, OTHER)):
            await made.bind(org, id=f"arc_{number}")
        await made.flusher.open()
        try:
            yield made
        finally:
            for flusher in [made.flusher, *made.others, *made.crashed]:
                await flusher.close()
