"""Carries deletions out: takes what was deleted from the stores, looks again later, and closes.

Readers have not seen it since the deletion was acknowledged; this makes it go. A store may bring
rows back (a batch that was under way, a log that is replayed), so it is looked at again, in pauses
that grow and whenever an Arc was started, until one long pause brought nothing back.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, zip_longest
from typing import Final

from core import telemetry
from core.model.deletion import Deletion, DeletionState, Grave
from core.model.errors import ConfigurationError, NoArcInstance, StoreError
from core.model.memory import MemoryFilter, Micros, OrgId, Span, claim_key
from core.model.tenant import Binding
from core.model.windows import HOUR, pieces
from core.ports import Removal, Removed
from flusher.batcher import Batcher
from flusher.bindings import Bindings, Place
from flusher.crew import Crew
from flusher.dispatch import Dispatch
from flusher.lease import LeaseKeeper
from flusher.ports import MICROS, FlusherLimits, FlusherPorts
from flusher.restarts import Restarts

_GRAVES: Final = 500
"""Single memories removed in one go."""
_RULES: Final = 64
"""And rules."""
_AT_ONCE: Final = 4
"""Orgs whose removals are under way."""
_UNDERWAY: Final = 3.0
"""Seconds after which nothing that was read from the journal before a deletion turns up any more."""
_SOON: Final = 15.0
_TOGETHER: Final[Micros] = 16 * MICROS
"""Deletions due so soon go with those that are due, where files are rewritten for them."""
_LONGEST_PAUSE: Final = 3_600.0
"""Between two tries of a store that cannot do it."""
_GROWTH: Final = 4
_EVER: Final[Micros] = 2**62
_OPEN: Final = 20_000
"""Deletions looked through for those of an Arc that was started again."""
_LOG: Final[Micros] = 3_600 * MICROS
"""The first write after so long makes an Arc begin a new log; one that nobody writes to keeps its old one."""


@dataclass(frozen=True, slots=True)
class Looks:
    """When a removal is looked at again: after `first` seconds, then in growing pauses; a pause of
    `last` that brought nothing back ends it."""

    first: float
    last: float


EMBEDDED: Final = Looks(1_800.0, 1_800.0)
"""Longer than a batch may be under way or a crashed writer's leftovers may lie about."""
ARC: Final = Looks(300.0, 86_400.0)
"""An Arc that is started again may replay the log of its last hour or more."""


