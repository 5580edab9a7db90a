"""Moving an org between stores: what is copied, what is refused, and when the binding is switched."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

import msgspec
import pytest

from core.model.deletion import NO_GRAVES, Graves
from core.model.errors import Conflict, StoreUnreachable
from core.model.memory import (
    Exclusion,
    Memory,
    MemoryFilter,
    Micros,
    Order,
    OrgId,
    Position,
    Span,
    Tally,
    claim_key,
)
from core.model.tenant import Binding, SealedBinding
from core.moving import Mover, Progress
from core.ports import EventStore, Parcel
from tests.clock import ManualClock
from tests.contract.event_stores import ACME, HOUR, T0, memory
from tests.flushing.fakes import ShelfStore


class Library(ShelfStore):
    """A shelf that can be searched and counted, and may show what it was given only later."""

    def __init__(self, clock: ManualClock, hides_for: float = 30.0) -> None:
        super().__init__()
        self.clock = clock
        self.hides_for = hides_for
        self.buffers_for = 0.0
        self.buffered: list[tuple[float, Memory]] = []
        self.copies = 0
        self.before_identities: Callable[[], None] = lambda: None

    async def append(self, binding: Binding, parcel: Parcel) -> None:
        before = len(self.rows.get(ACME, []))
        await super().append(binding, parcel)
        new = self.rows.get(ACME, [])[before:]
        self.copies += len(new)
        if self.buffers_for:
            del self.rows[ACME][before:]
            self.buffered += [(self.clock.monotonic() + self.buffers_for, m) for m in new]

    def shown(self) -> list[Memory]:
        now = self.clock.monotonic()
        ready = [m for at, m in self.buffered if at <= now]
        self.buffered = [(at, m) for at, m in self.buffered if at > now]
        self.rows.setdefault(ACME, []).extend(ready)
        return sorted(self.rows[ACME], key=lambda m: m.identity)

    async def identities(
        self, binding: Binding, filter: MemoryFilter, span: Span
    ) -> list[tuple[Micros, str, str, str]]:
        self.before_identities()
        self.shown()
        return await super().identities(binding, filter, span)

    async def search(
        self,
        binding: Binding,
        filter: MemoryFilter,
        span: Span,
        order: Order,
        limit: int,
        after: Position | None,
    ) -> list[Memory]:
        place = (after.time, after.dedup_key) if after else (0, "")
        return [m for m in self.shown() if span.since <= m.time < span.until and m.identity > place][:limit]

    async def tally(self, binding: Binding, filter: MemoryFilter, span: Span, recent_since: Micros) -> Tally:
        return Tally(total=len({m.identity for m in self.shown() if span.since <= m.time < span.until}))

    async def earliest(self, binding: Binding) -> Micros | None:
        return min((m.time for m in self.shown()), default=None)


@dataclass
class ListedMoves:
    """`Moves` that remember what was done, and may end by themselves."""

    done: list[str] = field(default_factory=list)
    renews_left: int = 1_000
    bound: str = "arc_old"
    graves: Graves = NO_GRAVES
    has_deleted: bool | None = None

    async def begin(self, org_id: OrgId, token: str, seconds: float) -> None:
        self.done.append("begin")

    async def renew(self, org_id: OrgId, token: str, seconds: float) -> None:
        self.renews_left -= 1
        if self.renews_left < 0:
            raise Conflict("the move is over")
        self.done.append("renew")

    async def finish(self, org_id: OrgId, token: str, binding: SealedBinding, *, has_deleted: bool) -> None:
        self.done.append("finish")
        self.has_deleted = has_deleted
        self.bound = binding.id

    async def abandon(self, org_id: OrgId, token: str) -> None:
        self.done.append("abandon")

    async def requeue(self, org_id: OrgId) -> int:
        self.done.append("requeue")
        return 0

    async def buried(self, org_id: OrgId, times: Sequence[Micros]) -> Graves:
        return self.graves

    async def is_moving(self, org_id: OrgId) -> bool:
        return False


class Yard:
    def __init__(self) -> None:
        self.clock = ManualClock(T0 + 48 * HOUR)
        self.old, self.new = Library(self.clock), Library(self.clock)
        self.moves = ListedMoves()
        self.is_full = False
        self.told: list[Progress] = []

    def binding(self, id: str) -> Binding:
        return Binding(id, ACME, f"file:/{id}", "memory", "events", 1)

    def mover(self) -> Mover:
        stores: dict[str, EventStore] = {"arc_old": self.old, "arc_new": self.new}
        return Mover(
            store_for=lambda binding: stores[binding.id],
            moves=self.moves,
            is_filling=self.is_filling,
            clock=self.clock,
            pause=self.pause,
            tell=self.told.append,
        )

    async def is_filling(self, org_id: OrgId) -> bool:
        return self.is_full

    async def pause(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def move(self) -> int:
        sealed = SealedBinding("arc_new", ACME, "file:/arc_new", "memory", "events", 1, b"", b"")
        moved = await self.mover().move(self.binding("arc_old"), self.binding("arc_new"), sealed)
        return moved.copied

    def held(self, store: Library) -> list[tuple[Micros, str]]:
        return sorted({m.identity for m in store.shown()})


@pytest.fixture
def yard() -> Yard:
    return Yard()


def keep(store: Library, *memories: Memory) -> None:
    store.rows.setdefault(ACME, []).extend(memories)


async def test_everything_is_copied_once_and_then_the_binding_is_switched(yard: Yard) -> None:
    keep(yard.old, *[memory(n * HOUR // 3) for n in range(100)])
    assert await yard.move() == 100
    assert yard.held(yard.new) == yard.held(yard.old)
    assert yard.moves.bound == "arc_new"
    assert yard.moves.done[0] == "begin"
    assert yard.moves.done[-3:] == ["finish", "abandon", "requeue"]


async def test_an_org_without_memories_is_switched_at_once(yard: Yard) -> None:
    assert await yard.move() == 0
    assert yard.moves.bound == "arc_new"


async def test_the_switch_waits_until_the_new_store_can_hide_nothing_any_more(yard: Yard) -> None:
    keep(yard.old, memory(1))
    began = yard.clock.monotonic()
    await yard.move()
    assert yard.clock.monotonic() - began >= yard.new.hides_for


async def test_a_new_store_that_buffers_is_given_time(yard: Yard) -> None:
    keep(yard.old, *[memory(n) for n in range(10)])
    yard.new.buffers_for = 4.0
    await yard.move()
    assert yard.held(yard.new) == yard.held(yard.old)
    assert yard.moves.bound == "arc_new"


async def test_a_new_store_that_forgets_is_given_up_and_nothing_is_switched(yard: Yard) -> None:
    keep(yard.old, memory(1), memory(2))
    yard.new.forgets = lambda m: m.time == T0 + 1
    with pytest.raises(StoreUnreachable, match="did not show"):
        await yard.move()
    assert yard.moves.bound == "arc_old"
    assert yard.moves.done[-1] == "abandon"


async def test_what_settles_while_it_is_copied_is_copied_too(yard: Yard) -> None:
    keep(yard.old, *[memory(n) for n in range(5)])
    numbers = count(100)

    def settle() -> None:
        if "begin" not in yard.moves.done:
            keep(yard.old, memory(next(numbers)))

    yard.old.before_identities = settle
    await yard.move()
    assert yard.held(yard.new) == yard.held(yard.old)
    assert len(yard.held(yard.old)) > 5


async def test_what_is_delivered_while_nothing_settles_is_left_to_the_journal(yard: Yard) -> None:
    keep(yard.old, *[memory(n) for n in range(5)])
    numbers = count()

    def deliver() -> None:
        if "begin" in yard.moves.done:
            number = next(numbers)
            keep(yard.old, msgspec.structs.replace(memory(number, f"new-{number}"), time=yard.clock.micros()))

    yard.old.before_identities = deliver
    assert await yard.move() == 5
    assert yard.moves.bound == "arc_new"
    assert next(numbers) > 1


async def test_a_second_run_copies_only_what_is_missing(yard: Yard) -> None:
    memories = [memory(n) for n in range(8)]
    keep(yard.old, *memories)
    keep(yard.new, *memories[:6])
    assert await yard.move() == 2
    assert yard.new.copies == 2


def grave_of(memory: Memory) -> Graves:
    return Graves(identities=frozenset({(memory.time, claim_key(memory.dedup_key))}))


async def test_what_was_deleted_since_it_was_copied_is_nobody_elses(yard: Yard) -> None:
    keep(yard.old, memory(1))
    keep(yard.new, memory(1), memory(2))
    yard.moves.graves = grave_of(memory(2))
    assert await yard.move() == 0
    assert (yard.moves.bound, yard.moves.has_deleted) == ("arc_new", True)


async def test_what_a_rule_deleted_since_it_was_copied_is_nobody_elses(yard: Yard) -> None:
    keep(yard.old, memory(1))
    keep(yard.new, memory(1), memory(2, session_id="gone"))
    yard.moves.graves = Graves((Exclusion(until=T0 + HOUR, session_id="gone"),))
    assert await yard.move() == 0
    assert (yard.moves.bound, yard.moves.has_deleted) == ("arc_new", True)


async def test_beside_what_was_deleted_others_memories_are_refused(yard: Yard) -> None:
    keep(yard.old, memory(1))
    keep(yard.new, memory(1), memory(2), memory(3))
    yard.moves.graves = grave_of(memory(2))
    with pytest.raises(Conflict, match="holds 1 memories"):
        await yard.move()


async def test_what_is_deleted_and_still_in_the_old_store_is_not_copied(yard: Yard) -> None:
    keep(yard.old, memory(1), memory(2), memory(3, session_id="gone"))
    yard.moves.graves = Graves(
        (Exclusion(until=T0 + HOUR, session_id="gone"),), grave_of(memory(2)).identities
    )
    assert await yard.move() == 1
    assert yard.held(yard.new) == [memory(1).identity]
    assert yard.moves.has_deleted is False


async def test_repeats_in_the_old_store_are_copied_once(yard: Yard) -> None:
    keep(yard.old, memory(1), memory(1), memory(1))
    assert await yard.move() == 1
    assert len(yard.new.shown()) == 1


async def test_a_new_store_with_memories_of_its_own_is_refused(yard: Yard) -> None:
    keep(yard.old, memory(1))
    keep(yard.new, memory(1), memory(2), memory(30 * HOUR))
    with pytest.raises(Conflict, match="holds 2 memories of this org that the old one does not"):
        await yard.move()
    assert yard.moves.bound == "arc_old"
    assert "begin" not in yard.moves.done


async def test_others_memories_that_turn_up_late_are_refused_too(yard: Yard) -> None:
    keep(yard.old, memory(1))

    def intrude() -> None:
        if "begin" in yard.moves.done and memory(9) not in yard.new.rows[ACME]:
            keep(yard.new, memory(9))

    yard.new.before_identities = intrude
    with pytest.raises(Conflict, match="holds 1 memories"):
        await yard.move()
    assert yard.moves.done[-1] == "abandon"


async def test_a_move_that_ended_meanwhile_switches_nothing(yard: Yard) -> None:
    keep(yard.old, memory(1))
    yard.moves.renews_left = 0
    with pytest.raises(Conflict, match="is over"):
        await yard.move()
    assert "finish" not in yard.moves.done


async def test_a_journal_that_fills_up_ends_the_move(yard: Yard) -> None:
    keep(yard.old, memory(1))
    yard.is_full = True
    with pytest.raises(Conflict, match="more than its journal can keep"):
        await yard.move()
    assert yard.moves.bound == "arc_old"


async def test_a_new_store_that_cannot_be_reached_is_found_out_first(yard: Yard) -> None:
    keep(yard.old, memory(1))
    yard.new.check_error = StoreUnreachable("connection refused")
    with pytest.raises(StoreUnreachable, match="refused"):
        await yard.move()
    assert yard.moves.done == []


async def test_a_busy_second_is_compared_whole_and_a_busy_hour_in_parts(yard: Yard) -> None:
    keep(yard.old, *[memory(n * 100_000, f"key-{n}") for n in range(25_000)])
    assert await yard.move() == 25_000
    assert yard.held(yard.new) == yard.held(yard.old)


async def test_large_memories_go_in_batches(yard: Yard) -> None:
    keep(yard.old, *[memory(n, content="x" * 300_000) for n in range(30)])
    await yard.move()
    assert len(yard.new.appends) == 3
    assert max(len(p.lines) for p in yard.new.appends) < 5_000_000


async def test_comparing_changes_nothing_and_counts_both_ways(yard: Yard) -> None:
    keep(yard.old, memory(1), memory(2))
    keep(yard.new, memory(2), memory(3))
    found = await yard.mover().compare(yard.binding("arc_old"), yard.binding("arc_new"))
    assert (found.pieces, found.memories, found.missing, found.extra) == (1, 2, 1, 1)
    assert yard.new.copies == 0


async def test_progress_is_told(yard: Yard) -> None:
    keep(yard.old, memory(1), memory(2 * HOUR))
    await yard.move()
    assert yard.told[1] == Progress("copying", 2, 2)
    assert {told.phase for told in yard.told} == {"copying", "verifying", "waiting"}
