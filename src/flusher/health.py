"""Asks every bound store now and then whether it answers, and posts what was seen."""

import asyncio
from dataclasses import replace

from core.model.errors import ConfigurationError, NoArcInstance, StoreError
from core.model.memory import OrgId
from core.ports import StoreHealth
from flusher.bindings import Bindings
from flusher.circuit import Circuits
from flusher.crew import Crew
from flusher.ports import MICROS, FlusherLimits, FlusherPorts


class HealthChecks:
    """The edge only reads the board: a dead store slows no probe there."""

    def __init__(
        self,
        *,
        ports: FlusherPorts,
        limits: FlusherLimits,
        crew: Crew,
        bindings: Bindings,
        circuits: Circuits,
        is_shared: bool,
    ) -> None:
        self._ports = ports
        self._limits = limits
        self._crew = crew
        self._bindings = bindings
        self._circuits = circuits
        self._every = limits.shared_check_every if is_shared else limits.check_every
        self._next: dict[OrgId, float] = {}
        self._places: dict[OrgId, int] = {}
        self._seen: dict[OrgId, StoreHealth] = {}
        self._posted: dict[OrgId, StoreHealth] = {}
        self._posted_at: float | None = None

    async def step(self) -> None:
        """Forgets stores that are bound no longer, starts checks that are due, posts the news."""
        self._start_checks()
        await self._post()

    def _start_checks(self) -> None:
        now, bound = self._ports.clock.monotonic(), set(self._bindings.orgs())
        self._seen = {o: h for o, h in self._seen.items() if o in bound}
        # A store that was bound anew is another one: it is looked at now.
        places = {org_id: self._bindings.since(org_id) for org_id in bound}
        self._next = {o: self._next.get(o, now) if self._places.get(o) == places[o] else now for o in bound}
        self._places = places
        # Those that did not answer before may hang, and all at once: half of the places is enough for them.
        failing = {org_id for org_id, health in self._seen.items() if not health.ok}
        left = max(1, self._limits.checks // 2) - sum(self._crew.busy(("check", o)) for o in failing)
        for org_id, at in sorted(self._next.items(), key=lambda item: item[1]):
            if at > now or self._crew.running("check") >= self._limits.checks:
                return
            if self._crew.busy(("check", org_id)) or (org_id in failing and left <= 0):
                continue
            left -= org_id in failing
            self._next[org_id] = now + self._every
            self._crew.start(("check", org_id), self._check(org_id))

    async def _check(self, org_id: OrgId) -> None:
        reason = ""
        began = self._ports.clock.monotonic()
        try:
            place = self._bindings.place(org_id)
            async with asyncio.timeout(self._limits.check_timeout):
                await place.store.check(place.binding)
        except (StoreError, ConfigurationError) as error:
            reason = f"{error.code}: {error.message}"
        except TimeoutError:
            reason = f"store_timeout: no answer within {self._limits.check_timeout:g} s"
        except NoArcInstance:
            return
        self._ports.metrics.observe(
            "memtrace_arc_latency_seconds", self._ports.clock.monotonic() - began, "check"
        )
        self._seen[org_id] = StoreHealth(org_id, not reason, self._ports.clock.micros(), reason=reason)

    async def _post(self) -> None:
        """What changed for those who read it, at once; and as often as stores are checked, when they were."""
        now = self._ports.clock.monotonic()
        healths = {org_id: self._with_circuit(health) for org_id, health in self._seen.items()}
        is_old = self._posted_at is None or now - self._posted_at >= self._every
        posted = self._posted
        news = [
            health
            for org_id, health in healths.items()
            if health != posted.get(org_id) and (is_old or _verdict(health) != _verdict(posted.get(org_id)))
        ]
        if news:
            await self._ports.board.post_health(news)
        self._posted = {o: h for o, h in posted.items() if o in healths} | {h.org_id: h for h in news}
        self._posted_at = now if is_old else self._posted_at

    def _with_circuit(self, health: StoreHealth) -> StoreHealth:
        clock, circuit = self._ports.clock, self._circuits.of(health.org_id)
        state = circuit.state(clock.monotonic())
        if state == "closed":
            return health
        retry_at = clock.micros() + round((circuit.retry_at - clock.monotonic()) * MICROS)
        return replace(health, circuit=state, retry_at=retry_at, reason=health.reason or circuit.reason)


def _verdict(health: StoreHealth | None) -> tuple[bool, str] | None:
    return None if health is None else (health.ok, health.circuit)
