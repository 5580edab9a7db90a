"""Several flushers over one queue: each delivers what it received, one of them does the rest."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from core.adapters.sqlite.health_board import SqliteHealthBoard
from core.adapters.sqlite.orgs import SqliteOrgs
from core.adapters.sqlite.outbox import SqliteOutbox
from core.model.memory import Micros, OrgId, decode
from core.ports import Lease, Parcel, StoreHealth
from flusher.batcher import BatchLimits
from flusher.service import Flusher
from tests.clock import ManualClock
from tests.contract.journals import ACME, OTHER, draft
from tests.flushing.line import VISIBILITY, Line, parcel_of
from tests.flushing.rig import SMALL, Rig, rig

ABCDE = ("a", "b", "c", "d", "e")
ALL = [*ABCDE]


def second(mills: Rig) -> Flusher:
    return mills.others[0]


async def settle(mills: Rig) -> None:
    await mills.rounds(25)


async def test_one_has_the_lease_and_all_deliver(mills: Rig) -> None:
    assert (mills.flusher.role, second(mills).role) == ("lease", "deliveries")
    await mills.write(*ABCDE)
    await second(mills).step()
    await mills.ends()
    assert mills.store.contents(ACME) == ALL
    assert await mills.states() == (0, 5, 0)
    assert mills.shared.messages == {}


async def test_what_another_delivered_is_settled_by_the_holder_of_the_lease(mills: Rig) -> None:
    await mills.round()
    await mills.write(*ABCDE)
    await second(mills).step()
    await mills.rounds(31 + 12)
    assert await mills.states() == (0, 0, 0)
    assert mills.metrics.counts["memtrace_settled_total", ""] == 5


async def test_the_journal_is_asked_for_what_others_delivered_twice_a_minute(mills: Rig) -> None:
    asked: list[float] = []
    ledger = mills.tenure.settler._ports.ledger

    class Counting:
        async def orgs_delivered(self) -> list[OrgId]:
            asked.append(mills.clock.monotonic())
            return await ledger.orgs_delivered()

    mills.tenure.settler._ports = replace(mills.ports, ledger=Counting())  # type: ignore[arg-type]
    await mills.rounds(100)
    assert [b - a for a, b in pairwise(asked)] == [30, 30, 30]


async def test_what_the_holder_is_delivering_is_no_stray(mills: Rig) -> None:
    """Its rows are written down in pieces: the first are delivered in the journal before the last."""
    half_way, goes_on = asyncio.Event(), asyncio.Event()

    class Slow(SqliteOutbox):
        async def delivered(self, parcel: Parcel, lease: Lease | None, check_at: Micros) -> int:
            done = await super().delivered(parcel, lease, check_at)
            half_way.set()
            await goes_on.wait()
            return done

    mills.road.dispatch._ports = replace(
        mills.ports, outbox=Slow(mills.shop.database, clock=mills.clock, sweeps_all=True)
    )
    await mills.round()
    await mills.write(*ABCDE)
    await mills.flusher.step()
    await half_way.wait()
    for _ in range(20):
        mills.clock.advance(1)
        await mills.flusher.step()
    assert mills.tenure.settler._rows() == 0
    goes_on.set()
    await mills.ends()
    assert mills.tenure.settler._rows() == 5


async def test_a_message_is_kept_until_all_of_it_is_delivered(tmp_path: Path, clock: ManualClock) -> None:
    limits = replace(SMALL, batch=BatchLimits(count=5, age=10.0))
    async with rig(tmp_path, clock, limits, Line(clock)) as mill:
        await mill.write("a", "b")
        await mill.turns(10)
        assert mill.shared.in_flight == 1
        await mill.turn(1)
        assert mill.shared.messages == {}


async def test_messages_of_one_org_become_one_batch(mills: Rig) -> None:
    for content in ABCDE:
        await mills.write(content)
    await mills.flusher.step()
    await mills.ends()
    assert [p.count for p in mills.store.appends] == [5]


async def test_messages_that_come_out_of_order_and_again_are_taken_once(mills: Rig) -> None:
    mills.shared.order = lambda numbers: reversed(numbers)
    for content in "abcd":
        receipts = await mills.write(content)
        mills.shared.send(parcel_of(receipts))
    await mills.turns(11)
    assert [p.count for p in mills.store.appends] == [4]
    assert mills.store.contents(ACME) == ["a", "b", "c", "d"]


async def test_what_the_queue_lost_is_swept(mills: Rig) -> None:
    await mills.shop.journal.append(ACME, [draft("lost")], None)
    await mills.rounds(61 + 15)
    assert mills.store.contents(ACME) == ["lost"]


async def test_what_a_dead_flusher_held_goes_to_another(mills: Rig) -> None:
    await mills.write("a", "b")
    await second(mills).step()
    mills.crash(second(mills))
    await mills.rounds(10)
    assert mills.store.contents(ACME) == []
    await mills.rounds(60, 2)
    assert mills.store.contents(ACME) == ["a", "b"]  # swept, long before the message is seen again
    await mills.rounds(40, 3)
    assert mills.shared.messages == {}
    assert len(mills.store.appends) == 1  # the message came again, and was owed no longer


async def test_what_was_delivered_and_never_acknowledged_is_not_delivered_again(mills: Rig) -> None:
    await mills.write(*ABCDE)

    async def die() -> None:
        mills.shared.broken = True

    mills.store.after_append = die
    await second(mills).step()
    await mills.ends()
    mills.crash(second(mills))
    mills.shared.broken, mills.store.after_append = False, None
    await mills.rounds(int(VISIBILITY) // 10 + 2, 10)
    assert [p.count for p in mills.store.appends] == [5]
    assert mills.metrics.counts["memtrace_stale_total", ""] == 5
    assert mills.shared.messages == {}


async def test_a_young_message_is_sent_without_asking_the_journal(mills: Rig) -> None:
    receipts = await mills.write(*ABCDE)
    mills.shared.send(parcel_of(receipts), delay=30)
    await mills.rounds(31)
    assert [p.count for p in mills.store.appends] == [5, 5]
    assert mills.store.contents(ACME) == ALL
    await settle(mills)
    assert await mills.states() == (0, 0, 0)


async def test_a_message_whose_memories_were_deleted_reaches_no_store(mills: Rig) -> None:
    receipts = await mills.write("secret", "kept")
    late = parcel_of(receipts)
    mills.shared.messages.clear()
    mills.shared.send(late, delay=100)
    secret = receipts[0].memory
    assert secret is not None
    await mills.shop.outbox.dead(ACME, [secret.time], "refused", None)
    await mills.shop.letters.purge_dead(ACME, [secret.id])
    await mills.rounds(120)
    assert mills.store.contents(ACME) == ["kept"]
    assert mills.shared.messages == {}


async def test_a_deleted_org_leaves_no_messages_and_no_open_circuit(mills: Rig) -> None:
    await mills.write("a", "b")
    await mills.write("c", "d", org=OTHER)
    await SqliteOrgs(mills.shop.database).delete_org(ACME)
    await mills.rounds(30)
    assert mills.shared.messages == {}
    assert mills.store.contents(ACME) == []
    assert mills.store.contents(OTHER) == ["c", "d"]
    assert len(mills.road.circuits) == len(second(mills).road.circuits) == 0  # type: ignore[union-attr]


async def test_the_holder_of_the_lease_tells_what_the_journal_owes(mills: Rig) -> None:
    mills.store.down.add(ACME)
    await mills.write(*ABCDE)
    await mills.rounds(20)
    gauges = mills.metrics.gauges
    assert gauges["memtrace_buffer_size"] == 5
    assert gauges["memtrace_buffer_bytes"] > 500
    assert 0 < gauges["memtrace_oldest_owed_seconds"] <= 20
    assert gauges["memtrace_dead_letters"] == 0
    mills.store.down.clear()
    await mills.rounds(8, 10)
    assert gauges["memtrace_oldest_owed_seconds"] == 0


async def test_who_has_lost_the_lease_tells_nothing_of_the_journal(mills: Rig) -> None:
    mills.store.down.add(ACME)
    await mills.write(*ABCDE)
    await mills.rounds(20)
    mills.flusher.lease.drop()
    await mills.flusher.step()
    assert mills.metrics.gauges["memtrace_oldest_owed_seconds"] == 0


async def test_each_flusher_has_its_metrics_told_every_minute(tmp_path: Path, clock: ManualClock) -> None:
    async with rig(tmp_path, clock, line=Line(clock)) as mill:
        told: list[float] = []

        def report() -> bytes:
            told.append(clock.monotonic())
            return b""

        worker = Flusher(replace(mill.ports, owner="b:2", report=report), mill.limits)
        mill.others.append(worker)
        await worker.open()
        await mill.rounds(26, 5)
        assert worker.role == "deliveries"
        assert [b - a for a, b in pairwise(told)] == [60]


async def test_the_health_of_stores_is_posted_when_it_changed_or_was_looked_at(mills: Rig) -> None:
    posted: list[list[StoreHealth]] = []

    class Counting(SqliteHealthBoard):
        async def post_health(self, health: Sequence[StoreHealth]) -> None:
            posted.append(list(health))
            await super().post_health(health)

    mills.tenure.health._ports = replace(mills.ports, board=Counting(mills.shop.database))
    await mills.rounds(20)
    assert [len(healths) for healths in posted] == [2]
    mills.store.down.add(ACME)
    await mills.write(*ABCDE)
    await mills.rounds(2)
    assert [h.org_id for h in posted[-1]] == [ACME]
    mills.store.down.clear()
    posted.clear()
    for _ in range(20):
        await mills.round(5)
        ages = [mills.clock.micros() - h.checked_at for h in await mills.board.read_health()]
        assert max(ages) < 60e6
    assert len(posted) <= 6


async def test_a_store_is_tried_again_with_a_little_of_what_came(tmp_path: Path, clock: ManualClock) -> None:
    async with rig(tmp_path, clock, replace(SMALL, probe_count=2), Line(clock)) as mill:
        mill.store.down.add(ACME)
        await mill.write(*ABCDE)
        await mill.turns(2)
        mill.store.down.clear()
        mill.clock.advance(70)
        await mill.write("1", "2", "3", "4", "5")
        await mill.flusher.step()
        await mill.ends()
        tried = mill.store.appends[1]
        assert [decode(line).content for line in tried.lines.split(b"\n")] == ["1", "2"]
