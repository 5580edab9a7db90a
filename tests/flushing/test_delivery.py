"""Fates, bisecting, and what becomes of the memories in every case."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from core.model.errors import (
    StoreAmbiguous,
    StoreError,
    StoreRefused,
    StoreTimeout,
    StoreUnreachable,
)
from core.model.memory import OrgId, encode, stamped
from core.ports import Parcel
from flusher.delivery import (
    MAX_REFUSED_IN_ROW,
    Delivered,
    Delivery,
    Fate,
    Rejected,
    RetryAfter,
    deliver,
    fate_of,
)
from flusher.parcels import without
from tests.clock import ManualClock
from tests.contract.journals import ACME, OTHER, draft
from tests.flushing.fakes import contents
from tests.flushing.rig import SMALL, Rig, opened, rig


def parcel(*texts: str) -> Parcel:
    memories = [stamped(draft(t), OrgId("org_a"), n + 1) for n, t in enumerate(texts)]
    return Parcel(OrgId("org_a"), tuple(m.time for m in memories), b"\n".join(map(encode, memories)))


class Bench:
    """A delivery whose store refuses batches that hold a text that begins with `bad`."""

    def __init__(self, unsound: RetryAfter | None = None, unreachable_after: int = 10**9) -> None:
        self.delivered: list[str] = []
        self.dead: list[str] = []
        self.unsound = unsound
        self.reachable = unreachable_after
        self.gone: set[str] = set()
        """Contents that are no longer owed."""
        self.delivery = Delivery(
            left_of=self.left_of,
            send=self.send,
            accepted=self.accepted,
            refused=self.refused,
            is_sound=self.is_sound,
        )

    async def left_of(self, part: Parcel) -> Parcel | None:
        found = zip(part.times, contents([part]), strict=True)
        return without(part, {time for time, content in found if content in self.gone})

    async def send(self, part: Parcel) -> Fate:
        self.reachable -= 1
        if self.reachable < 0:
            return RetryAfter(3.0, "gone")
        return Rejected("no") if b'"content":"bad' in part.lines else Delivered()

    async def accepted(self, part: Parcel) -> None:
        self.delivered += contents([part])

    async def refused(self, part: Parcel, reason: str) -> None:
        self.dead += contents([part])

    async def is_sound(self) -> RetryAfter | None:
        return self.unsound


@pytest.mark.parametrize(
    ("error", "fate"),
    [
        (StoreUnreachable("gone"), RetryAfter(5.0, "store_unreachable: gone")),
        (StoreTimeout("late", retry_after=9), RetryAfter(9.0, "store_timeout: late")),
        (StoreAmbiguous("what", retry_after=0), RetryAfter(0.0, "store_ambiguous: what")),
        (StoreRefused("no"), Rejected("store_refused: no")),
    ],
)
def test_each_store_error_has_one_fate(error: StoreError, fate: Fate) -> None:
    assert fate_of(error) == fate


def test_every_store_error_has_a_fate() -> None:
    for kind in StoreError.__subclasses__():
        assert isinstance(fate_of(kind()), Rejected if kind is StoreRefused else RetryAfter)


async def test_bisecting_finds_each_bad_memory_and_delivers_all_others() -> None:
    bench = Bench()
    texts = [f"bad {n}" if n in (0, 41, 42, 99) else f"good {n}" for n in range(100)]
    assert await bench.delivery.carry(parcel(*texts)) is None
    assert sorted(bench.dead) == ["bad 0", "bad 41", "bad 42", "bad 99"]
    assert bench.delivered == [t for t in texts if t.startswith("good")]


async def test_a_single_bad_memory_is_believed_when_the_store_is_sound() -> None:
    bench = Bench()
    assert await bench.delivery.carry(parcel("bad")) is None
    assert bench.dead == ["bad"]


async def test_a_refusal_is_not_believed_when_the_store_is_not_sound() -> None:
    """A wrong key refuses everything, and no memory is to blame."""
    bench = Bench(unsound=RetryAfter(0.0, "the key is not taken"))
    leftover = await bench.delivery.carry(parcel("bad 1", "bad 2"))
    assert leftover is not None
    assert contents([leftover.parcel]) == ["bad 1", "bad 2"]
    assert bench.dead == []


async def test_too_many_refusals_in_a_row_stop_the_bisecting() -> None:
    bench = Bench()
    texts = [f"bad {n}" for n in range(500)]
    leftover = await bench.delivery.carry(parcel(*texts))
    assert leftover is not None
    assert contents([leftover.parcel]) == texts
    assert leftover.fate.reason.startswith(f"{MAX_REFUSED_IN_ROW + 1} memories refused in a row")
    assert bench.dead == []


async def test_a_store_that_goes_away_while_bisecting_leaves_the_rest() -> None:
    bench = Bench(unreachable_after=3)  # whole, older half, its older half
    leftover = await bench.delivery.carry(parcel("a", "b", "bad", "d", "e", "f", "g", "h"))
    assert bench.delivered == ["a", "b"]
    assert leftover is not None
    assert leftover.fate == RetryAfter(3.0, "gone")
    assert contents([leftover.parcel]) == ["bad", "d", "e", "f", "g", "h"]


async def test_one_turn_of_bisecting_is_bounded() -> None:
    bench = Bench()
    texts = ["bad" if n % 2 else f"good {n}" for n in range(1_000)]
    memories = [stamped(draft(t, key=str(n)), OrgId("org_a"), n + 1) for n, t in enumerate(texts)]
    whole = Parcel(OrgId("org_a"), tuple(m.time for m in memories), b"\n".join(map(encode, memories)))
    leftover = await bench.delivery.carry(whole)
    assert leftover is not None
    assert bench.delivery.attempts == 256
    assert leftover.parcel.count + len(bench.delivered) + len(bench.dead) == 1_000


async def test_a_bad_memory_becomes_a_dead_letter_and_the_rest_is_delivered(mill: Rig) -> None:
    mill.store.poison = lambda m: m.content == "bad"
    await mill.write("a", "b", "bad", "d", "e")
    await mill.turn()
    assert mill.store.contents(ACME) == ["a", "b", "d", "e"]
    (letter,) = await mill.shop.letters.list_dead(ACME, 10)
    assert letter.memory.content == "bad"
    assert letter.reason == "store_refused: a column does not convert"


async def test_an_unreachable_store_postpones_and_gets_everything_later(mill: Rig) -> None:
    mill.store.down.add(ACME)
    await mill.write("a", "b", "c", "d", "e")
    await mill.turn()
    assert await mill.states() == (5, 0, 0)
    assert mill.road.circuits.of(ACME).state(mill.clock.monotonic()) == "open"
    mill.store.down.clear()
    await mill.turns(3)
    assert mill.store.contents(ACME) == ["a", "b", "c", "d", "e"]
    assert await mill.states() == (0, 5, 0)


async def test_an_open_circuit_parks_what_arrives_and_asks_ever_less_often(mill: Rig) -> None:
    mill.store.down.add(ACME)
    for n in range(120):
        await mill.write(f"m{n}")
        await mill.turn(1)
    assert mill.road.batcher.orgs() == []
    assert 3 <= len(mill.store.appends) <= 12
    assert (await mill.states())[0] == 120


async def test_a_dead_org_keeps_nobody_from_delivering(mill: Rig) -> None:
    mill.store.down.add(ACME)
    await mill.write("1", "2", "3", "4", "5")
    await mill.turn()
    await mill.write("a", "b", "c", "d", "e", org=OTHER)
    await mill.turn(1)
    assert mill.store.contents(OTHER) == ["a", "b", "c", "d", "e"]


async def test_a_store_that_takes_it_and_then_breaks_off_gets_it_again_but_shows_it_once(mill: Rig) -> None:
    mill.store.breaks_after_accepting.add(ACME)
    await mill.write("a", "b", "c", "d", "e")
    await mill.turn()
    mill.store.breaks_after_accepting.clear()
    await mill.turns(20)
    assert len(mill.store.rows[ACME]) == 10
    assert mill.store.contents(ACME) == ["a", "b", "c", "d", "e"]
    assert await mill.states() == (0, 0, 0)


async def test_a_store_that_does_not_answer_in_time_is_given_up(mill: Rig) -> None:
    mill.store.hangs[ACME] = asyncio.Event()
    sealed = await mill.bindings.find_binding(ACME)
    assert sealed is not None
    fate = await deliver(mill.store, opened(sealed), parcel("a"), 0.001)
    assert fate == RetryAfter(0.0, "store_timeout: no answer within 0.001 s")


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_lone_refusal_by_a_store_that_is_not_well_is_not_believed(
    tmp_path: Path, clock: ManualClock, hangs: bool
) -> None:
    async with rig(tmp_path, clock, replace(SMALL, check_timeout=0.001)) as mill:
        mill.store.poison = lambda _: True
        if not hangs:
            mill.store.check_error = StoreUnreachable("the key is not taken")
        mill.store.check_hangs = hangs
        await mill.write("a", "b", "c", "d", "e")
        await mill.turn()
        assert await mill.states() == (5, 0, 0)
        mill.store.poison, mill.store.check_error, mill.store.check_hangs = lambda _: False, None, False
        await mill.turns(5)
        assert await mill.states() == (0, 5, 0)
