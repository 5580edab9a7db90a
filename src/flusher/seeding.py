"""Looks for stores that were not read for claims yet, and reads them as soon as they answer.

A start does what it can before it serves; this does the rest, and orgs that are bound later.
"""

from core.model.errors import ConfigurationError, NoArcInstance, StoreError
from core.model.memory import OrgId
from core.ports import Looking
from flusher.bindings import Bindings
from flusher.crew import Crew
from flusher.ports import FlusherLimits, FlusherPorts

_GROWTH = 2.0


class Seeder:
    """One look at a time an org; a store that fails is left alone for a while, and longer each time."""

    def __init__(self, *, ports: FlusherPorts, limits: FlusherLimits, crew: Crew, bindings: Bindings) -> None:
        self._ports = ports
        self._limits = limits
        self._crew = crew
        self._bindings = bindings
        self._at = ports.clock.monotonic()
        self._pauses: dict[OrgId, tuple[float, float]] = {}
        """Until when an org is left alone, and how long that pause was."""

    async def step(self) -> None:
        """Starts what is due. Cheap where every store was read."""
        now = self._ports.clock.monotonic()
        seeding = self._ports.seeding
        if seeding is None or now < self._at:
            return
        self._at = now + self._limits.seed_every
        due = await seeding.due()
        self._pauses = {one.org_id: self._pauses[one.org_id] for one in due if one.org_id in self._pauses}
        for looking in due:
            if self._crew.running("seed") >= self._limits.seedings:
                return
            is_paused = self._pauses.get(looking.org_id, (now, 0.0))[0] > now
            if not is_paused and not self._crew.busy(("seed", looking.org_id)):
                self._crew.start(("seed", looking.org_id), self._seed(looking))

    async def _seed(self, looking: Looking) -> None:
        assert self._ports.seeding is not None
        try:
            binding = self._bindings.place(looking.org_id).binding
            await self._ports.seeding.seed(binding, looking)
        except NoArcInstance:  # unbound since, or bound just now: known at the next refresh
            return
        except (ConfigurationError, StoreError) as error:
            self._ports.seeding.postponed(looking, f"{error.code}: {error.message}")
            pause = self._pauses.get(looking.org_id, (0.0, self._limits.seed_every))[1] * _GROWTH
            pause = min(pause, self._limits.seed_pause)
            self._pauses[looking.org_id] = (self._ports.clock.monotonic() + pause, pause)
        else:
            self._pauses.pop(looking.org_id, None)
