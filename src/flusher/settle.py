"""Settling: reads back what was delivered, and lets go of exactly what the store shows.

A memory settles when it was first seen at least the store's `hides_for` ago. What is not shown
for long is owed again; what alone of its delivery is never shown is a dead letter. No answer is neither.
"""

import asyncio
from array import array
from collections.abc import Sequence
from typing import Final

from core import telemetry
from core.model.errors import ConfigurationError, NoArcInstance, StoreAmbiguous, StoreError, StoreTimeout
from core.model.memory import MemoryFilter, Micros, OrgId, Span
from core.ports import Parcel
from flusher.bindings import Bindings, Place
from flusher.circuit import Circuits
from flusher.crew import Crew
from flusher.dispatch import Dispatch
from flusher.lease import LeaseKeeper
from flusher.parcels import fingerprint
from flusher.ports import MICROS, FlusherLimits, FlusherPorts
from flusher.readback import Batch, Identity, Watch, spans

_ANY: Final = MemoryFilter()
_NEW: Final = 60.0
"""Seconds, beyond what deliveries may take, for which a binding is new."""
_BUFFERS_FOR: Final = 30.0
"""Seconds that a store which is believed may keep what it took to itself, before it hides it from nobody."""
_NEVER_SHOWN: Final = "the store took it, but never showed it"