class Removals:
    def __init__(
        self,
        *,
        ports: FlusherPorts,
        limits: FlusherLimits,
        crew: Crew,
        bindings: Bindings,
        batcher: Batcher,
        dispatch: Dispatch,
        lease: LeaseKeeper,
        is_shared: bool,
        shown: Callable[[str], Micros],
    ) -> None:
        """`is_shared`: other flushers send too, and nobody knows here what they hold. `shown`: the
        newest memory that the store at a URL is known to have.
        """
        self._ports = ports
        self._limits = limits
        self._crew = crew
        self._bindings = bindings
        self._batcher = batcher
        self._dispatch = dispatch
        self._lease = lease
        self._remover = ports.open_remover(lease.confirm)
        self._restarts = Restarts(
            ports=ports, limits=limits, crew=crew, bindings=bindings, remover=self._remover
        )
        self._shown = shown
        self._at = self._again_at = ports.clock.monotonic()
        others = limits.fresh_for + limits.append_timeout if is_shared else 0.0
        self._underway = _UNDERWAY + others

    async def step(self) -> None:
        """Starts the work of every org with a deletion that is due, where nothing is in its way."""
        now = self._ports.clock.monotonic()
        if now < self._at:
            return
        self._at = now + self._limits.remove_every
        self._restarts.step()
        time = self._ports.clock.micros()
        soon = await self._ports.undertaker.due_deletions(time + _TOGETHER, self._limits.removals)
        back = await self._brought_back(now)
        due = {d.id for d in back} | {d.id for d in soon if d.due_at is not None and d.due_at <= time}
        all_of = sorted({d.id: d for d in [*soon, *back]}.values(), key=lambda d: d.org_id)
        for org_id, deletions in groupby(all_of, key=lambda d: d.org_id):
            some = [d for d in deletions if self._is_at_rest(d)]
            takes_more = self._rewrites_files(org_id) and any(d.id in due for d in some)
            some = [d for d in some if d.id in due or (takes_more and d.state == "pending")]
            if some and self._may_start(org_id):
                self._crew.start(("remove", org_id), self._carry_out(org_id, some))

    def _rewrites_files(self, org_id: OrgId) -> bool:
        """Whether one more deletion costs least together with others, and late most: a file that was
        rewritten is left alone for a while, with all that is still to be taken out of it."""
        try:
            return self._bindings.place(org_id).binding.is_embedded
        except (NoArcInstance, ConfigurationError, StoreError):
            return False

    async def _brought_back(self, now: float) -> list[Deletion]:
        """What was removed from Arcs that were started since, and so may have replayed their logs."""
        if not self._restarts.news or now < self._again_at:
            return []
        every = await self._ports.undertaker.due_deletions(_EVER, _OPEN)
        found = [d for d in every if d.state == "removed" and self._restarts.came_after(d)]
        self._restarts.news = bool(found)  # some of them may have to wait
        self._again_at = now + _SOON if found else now
        return found

    def _is_at_rest(self, deletion: Deletion) -> bool:
        """Whether nothing that it may cover is on its way to the store."""
        if self._ports.clock.micros() - deletion.requested_at < self._underway * MICROS:
            return False
        held, sent = self._batcher.oldest(deletion.org_id), self._dispatch.oldest(deletion.org_id)
        return all(oldest is None or oldest > deletion.requested_at for oldest in (held, sent))

    def _may_start(self, org_id: OrgId) -> bool:
        # Files are merged by nobody while they are rewritten, and the other way round.
        return (
            not self._crew.busy(("remove", org_id))
            and not self._crew.running("merge")
            and self._crew.running("remove") < _AT_ONCE
        )

    async def _carry_out(self, org_id: OrgId, deletions: Sequence[Deletion]) -> None:
        for deletion in deletions:
            if deletion.state == "pending":  # also of single ones: a backup may have brought rows back
                await self._ports.erase(deletion)
        try:
            place = self._bindings.place(org_id)
            binding = replace(place.binding, admin_key=self._bindings.admin_key(org_id))
        except (NoArcInstance, ConfigurationError, StoreError) as error:
            await self._postpone(deletions, f"{error.code}: {error.message}")
            return
        for together in _batches(deletions, binding):
            await self._attempt(place, binding, together)

    async def _attempt(self, place: Place, binding: Binding, deletions: Sequence[Deletion]) -> None:
        """One removal for all of these."""
        try:
            async with asyncio.timeout(self._limits.removal_timeout):
                await self._free_claims(place, deletions)
                removed = await self._remover.remove(binding, _removal(deletions))
        except StoreError as error:
            await self._postpone(deletions, f"{error.code}: {error.message}")
            return
        except TimeoutError:
            await self._postpone(deletions, "store_timeout: the removal took too long")
            return
        for deletion, count in zip(deletions, _shares(deletions, removed), strict=True):
            await self._note(binding, deletion, removed, count)
        if removed.memories:
            self._ports.metrics.count("memtrace_removed_memories_total", removed.memories)
            telemetry.info("memories_removed", org_id=binding.org_id, memories=removed.memories)

    async def _free_claims(self, place: Place, deletions: Sequence[Deletion]) -> None:
        """What an exclusion takes may be written again; a single memory's claim went with its burial."""
        now = self._ports.clock.micros()
        for deletion in deletions:
            rule = deletion.exclusion
            if rule is None or deletion.state != "pending":
                continue
            wanted = MemoryFilter(session_id=rule.session_id, agent_ids=rule.agent_ids)
            window = Span(now - round(self._limits.window * MICROS), rule.until)
            for span in pieces(window, HOUR):
                rows = await place.store.identities(place.binding, wanted, span)
                if graves := [(time, claim_key(key)) for time, key, _, _ in rows]:
                    await self._ports.undertaker.free_claims(deletion.org_id, graves, self._lease.current)

    async def _note(self, binding: Binding, deletion: Deletion, removed: Removed, count: int) -> None:
        """What one look means for a deletion: not gone yet, gone, still gone, or gone for good."""
        looks = EMBEDDED if binding.is_embedded else ARC
        what = deletion.grave or deletion.exclusion
        if what is not None and not removed.has_taken(what):
            await self._progress(deletion, deletion.state, count, _SOON)
        elif deletion.state == "pending" or count or self._came_back(binding, deletion, removed):
            await self._progress(deletion, "removed", count, looks.first)
        elif (pause := self._since_last_look(deletion)) >= looks.last and self._is_out_of_logs(
            binding, deletion
        ):
            await self._progress(deletion, "closed", 0, None)
        else:
            await self._progress(deletion, "removed", 0, min(_GROWTH * pause, looks.last))

    def _came_back(self, binding: Binding, deletion: Deletion, removed: Removed) -> bool:
        """Also where it was counted before, or an Arc does not say of which of several rules it was."""
        if deletion.grave is not None:
            return deletion.grave in removed.found
        return bool(removed.memories) and not binding.is_embedded

    def _is_out_of_logs(self, binding: Binding, deletion: Deletion) -> bool:
        """Whether no log that the store may replay can hold what was gone at the last look."""
        since = deletion.checked_at or deletion.requested_at
        return binding.is_embedded or self._shown(binding.url) >= since + _LOG

    def _since_last_look(self, deletion: Deletion) -> float:
        return (self._ports.clock.micros() - (deletion.checked_at or deletion.requested_at)) / MICROS

    async def _postpone(self, deletions: Sequence[Deletion], reason: str) -> None:
        for deletion in deletions:
            pause = min(max(2 * self._since_last_look(deletion), _SOON), _LONGEST_PAUSE)
            await self._progress(deletion, deletion.state, 0, pause, reason)
        telemetry.warning(
            "removal_postponed", org_id=deletions[0].org_id, deletions=len(deletions), reason=reason
        )

    async def _progress(
        self, deletion: Deletion, state: DeletionState, count: int, wait: float | None, reason: str = ""
    ) -> None:
        due_at = None if wait is None else self._ports.clock.micros() + round(wait * MICROS)
        await self._ports.undertaker.progress(
            deletion, self._lease.current, state=state, from_store=count, due_at=due_at, reason=reason
        )


