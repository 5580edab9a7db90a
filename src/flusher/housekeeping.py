"""What is done on the side, a little at a time: expiring claims, merging files, the metrics report."""

from typing import Final

from core import telemetry
from core.model.errors import ConfigurationError, NoArcInstance, StoreError
from core.model.memory import OrgId
from flusher.bindings import Bindings
from flusher.crew import Crew
from flusher.lease import LeaseKeeper
from flusher.ports import MICROS, FlusherLimits, FlusherPorts

_EVERYBODY: Final = ""
_EXPIRY_PAUSE: Final = 0.05


class Housekeeping:
    def __init__(
        self,
        *,
        ports: FlusherPorts,
        limits: FlusherLimits,
        crew: Crew,
        bindings: Bindings,
        lease: LeaseKeeper,
        is_shared: bool,
    ) -> None:
        self._ports = ports
        self._limits = limits
        self._crew = crew
        self._bindings = bindings
        self._lease = lease
        self._merger = ports.open_merger(lease.confirm)
        now = ports.clock.monotonic()
        self._expire_at = now
        self._merge_at: dict[OrgId, float] = {}
        self._report_at = now
        self._report_every = limits.shared_report_every if is_shared else limits.report_every
        self._report = b""

    async def step(self, *, is_quiet: bool) -> None:
        """Starts what is due; files are merged only while no delivery is waiting (`is_quiet`)."""
        now = self._ports.clock.monotonic()
        if now >= self._expire_at and not self._crew.busy(("expire", _EVERYBODY)):
            self._expire_at = now + self._limits.expire_every
            self._crew.start(("expire", _EVERYBODY), self._expire())
        if is_quiet:
            self._start_merge()
        await self._post_report()

    async def _expire(self) -> None:
        """One round through the claims, in turns with pauses between: writers hardly notice."""
        before = self._ports.clock.micros() - round(self._limits.window * MICROS)
        expiry, most = self._ports.expiry, self._limits.expire_rows
        turns = 1
        while not await expiry.expire(before, self._lease.current, most):
            turns += 1
            await self._ports.pause(_EXPIRY_PAUSE)
        telemetry.debug("claims_expired", turns=turns)

    def _start_merge(self) -> None:
        """One org at a time, the one whose turn is longest ago first; no file is removed meanwhile."""
        if self._crew.running("merge") or self._crew.running("remove"):
            return
        now = self._ports.clock.monotonic()
        self._merge_at = {o: self._merge_at.get(o, now) for o in self._bindings.orgs()}
        due = [(at, org_id) for org_id, at in self._merge_at.items() if at <= now]
        if due:
            _, org_id = min(due)
            self._merge_at[org_id] = now + self._limits.merge_every
            self._crew.start(("merge", org_id), self._merge(org_id))

    async def _merge(self, org_id: OrgId) -> None:
        try:
            binding = self._bindings.place(org_id).binding
            if not binding.is_embedded:
                return
            await self._lease.confirm()
            turn = await self._merger.step(binding, self._ports.clock.micros())
        except (NoArcInstance, ConfigurationError, StoreError) as error:
            telemetry.warning("step_failed", step="merge", org_id=org_id, reason=error.message)
            return
        if turn.did_something:
            self._merge_at[org_id] = self._ports.clock.monotonic() + self._limits.merge_on
        if turn.merged:
            self._ports.metrics.count("memtrace_merged_files_total", turn.merged)
            telemetry.info("files_merged", org_id=org_id, files=turn.merged)

    async def _post_report(self) -> None:
        now = self._ports.clock.monotonic()
        if now < self._report_at:
            return
        self._report_at = now + self._report_every
        report = self._ports.report()
        if report != self._report:
            await self._ports.board.post_report(report, self._ports.clock.micros())
            self._report = report