class Settler:
    def __init__(
        self,
        *,
        ports: FlusherPorts,
        limits: FlusherLimits,
        crew: Crew,
        bindings: Bindings,
        dispatch: Dispatch,
        lease: LeaseKeeper,
        is_shared: bool,
    ) -> None:
        """`is_shared`: other flushers deliver too, and what they did is found in the journal alone."""
        self._ports = ports
        self._limits = limits
        self._crew = crew
        self._bindings = bindings
        self._dispatch = dispatch
        self._lease = lease
        self._strays_every = limits.shared_strays_every if is_shared else limits.strays_every
        self._stray_after = limits.look_after if is_shared else limits.strays_every
        """How long a delivered row that nobody watches may be one that was delivered here just now."""
        self._circuits = Circuits(ports.random)
        """Of reading back, apart from delivering: a store may do one and not the other."""
        self._watches: dict[OrgId, Watch] = {}
        self._cursors: dict[OrgId, Micros] = {}
        """How far the journal was read for delivered rows, per org where that is under way."""
        self._looked_for_strays: float | None = None
        self._shown: dict[str, Micros] = {}
        self._before: Micros = 0
        """Rows delivered before this are strays when nobody watches them."""

    def note(self, parcel: Parcel, fingerprints: "array[int]", place: Place) -> None:
        """Watches a parcel that was just delivered. Beyond the bound it is found in the journal later."""
        if self._has_room(parcel.count):
            look_at = self._now() + self._limits.look_after
            self._watch(parcel.org_id).add(parcel.times, fingerprints, look_at, self._taken_by(place))

    def shown(self, url: str) -> Micros:
        """The newest memory that the store at this URL showed, or whose word that it has it was enough."""
        return self._shown.get(url, 0)

    def _taken_by(self, place: Place) -> str:
        """The binding, where its store's word is to be enough.

        Not while the binding is new: what was under way to the store before it would count as taken.
        """
        age = (self._ports.clock.micros() - place.binding.created) / MICROS
        is_old = age > _NEW + 2 * self._limits.append_timeout
        is_trusted = self._limits.confirm == "accepted" and not place.binding.is_embedded
        return place.binding.id if is_trusted and is_old else ""

    async def step(self) -> bool:
        """One turn: starts the work of every org that has some. True: the journal has more rows to watch."""
        await self._find_strays()
        more = await self._load()
        for org_id, watch in list(self._watches.items()):
            if watch.is_idle:
                del self._watches[org_id]
            elif self._may_start(org_id, watch):
                self._crew.start(("settle", org_id), self._turn(org_id, watch))
        return more

    def _may_start(self, org_id: OrgId, watch: Watch) -> bool:
        circuit = self._circuits.of(org_id)
        return (
            not self._crew.busy(("settle", org_id))
            and self._crew.running("settle") < self._limits.settle_tasks
            and not (circuit.failures and self._probes() >= max(1, self._limits.settle_tasks // 4))
            and circuit.allows(self._now())
            and watch.is_due(self._now())
        )

    def _probes(self) -> int:
        """How many stores are asked now that did not answer before: these may hang, and all at once."""
        return sum(1 for org_id in self._circuits if self._crew.busy(("settle", org_id)))

    async def _turn(self, org_id: OrgId, watch: Watch) -> None:
        """Settles what is ripe, asks the store for what is due, gives up what took too long."""
        await self._settle(org_id, watch)
        try:
            place = self._bindings.place(org_id)
            watch.looks_through(place.binding.id)
            patience = min(self._limits.patience, 2 * place.store.hides_for)
            await self._look(org_id, watch, place)
        except (NoArcInstance, ConfigurationError, StoreError) as error:
            self._circuits.fail(org_id, self._now(), error.code, float(error.retry_after or 0))
            telemetry.debug("step_failed", step="settle", org_id=org_id, reason=error.code)
            return
        self._circuits.succeed(org_id)
        for batch in watch.given_up(self._now(), patience):
            await self._give_up(org_id, watch, batch)

    async def _settle(self, org_id: OrgId, watch: Watch) -> None:
        while ripe := watch.ripe(self._now()):
            settled = await self._ports.outbox.settled(org_id, ripe, self._lease.current, watch.binding_id)
            watch.settled()
            self._ports.metrics.count("memtrace_settled_total", settled)
            telemetry.debug("rows_settled", org_id=org_id, memories=settled)

    async def _look(self, org_id: OrgId, watch: Watch, place: Place) -> None:
        batches = watch.to_look(self._now(), self._limits.settle_rows)
        for batch in [b for b in batches if b.taken_by == place.binding.id]:
            batches.remove(batch)
            watch.believe(batch, self._now(), place.store.hides_for + _BUFFERS_FOR)
            self._note_shown(place, max(batch.times))
        try:
            found = await self._found(watch, place, [t for b in batches for t in b.times])
        except StoreError as error:
            for batch in batches:
                watch.ask_again(batch, self._now())
            if isinstance(error, StoreAmbiguous):
                return
            raise
        self._note_shown(place, max((time for time, _ in found), default=0))
        for batch in batches:
            watch.answered(batch, found, self._now(), place.store.hides_for)

    def _note_shown(self, place: Place, time: Micros) -> None:
        url = place.binding.url
        self._shown[url] = max(time, self._shown.get(url, 0))

    async def _found(self, watch: Watch, place: Place, times: Sequence[Micros]) -> set[Identity]:
        found: set[Identity] = set()
        for span in spans(times, watch.width):
            rows = await self._identities(place, span)
            watch.learn(len(rows))
            found.update((time, fingerprint(key)) for time, key, _, _ in rows)
        return found

    async def _identities(self, place: Place, span: Span) -> list[tuple[Micros, str, str, str]]:
        began = self._now()
        try:
            async with asyncio.timeout(self._limits.read_timeout):
                return await place.store.identities(place.binding, _ANY, span)
        except TimeoutError:
            raise StoreTimeout() from None
        finally:
            self._ports.metrics.observe("memtrace_arc_latency_seconds", self._now() - began, "identities")

    async def _give_up(self, org_id: OrgId, watch: Watch, batch: Batch) -> None:
        """Owed again; after too many rounds dead, where others that were delivered with it were shown.

        The journal knows the rounds. A store that lost all of a delivery says nothing about a memory.
        """
        lease, outbox = self._lease.current, self._ports.outbox
        most = self._limits.settle_rows
        rows = await outbox.delivered_rows(org_id, most, batch.times[0] - 1)
        horizon = rows[-1].time if len(rows) == most else batch.times[-1]
        missing = {t for t in batch.times if t <= horizon}
        worn = {r.time for r in rows if r.rounds >= self._limits.rounds and r.time in watch.suspects}
        again = [r.time for r in rows if r.time in missing - worn]
        never = [r.time for r in rows if r.time in missing & worn]
        if again:
            await outbox.owed_again(org_id, again, lease)
            self._ports.metrics.count("memtrace_redelivered_total", len(again))
            telemetry.warning("rows_owed_again", org_id=org_id, memories=len(again))
        if never:
            await outbox.dead(org_id, never, _NEVER_SHOWN, lease)
            watch.suspects.difference_update(never)
            telemetry.error("memory_died", org_id=org_id, memories=len(never), reason=_NEVER_SHOWN)
        watch.forget(batch, missing)

    async def _find_strays(self) -> None:
        """Now and then, and at the beginning, asks the journal for delivered rows that nobody watches."""
        last, now = self._looked_for_strays, self._now()
        if self._cursors or (last is not None and now - last < self._strays_every):
            return
        age = 0.0 if last is None else self._stray_after  # what was delivered before us, then what escaped us
        self._before = self._ports.clock.micros() - round(age * MICROS)
        self._looked_for_strays = now
        orgs = await self._ports.ledger.orgs_delivered()
        self._cursors = dict.fromkeys((o for o in orgs if self._circuits.of(o).allows(now)), 0)

    async def _load(self) -> bool:
        """Watches the next delivered rows of one org from the journal, as far as there is room."""
        most = self._limits.settle_rows
        if not self._cursors or not self._has_room(most):
            return False
        org_id, cursor = next(iter(self._cursors.items()))
        rows = await self._ports.outbox.delivered_rows(org_id, most, cursor)
        if len(rows) == most:
            self._cursors[org_id] = rows[-1].time
        else:
            del self._cursors[org_id]
        known, sent = self._watch(org_id).known(), self._dispatch.on_its_way(org_id)
        strays = [
            r for r in rows if r.delivered_at < self._before and r.time not in known and r.time not in sent
        ]
        if strays:
            keys = array("q", (fingerprint(r.dedup_key) for r in strays))
            self._watch(org_id).add_mixed([r.time for r in strays], keys, self._now())
        return bool(self._cursors)

    def _watch(self, org_id: OrgId) -> Watch:
        return self._watches.setdefault(org_id, Watch())

    def _has_room(self, count: int) -> bool:
        """Whether so many rows more may be watched; those whose store does not answer make room for them."""
        most = self._limits.noted_rows
        if self._rows() + count > most:
            for org_id in self._circuits:
                if org_id in self._watches and not self._crew.busy(("settle", org_id)):
                    self._watches[org_id].let_go()  # they are strays then, and taken up from the journal
        return self._rows() + count <= most

    def _rows(self) -> int:
        return sum(watch.rows for watch in self._watches.values())

    def _now(self) -> float:
        return self._ports.clock.monotonic()
