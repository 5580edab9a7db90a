"""The embedded event store: Arc's Parquet layout in a folder, written and read by DuckDB."""

import asyncio
import os
from pathlib import Path
from typing import Final

from core.adapters.events.durable import make_root, reachable
from core.adapters.events.engine import Cursor, Engine
from core.adapters.events.layout import Place, place_of
from core.adapters.events.partitions import Partitions
from core.adapters.events.reading import Reading
from core.adapters.events.sql import Matching
from core.adapters.events.writing import Probe, Writing, ignore
from core.model.errors import StoreUnreachable
from core.model.memory import Memory, MemoryFilter, Micros, Order, Position, Span, Tally
from core.model.tenant import Binding
from core.ports import Clock, Parcel


class ParquetStore:
    """`core.ports.EventStore` over folders; any number of processes may read and append.

    What `append` wrote is on disk when it returns, and visible to this process at once, to
    others within `partitions.MAX_AGE` seconds.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        clock: Clock,
        query_timeout: float,
        hides_for: float = 10.0,
        probe: Probe = ignore,
    ) -> None:
        self.hides_for = hides_for
        self.engine: Final = engine
        self.clock: Final = clock
        self.query_timeout: Final = query_timeout
        self.partitions: Final = Partitions(clock)
        self._probe = probe

    async def append(self, binding: Binding, parcel: Parcel) -> None:
        """Stores all of the parcel, durably, or raises."""
        if not parcel.count:
            return
        place, now = place_of(binding), self.clock.micros()

        def work(cursor: Cursor) -> None:
            changed = Writing(cursor, place, self._probe).append(parcel, now)
            self.partitions.forget(*changed)

        await self.engine.run(work, self.query_timeout, whose=binding.org_id, writes=True)

    async def search(
        self,
        binding: Binding,
        filter: MemoryFilter,
        span: Span,
        order: Order,
        limit: int,
        after: Position | None,
    ) -> list[Memory]:
        """The first `limit` rows after `after`; repeats possible, side by side."""
        place = place_of(binding)
        matching = Matching("", binding.org_id, filter, span, after)
        if span.is_empty or limit < 1:
            return []
        return await self.engine.run(
            lambda cursor: self._reading(cursor, place).search(matching, order, limit),
            self.query_timeout,
            whose=binding.org_id,
        )

    async def identities(
        self, binding: Binding, filter: MemoryFilter, span: Span
    ) -> list[tuple[Micros, str, str, str]]:
        """(time, dedup key, memory type, event type) of every distinct match."""
        place = place_of(binding)
        matching = Matching("", binding.org_id, filter, span)
        if span.is_empty:
            return []
        return await self.engine.run(
            lambda cursor: self._reading(cursor, place).identities(matching),
            self.query_timeout,
            whose=binding.org_id,
        )

    async def tally(self, binding: Binding, filter: MemoryFilter, span: Span, recent_since: Micros) -> Tally:
        """Distinct counts in the span."""
        place = place_of(binding)
        matching = Matching("", binding.org_id, filter, span)
        if span.is_empty:
            return Tally()
        return await self.engine.run(
            lambda cursor: self._reading(cursor, place).tally(matching, recent_since),
            self.query_timeout,
            whose=binding.org_id,
        )

    async def earliest(self, binding: Binding) -> Micros | None:
        """The beginning of the oldest hour or day that has a file."""
        place = place_of(binding)
        return await self.engine.run(
            lambda _: self.partitions.earliest(place), self.query_timeout, whose=binding.org_id
        )

    async def prepare(self, binding: Binding) -> None:
        """Makes the root folder, durably. Needs no DuckDB."""
        root = place_of(binding).root
        await asyncio.to_thread(_make_root, root)

    async def check(self, binding: Binding) -> None:
        """Returns when the folder can be listed and written to."""
        place = place_of(binding)
        await self.engine.run(lambda cursor: _check(cursor, place), self.query_timeout, whose=binding.org_id)

    def _reading(self, cursor: Cursor, place: Place) -> Reading:
        return Reading(cursor, self.partitions, place)


def _make_root(root: Path) -> None:
    with reachable(root):
        make_root(root)


def _check(cursor: Cursor, place: Place) -> None:
    with reachable(place.root):
        os.listdir(place.root)
    if not os.access(place.root, os.R_OK | os.W_OK | os.X_OK):
        raise StoreUnreachable(
            f"the store's folder {place.root} may not be read and written by this user",
            hint="change its owner or its permissions",
        )
    cursor.rows("SELECT 1")