def _removal(deletions: Sequence[Deletion]) -> Removal:
    exclusions = tuple(d.exclusion for d in deletions if d.exclusion is not None)
    graves: tuple[Grave, ...] = tuple(d.grave for d in deletions if d.grave is not None)
    return Removal(_span(deletions), exclusions, graves)


def _span(deletions: Sequence[Deletion]) -> Span:
    since: Micros = 0
    times = [d.grave[0] for d in deletions if d.grave is not None]
    untils = [d.exclusion.until for d in deletions if d.exclusion is not None]
    if times and not untils:
        since = min(times)
    return Span(since, max([*(t + 1 for t in times), *untils]))


def _batches(deletions: Sequence[Deletion], binding: Binding) -> Iterator[list[Deletion]]:
    """What is removed in one go: from files that are rewritten as much as possible, as each is
    rewritten as a whole; from an Arc each exclusion by itself, since it says one number only, but
    those together of which nothing is expected to be there.
    """
    single = _portions([d for d in deletions if d.grave is not None], _GRAVES)
    rules = [d for d in deletions if d.exclusion is not None]
    if binding.is_embedded:
        none: list[Deletion] = []
        both = zip_longest(single, _portions(rules, _RULES), fillvalue=none)
        yield from (some + others for some, others in both)
        return
    yield from single
    yield from ([rule] for rule in rules if rule.state == "pending")
    yield from _portions([rule for rule in rules if rule.state != "pending"], _RULES)


def _portions(deletions: list[Deletion], size: int) -> list[list[Deletion]]:
    return [deletions[start : start + size] for start in range(0, len(deletions), size)]


def _shares(deletions: Sequence[Deletion], removed: Removed) -> list[int]:
    """How much of what was removed is each deletion's; a single memory is counted once."""
    is_alone = sum(deletion.exclusion is not None for deletion in deletions) == 1
    by_exclusion = iter(removed.by_exclusion or ((removed.memories,) if is_alone else ()))
    return [
        int(deletion.grave in removed.found and not deletion.from_store)
        if deletion.grave is not None
        else next(by_exclusion, 0)
        for deletion in deletions
    ]
