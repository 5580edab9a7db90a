"""Asks the event store on behalf of readers: times each call, bounds them all together, and asks
once more where an answer said nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from core.model.errors import StoreAmbiguous, StoreTimeout
from core.model.memory import Memory, MemoryFilter, Micros, Order, Position, Span, Tally
from core.model.tenant import Binding
from core.ports import Clock, EventStore
from core.telemetry import Metrics

T = TypeVar("T")


class StoreReader:
    """The reading half of an EventStore. No error is swallowed: what the second try raises goes on."""

    def __init__(self, *, store: EventStore, clock: Clock, metrics: Metrics, query_timeout: float) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._query_timeout = query_timeout

    @asynccontextmanager
    async def one_answer(self) -> AsyncIterator[None]:
        """All calls made inside, together, end within the query timeout or raise StoreTimeout."""
        try:
            async with asyncio.timeout(self._query_timeout):
                yield
        except TimeoutError:
            raise StoreTimeout(
                f"The event store did not answer within {self._query_timeout:g} seconds.",
                hint="ask about a shorter time or a single session, or raise `arc.query_timeout`",
            ) from None

    async def search(
        self,
        binding: Binding,
        filter: MemoryFilter,
        span: Span,
        order: Order,
        limit: int,
        after: Position | None,
    ) -> list[Memory]:
        """As `EventStore.search`."""
        return await self._ask(
            "search", lambda: self._store.search(binding, filter, span, order, limit, after)
        )

    async def identities(
        self, binding: Binding, filter: MemoryFilter, span: Span
    ) -> list[tuple[Micros, str, str, str]]:
        """As `EventStore.identities`."""
        return await self._ask("identities", lambda: self._store.identities(binding, filter, span))

    async def tally(self, binding: Binding, filter: MemoryFilter, span: Span, recent_since: Micros) -> Tally:
        """As `EventStore.tally`."""
        return await self._ask("tally", lambda: self._store.tally(binding, filter, span, recent_since))

    async def occupied(self, binding: Binding, span: Span) -> Span:
        """The part of the span in which anything can be stored; empty when nothing can."""
        earliest = await self._ask("earliest", lambda: self._store.earliest(binding))
        if earliest is None:
            return Span(span.until, span.until)
        return Span(max(span.since, earliest), span.until)

    async def _ask(self, call: str, ask: Callable[[], Awaitable[T]]) -> T:
        started = self._clock.monotonic()
        try:
            return await ask()
        except StoreAmbiguous:
            return await ask()
        finally:
            self._metrics.observe("memtrace_arc_latency_seconds", self._clock.monotonic() - started, call)
