"""Moves an org's memories from one store to another, while the org is read and written.

Hours are copied until the new store shows all that the old one holds. Then nothing of the org
settles any more, so that the old store gains nothing that the journal would not keep, and the
stores are compared once more from end to end. Only when the new store has shown everything for
as long as it could still hide it from somebody is the binding switched.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from secrets import token_hex
from typing import Final, Literal

from core.model.errors import Conflict, StoreUnreachable
from core.model.memory import Memory, MemoryFilter, Micros, OrgId, Position, Span, encode
from core.model.tenant import Binding, SealedBinding
from core.model.windows import DAY, HOUR, SECOND
from core.ports import Clock, EventStore, Moves, Parcel

_ALL: Final = MemoryFilter()
_IN_FORCE: Final = 120.0
"""Seconds for which a move holds without being renewed."""
_RENEW_AFTER: Final = 20.0
_PIECE: Final = 20_000
"""Memories compared at once."""
_PAGE: Final = 1_000
_BATCH_BYTES: Final = 4 * 1024 * 1024
_SHOWING: Final = 5.0
"""Seconds between two comparisons: a store may buffer what it was given for so long."""
_MOST_ROUNDS: Final = 60
"""Comparisons without an end: the new store does not show what it takes."""

Phase = Literal["copying", "verifying", "waiting"]
Identity = tuple[Micros, str]


@dataclass(frozen=True, slots=True)
class Progress:
    phase: Phase
    memories: int
    """Compared in this round so far."""
    copied: int
    """Since the beginning."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two stores hold of one org, by identity."""

    pieces: int = 0
    """Stretches of time, an hour at most, in which either holds anything."""
    memories: int = 0
    """In the old store."""
    missing: int = 0
    """Of them, in the new store not shown."""
    extra: int = 0
    """In the new store alone."""


@dataclass(frozen=True, slots=True)
class Moved:
    comparison: Comparison
    copied: int
    rounds: int


