"""Puts memories that exist already into an org's store: they keep their time, dedup key, and so their id.

They go straight to the store and count as imported only once it shows them. Whatever ends an
import early, the next one skips what is there; equal memories are one in any case.
"""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Final

from core.model.errors import Conflict, StoreAmbiguous, StoreUnreachable
from core.model.landing import Imported, batches, spans_of
from core.model.memory import Memory, MemoryFilter, Micros, OrgId, Span, claim_key, encode
from core.model.tenant import Binding
from core.ports import BindingStore, Clock, EventStore, Landing, Parcel

_ALL: Final = MemoryFilter()
_UNCONFIRMED: Final = 8
"""Batches that a store may not show yet, while the next ones are on their way."""
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0
_PATIENCE: Final = 180.0
"""Seconds for which a store may buffer and hide what it took."""

Identity = tuple[Micros, str]
Tell = Callable[[int], None]
"""Told how many more memories were dealt with."""


class Importer:
    """One import at a time. Works beside a server and a flusher."""

    def __init__(
        self,
        *,
        store: EventStore,
        landing: Landing,
        bindings: BindingStore,
        clock: Clock,
        pause: Callable[[float], Awaitable[None]],
        window: Micros,
        most_claims: int,
    ) -> None:
        self._store = store
        self._landing = landing
        self._bindings = bindings
        self._clock = clock
        self._pause = pause
        self._window = window
        self._most_claims = most_claims

    async def preview(self, binding: Binding, memories: Iterable[Memory], tell: Tell) -> Imported:
        """What an import would do; changes nothing."""
        done = Imported()
        async for _ in self._sorted_out(binding, memories, done, tell):
            pass
        return done

    async def run(self, binding: Binding, memories: Iterable[Memory], newest: Micros, tell: Tell) -> Imported:
        """All of them, none of which is newer than `newest`, are in the org's store when this returns.

        Raises StoreError, or Conflict where the org's binding changes meanwhile: what is there by
        then stays, and the import may simply be run again.
        """
        done = Imported()
        await self._refuse_when_moved(binding)
        # First, so that nothing which the store shows is ever left out by a reader.
        await self._landing.ask_store_through(binding.org_id, newest)
        unconfirmed: deque[list[Identity]] = deque()
        async for missing, there in self._sorted_out(binding, memories, done, tell):
            done.claimed += await self._claim(binding.org_id, there)
            if missing:
                await self._store.append(binding, _parcel(binding.org_id, missing))
                unconfirmed.append([memory.identity for memory in missing])
            if len(unconfirmed) > _UNCONFIRMED:
                done.claimed += await self._confirmed(binding, unconfirmed.popleft())
        while unconfirmed:
            done.claimed += await self._confirmed(binding, unconfirmed.popleft())
        await self._refuse_when_moved(binding)
        return done

    async def _sorted_out(
        self, binding: Binding, memories: Iterable[Memory], done: Imported, tell: Tell
    ) -> AsyncIterator[tuple[list[Memory], list[Identity]]]:
        """Batch by batch what the store does not show, and what it does; what was deleted is left out."""
        for batch in batches(memories):
            graves = await self._landing.buried(binding.org_id, [memory.time for memory in batch])
            alive = graves.visible(batch)
            shown = await self._shown(binding, [memory.identity for memory in alive])
            there = [memory.identity for memory in alive if memory.identity in shown]
            missing = [memory for memory in alive if memory.identity not in shown]
            done.deleted += len(batch) - len(alive)
            done.there += len(there)
            done.new += len(missing)
            yield missing, there
            tell(len(batch))

    async def _shown(self, binding: Binding, wanted: list[Identity]) -> set[Identity]:
        """Identities that the store shows where these, in their order, would be."""
        shown: set[Identity] = set()
        for span in spans_of([time for time, _ in wanted]):
            shown.update((time, key) for time, key, _, _ in await self._identities(binding, span))
        return shown

    async def _identities(self, binding: Binding, span: Span) -> list[tuple[Micros, str, str, str]]:
        try:
            return await self._store.identities(binding, _ALL, span)
        except StoreAmbiguous:
            return await self._store.identities(binding, _ALL, span)

    async def _confirmed(self, binding: Binding, batch: list[Identity]) -> int:
        """Returns when the store shows all of the batch: how many of it hold their dedup key now."""
        missing, pause = batch, _FIRST_PAUSE
        deadline = self._clock.monotonic() + _PATIENCE
        while True:
            shown = await self._shown(binding, missing)
            missing = [identity for identity in missing if identity not in shown]
            if not missing:
                return await self._claim(binding.org_id, batch)
            if self._clock.monotonic() >= deadline:
                raise StoreUnreachable(
                    f"the store took {len(missing)} memories and does not show them",
                    hint="run the import again when it works: what is there is skipped",
                )
            await self._pause(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _claim(self, org_id: OrgId, batch: list[Identity]) -> int:
        """Equal memories written within the window are duplicates of these from now on."""
        alive_since = self._clock.micros() - self._window
        claims = [(claim_key(key), time) for time, key in batch if time > alive_since]
        if not claims:
            return 0
        return await self._landing.claim(org_id, claims, alive_since, self._most_claims)

    async def _refuse_when_moved(self, binding: Binding) -> None:
        """What went to another store than the one in force would not be seen, or not be moved."""
        current = await self._bindings.find_binding(binding.org_id)
        if current is None or current.id != binding.id or await self._landing.is_moving(binding.org_id):
            raise Conflict(
                f"{binding.org_id} was bound anew, or is being moved to another store",
                hint="run the import again when that is done: what is there is skipped",
            )


def _parcel(org_id: OrgId, batch: list[Memory]) -> Parcel:
    return Parcel(org_id, tuple(m.time for m in batch), b"\n".join(map(encode, batch)))
