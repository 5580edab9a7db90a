"""Notices Arcs that were started again: the log of one may have brought back what was removed."""

import asyncio
from typing import Final

from core.model.deletion import Deletion
from core.model.errors import ConfigurationError, NoArcInstance, StoreError
from core.model.memory import Micros, OrgId
from core.ports import EventRemover
from flusher.bindings import Bindings
from flusher.crew import Crew
from flusher.ports import MICROS, FlusherLimits, FlusherPorts

_ASKED_AT_ONCE: Final = 4
_JITTER: Final[Micros] = 5 * MICROS
"""Two answers of one process may differ by so much."""


class Restarts:
    """Of those Arcs that serve the orgs bound now. `news`: one was started since this was last unset."""

    def __init__(
        self,
        *,
        ports: FlusherPorts,
        limits: FlusherLimits,
        crew: Crew,
        bindings: Bindings,
        remover: EventRemover,
    ) -> None:
        self._ports = ports
        self._limits = limits
        self._crew = crew
        self._bindings = bindings
        self._remover = remover
        self._began: dict[str, Micros] = {}
        """By URL: when the youngest process that answered there began."""
        self._ask_at: dict[str, float] = {}
        self.news = False

    def step(self) -> None:
        """Now and then asks each Arc, on the side, and through one of its orgs, for how long it runs."""
        now, arcs = self._ports.clock.monotonic(), self._arcs()
        self._began = {url: began for url, began in self._began.items() if url in arcs}
        self._ask_at = {url: self._ask_at.get(url, now) for url in arcs}
        for url, org_id in arcs.items():
            if self._crew.running("restart") >= _ASKED_AT_ONCE:
                return
            if self._ask_at[url] <= now and not self._crew.busy(("restart", org_id)):
                self._ask_at[url] = now + self._limits.restarts_every
                self._crew.start(("restart", org_id), self._ask(org_id))

    def came_after(self, deletion: Deletion) -> bool:
        """Whether the org's Arc was started after the deletion was last looked for there."""
        url = self._arc(deletion.org_id)
        return (deletion.checked_at or deletion.requested_at) < self._began.get(url, 0)

    def _arcs(self) -> dict[str, OrgId]:
        found = {self._arc(org_id): org_id for org_id in self._bindings.orgs()}
        found.pop("", None)
        return found

    def _arc(self, org_id: OrgId) -> str:
        """The URL of the org's Arc; empty where it has none that can be reached."""
        try:
            binding = self._bindings.place(org_id).binding
        except (NoArcInstance, ConfigurationError, StoreError):
            return ""
        return "" if binding.is_embedded else binding.url

    async def _ask(self, org_id: OrgId) -> None:
        try:
            binding = self._bindings.place(org_id).binding
            async with asyncio.timeout(self._limits.check_timeout):
                began = await self._remover.running_since(binding)
        except (NoArcInstance, ConfigurationError, StoreError, TimeoutError):
            return  # the checks of its health tell
        if began is not None and began > self._began.get(binding.url, 0) + _JITTER:
            self._began[binding.url] = began
            self.news = True