class Mover:
    """One move at a time. Whatever ends it early, the binding stays as it was and nothing is lost;
    run again, it copies only what is still missing."""

    def __init__(
        self,
        *,
        store_for: Callable[[Binding], EventStore],
        moves: Moves,
        is_filling: Callable[[OrgId], Awaitable[bool]],
        clock: Clock,
        pause: Callable[[float], Awaitable[None]],
        tell: Callable[[Progress], None],
    ) -> None:
        """`is_filling` says whether the org's share of the journal is nearly used up."""
        self._store_for = store_for
        self._moves = moves
        self._is_filling = is_filling
        self._clock = clock
        self._pause = pause
        self._tell = tell
        self._copied = 0
        self._rounds = 0
        self._copied_at: float | None = None
        self._renewed_at = 0.0
        self._has_deleted = False
        """Whether the new store shows memories that were deleted since they were copied."""
        self._held_since: Micros | None = None
        """From here on nothing settles: what was stamped later is the journal's, wherever else it may be."""

    async def compare(self, old: Binding, new: Binding) -> Comparison:
        """Both stores from end to end; changes nothing. Raises StoreError."""
        return await self._round(old, new, "verifying", "")

    async def move(self, old: Binding, new: Binding, sealed: SealedBinding) -> Moved:
        """Copies, verifies and switches the org to `sealed`, of which `new` is the opened form.

        Raises StoreError or Conflict, having changed nothing but the new store's contents. A new
        store with memories of this org that the old one does not hold is refused: they would
        appear. Those that were deleted since an earlier move copied them are not meant: the
        deletions are carried out there.
        """
        await self._store_for(new).check(new)
        await self._copy_most(old, new)
        async with self._in_force(old.org_id) as token:
            comparison = await self._until_shown(old, new, token)
            await self._moves.finish(old.org_id, token, sealed, has_deleted=self._has_deleted)
        await self._moves.requeue(old.org_id)
        return Moved(comparison, self._copied, self._rounds)

    @asynccontextmanager
    async def _in_force(self, org_id: OrgId) -> AsyncIterator[str]:
        token = token_hex(16)
        await self._moves.begin(org_id, token, _IN_FORCE)
        self._held_since = self._clock.micros()
        self._renewed_at = self._clock.monotonic()
        try:
            yield token
        finally:
            await self._moves.abandon(org_id, token)

    async def _copy_most(self, old: Binding, new: Binding) -> None:
        """All but what settles meanwhile, before anything is held up."""
        for _ in range(_MOST_ROUNDS):
            comparison = await self._round(old, new, "copying", "", copies=True)
            if comparison.extra:
                raise _has_others(comparison.extra)
            if comparison.missing <= max(_PAGE, comparison.memories // 100):
                return
            await self._wait(old.org_id, _SHOWING, "")
        raise _is_not_shown()

    async def _until_shown(self, old: Binding, new: Binding, token: str) -> Comparison:
        """Rounds until one finds nothing missing, long enough after the last copy."""
        hides_for = self._store_for(new).hides_for
        for _ in range(_MOST_ROUNDS):
            comparison = await self._round(old, new, "verifying", token, copies=True)
            if comparison.extra:
                raise _has_others(comparison.extra)
            hidden_for = self._hidden_for(hides_for)
            if not comparison.missing and hidden_for <= 0:
                return comparison
            await self._wait(old.org_id, _SHOWING if comparison.missing else hidden_for, token)
        raise _is_not_shown()

    def _hidden_for(self, hides_for: float) -> float:
        """Seconds for which a reader may still not see what was copied last."""
        if self._copied_at is None:
            return 0.0
        return self._copied_at + hides_for - self._clock.monotonic()

    async def _wait(self, org_id: OrgId, seconds: float, token: str) -> None:
        self._tell(Progress("waiting", 0, self._copied))
        until = self._clock.monotonic() + seconds
        while (rest := until - self._clock.monotonic()) > 0:
            await self._keep(org_id, token)
            await self._pause(min(rest, _SHOWING))

    async def _keep(self, org_id: OrgId, token: str) -> None:
        """Keeps the move in force. Raises Conflict when it ended, or when the journal fills up."""
        if not token or self._clock.monotonic() - self._renewed_at < _RENEW_AFTER:
            return
        if await self._is_filling(org_id):
            raise Conflict(
                f"{org_id} writes more than its journal can keep while its memories are moved",
                hint="run it again at a quieter time, or raise journal.max_memories_per_org",
            )
        await self._moves.renew(org_id, token, _IN_FORCE)
        self._renewed_at = self._clock.monotonic()

    async def _round(
        self, old: Binding, new: Binding, phase: Phase, token: str, *, copies: bool = False
    ) -> Comparison:
        self._rounds += 1
        pieces = memories = missing = extra = 0
        async for span in self._pieces(old, new):
            await self._keep(old.org_id, token)
            held, shown = await self._held(old, span), await self._held(new, span)
            lacking = await self._alive(old, span, held - shown)
            others = await self._alive(new, span, shown - held)
            self._has_deleted |= len(others) < len(shown - held)
            if copies and lacking:
                await self._copy(old, new, span, set(lacking))
            pieces, memories = pieces + 1, memories + len(held)
            missing, extra = missing + len(lacking), extra + len(others)
            self._tell(Progress(phase, memories, self._copied))
        return Comparison(pieces, memories, missing, extra)

    async def _pieces(self, old: Binding, new: Binding) -> AsyncIterator[Span]:
        """The stretches in which either store holds anything, in order, each small enough to compare."""
        begins = [t for b in (old, new) if (t := await self._store_for(b).earliest(b)) is not None]
        if not begins:
            return
        end = self._held_since or self._clock.micros() + DAY
        for day in range(min(begins) // DAY * DAY, end, DAY):
            async for span in self._cut(old, new, Span(day, min(day + DAY, end)), HOUR):
                yield span

    async def _cut(self, old: Binding, new: Binding, span: Span, width: Micros) -> AsyncIterator[Span]:
        """The span where it is small, else its parts of this width, and theirs in turn."""
        count = max(await self._count(old, span), await self._count(new, span))
        if not count:
            return
        is_short = span.until - span.since <= HOUR
        if is_short and (count <= _PIECE or span.until - span.since <= SECOND):
            yield span
            return
        for since in range(span.since, span.until, width):
            part = Span(since, min(since + width, span.until))
            async for piece in self._cut(old, new, part, max(width // 8, SECOND)):
                yield piece

    async def _count(self, binding: Binding, span: Span) -> int:
        return (await self._store_for(binding).tally(binding, _ALL, span, span.until)).total

    async def _held(self, binding: Binding, span: Span) -> set[Identity]:
        rows = await self._store_for(binding).identities(binding, _ALL, span)
        return {(time, key) for time, key, _, _ in rows}

    async def _alive(self, binding: Binding, span: Span, wanted: set[Identity]) -> set[Identity]:
        """Those of these memories of this store that were never deleted."""
        if not wanted:
            return wanted
        graves = await self._moves.buried(binding.org_id, sorted({time for time, _ in wanted}))
        if not graves.exclusions:
            return {identity for identity in wanted if not graves.buries(*identity)}
        stored = self._stored(binding, span)
        return {m.identity async for m in stored if m.identity in wanted and not graves.hides(m)}

    async def _copy(self, old: Binding, new: Binding, span: Span, wanted: set[Identity]) -> None:
        """Appends what is wanted to the new store, in batches; repeats in the old one are left out."""
        batch: list[Memory] = []
        size = 0
        async for memory in self._stored(old, span):
            if memory.identity not in wanted:
                continue
            wanted.remove(memory.identity)
            batch.append(memory)
            size += len(memory.content) + len(memory.metadata_json)
            if size >= _BATCH_BYTES or not wanted:
                await self._append(new, batch)
                batch, size = [], 0
        if batch:
            await self._append(new, batch)

    async def _stored(self, binding: Binding, span: Span) -> AsyncIterator[Memory]:
        store = self._store_for(binding)
        after: Position | None = None
        while True:
            page = await store.search(binding, _ALL, span, "asc", _PAGE, after)
            for memory in page:
                yield memory
            if len(page) < _PAGE:
                return
            after = Position("asc", *page[-1].identity)

    async def _append(self, binding: Binding, batch: list[Memory]) -> None:
        lines = b"\n".join(map(encode, batch))
        parcel = Parcel(binding.org_id, tuple(m.time for m in batch), lines)
        await self._store_for(binding).append(binding, parcel)
        self._copied += len(batch)
        self._copied_at = self._clock.monotonic()


def _has_others(count: int) -> Conflict:
    return Conflict(
        f"the new store holds {count} memories of this org that the old one does not",
        hint="they would appear: use a database without them",
    )


def _is_not_shown() -> StoreUnreachable:
    return StoreUnreachable(
        f"the new store did not show all it was given in {_MOST_ROUNDS} rounds",
        hint="look at its health and run the move again; what was copied is not copied twice",
    )
