"""Claims for what stores hold of the last dedup window, where others wrote it: the original, mostly.

An equal memory written afterwards is a duplicate of the one that is stored. The newest part of the
window is read first, and what was read is remembered, so whoever goes on begins where it ended. A
second look a while later finds what the store still hid from the first.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from core.model.errors import Conflict, MemtraceError, StoreAmbiguous, StoreError, StoreRefused, StoreTimeout
from core.model.memory import MemoryFilter, Micros, OrgId, Span, claim_key
from core.model.tenant import Binding
from core.model.windows import HOUR, MINUTE, SECOND, pieces
from core.ports import Clock, EventStore, Looking, Seedings
from core.telemetry import info, warning

_FEW: Final = 50_000
"""Memories that are read at once, however long a time they are spread over."""
_LATE: Final = 60 * SECOND
"""What a store may take to write out what it had in memory, beyond what it says that it hides."""
_SKEW: Final = 10 * MINUTE
"""By how much the clock of whoever wrote before may have been ahead."""
_AT_ONCE: Final = 8
_TRIES: Final = 3

Identity = tuple[Micros, str, str, str]


class Seeding:
    """Reads stores and makes claims; may run in several processes at once, and beside appends.

    A claim that somebody made meanwhile stays, and memories that were deleted get none.
    """

    def __init__(
        self,
        *,
        seedings: Seedings,
        store_for: Callable[[Binding], EventStore],
        clock: Clock,
        window: Micros,
        rows_a_turn: int,
    ) -> None:
        self._seedings = seedings
        self._store_for = store_for
        self._clock = clock
        self._window = window
        self._rows = rows_a_turn

    async def due(self) -> list[Looking]:
        """What there is to do now: cheap where every store was read."""
        now = self._clock.micros()
        return [one for one in await self._seedings.unseeded() if one.again_at is None or one.again_at <= now]

    async def seed_all(
        self, lookings: Sequence[Looking], open_binding: Callable[[OrgId], Binding], seconds: float
    ) -> None:
        """As many as can be done in so many seconds, each org for itself; what fails is logged."""
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(looking: Looking) -> None:
            try:
                async with asyncio.timeout(seconds), places:
                    await self.seed(open_binding(looking.org_id), looking)
            except TimeoutError:
                self.postponed(looking, f"not done within {seconds:g} s")
            except MemtraceError as e:
                self.postponed(looking, f"{e.code}: {e.message}")

        await asyncio.gather(*map(one, lookings))

    def postponed(self, looking: Looking, reason: str) -> None:
        """Says that it goes on later."""
        warning("seeding_postponed", org_id=looking.org_id, reason=reason)

    async def seed(self, binding: Binding, looking: Looking) -> None:
        """Goes on from where `looking` ended. Raises StoreError; what was read by then is remembered.

        Returns at once where the org is bound to another store by now.
        """
        if binding.id != looking.binding_id:
            return
        try:
            if looking.began is not None and looking.again_at is not None:
                await self._look_again(binding, looking, looking.began)
            else:
                await self._look(binding, looking)
        except Conflict:
            return

    async def _look(self, binding: Binding, looking: Looking) -> None:
        now = self._clock.micros()
        began = looking.began
        if began is None:
            began = now
            looking = replace(looking, began=began, reached=began)
            await self._seedings.note(looking)
        oldest = began - self._window
        claimed, is_quiet = 0, False
        while looking.reached > oldest:
            if looking.reached == began:
                since = began // HOUR * HOUR - HOUR
            elif is_quiet or (is_quiet := await self._is_quiet(binding, Span(oldest, looking.reached))):
                since = oldest
            else:
                since = (looking.reached - 1) // HOUR * HOUR
            span = Span(max(since, oldest), looking.reached)
            claimed += await self._take(binding, looking, span)
            looking = replace(looking, reached=span.since)
            await self._seedings.note(looking)
        wait = round(self._store_for(binding).hides_for * SECOND) + _LATE
        await self._seedings.note(replace(looking, again_at=now + wait))
        info("claims_seeded", org_id=looking.org_id, claims=claimed)

    async def _look_again(self, binding: Binding, looking: Looking, began: Micros) -> None:
        span = Span(began - HOUR, min(self._clock.micros(), began + _SKEW))
        claimed = await self._take(binding, looking, span)
        await self._seedings.note(looking, is_done=True)
        if claimed:
            info("claims_seeded", org_id=looking.org_id, claims=claimed)

    async def _is_quiet(self, binding: Binding, span: Span) -> bool:
        """Whether so little is stored there that it is read at once: an empty hour may cost as much."""
        try:
            tally = await self._store_for(binding).tally(binding, MemoryFilter(), span, span.until)
        except (StoreAmbiguous, StoreRefused, StoreTimeout):
            return False
        return tally.total <= _FEW

    async def _take(self, binding: Binding, looking: Looking, span: Span) -> int:
        """Claims for all that is stored there; a stretch that is too much for the store is cut."""
        try:
            return await self._claim(binding, looking, span)
        except (StoreRefused, StoreTimeout):
            if span.until - span.since <= MINUTE:
                raise
        parts = pieces(span, -(-(span.until - span.since) // 4))
        return sum([await self._take(binding, looking, part) for part in reversed(parts)])

    async def _claim(self, binding: Binding, looking: Looking, span: Span) -> int:
        for _ in range(_TRIES):
            version, graves = await self._seedings.hidden(looking.org_id)
            found = await self._identities(binding, MemoryFilter(excluded=graves.exclusions), span)
            newest: dict[bytes, Micros] = {}
            alive_since = self._clock.micros() - self._window
            for time, dedup_key, _, _ in found:
                if time > alive_since and not graves.buries(time, dedup_key):
                    key = claim_key(dedup_key)
                    newest[key] = max(time, newest.get(key, 0))
            claims = sorted(newest.items(), key=lambda claim: -claim[1])
            claimed = await self._claim_each(looking, claims, alive_since, version)
            if claimed is not None:
                return claimed
        raise StoreError("memories are deleted faster than their claims can be looked up")

    async def _claim_each(
        self, looking: Looking, claims: Sequence[tuple[bytes, Micros]], alive_since: Micros, version: int
    ) -> int | None:
        """None: something was deleted meanwhile. What was claimed by then stays, and is looked at again."""
        claimed = 0
        for start in range(0, len(claims), self._rows):
            chunk = claims[start : start + self._rows]
            taken = await self._seedings.claim(looking, chunk, alive_since, version)
            if taken is None:
                return None
            claimed += taken
        return claimed

    async def _identities(self, binding: Binding, filter: MemoryFilter, span: Span) -> list[Identity]:
        store = self._store_for(binding)
        try:
            return await store.identities(binding, filter, span)
        except StoreAmbiguous:
            return await store.identities(binding, filter, span)
