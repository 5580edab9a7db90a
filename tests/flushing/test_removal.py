"""Carrying deletions out: what the store is asked, when it is asked again, and when it is done."""

import asyncio
from dataclasses import replace

import msgspec

from core.model.deletion import Deletion
from core.model.errors import StoreDenied, StoreUnreachable
from core.model.memory import Exclusion, Memory, OrgId, claim_key
from core.ports import Removed
from tests.contract.event_stores import memory
from tests.contract.journals import ACME, OTHER, draft
from tests.flushing.rig import Rig, eventually

MINUTE = 60.0


def excluding(mill: Rig, id: str = "del_1", org: OrgId = ACME, session: str = "s") -> Deletion:
    now = mill.clock.micros()
    rule = Exclusion(until=now, session_id=session)
    return Deletion(id, org, now, "pending", exclusion=rule, due_at=now)


def burying(mill: Rig, id: str, time: int) -> Deletion:
    now = mill.clock.micros()
    return Deletion(id, ACME, now, "pending", grave=(time, claim_key(id)), due_at=now)


def state(mill: Rig, id: str = "del_1") -> str:
    return mill.undertaker.deletions[id].state


def kept(mill: Rig, id: str = "del_1") -> Deletion:
    return mill.undertaker.deletions[id]


async def test_a_deletion_is_carried_out_in_the_journal_and_in_the_store(mill: Rig) -> None:
    mill.undertaker.add(excluding(mill))
    mill.remover.answers = [Removed(3, False), Removed(0, True)]
    await mill.turn(4)
    assert mill.undertaker.erased == ["del_1"]
    assert (state(mill), kept(mill).from_store) == ("pending", 3)
    await mill.turn(16)
    assert state(mill) == "removed"
    (_, removal), _ = mill.remover.asked
    assert removal.exclusions == (kept(mill).exclusion,)
    assert mill.metrics.counts["memtrace_removed_memories_total", ""] == 3


async def test_a_single_memory_that_a_backup_brought_back_leaves_the_journal_too(mill: Rig) -> None:
    mill.undertaker.add(burying(mill, "del_1", 5))
    await mill.turn(4)
    assert mill.undertaker.erased == ["del_1"]


async def test_nothing_is_asked_while_what_was_read_before_may_still_turn_up(mill: Rig) -> None:
    mill.undertaker.add(excluding(mill))
    await mill.turn(2)
    assert mill.remover.asked == []


async def test_a_batch_that_waits_with_older_memories_goes_first(mill: Rig) -> None:
    await mill.write("held")
    await mill.turn(1)
    mill.undertaker.add(excluding(mill))
    await mill.turns(8)
    assert mill.remover.asked == []
    await mill.turns(3)
    assert state(mill) == "removed"


async def test_a_batch_under_way_with_older_memories_goes_first(mill: Rig) -> None:
    mill.store.hangs[ACME] = asyncio.Event()
    await mill.write("a", "b", "c", "d", "e")
    await mill.turn(1)
    mill.undertaker.add(excluding(mill))
    await mill.turns(5)
    assert mill.remover.asked == []
    mill.store.hangs.pop(ACME).set()
    await mill.turns(2)
    assert state(mill) == "removed"


async def test_newer_memories_on_their_way_hold_up_nothing(mill: Rig) -> None:
    mill.undertaker.add(excluding(mill))
    mill.clock.advance(5)
    await mill.shop.journal.append(ACME, [draft("newer")], None)
    await mill.turn(1)
    assert state(mill) == "removed"


async def test_the_other_orgs_deletions_go_on_while_one_store_hangs(mill: Rig) -> None:
    mill.undertaker.add(excluding(mill))
    mill.remover.hangs = asyncio.Event()
    mill.clock.advance(4)
    await mill.flusher.step()
    await eventually(lambda: len(mill.remover.asked) == 1)
    blocked, mill.remover.hangs = mill.remover.hangs, None
    mill.undertaker.add(excluding(mill, "del_2", OTHER))
    mill.clock.advance(4)
    await mill.flusher.step()
    await eventually(lambda: state(mill, "del_2") == "removed")
    assert state(mill) == "pending"
    blocked.set()
    await mill.turn(1)
    assert state(mill) == "removed"


async def test_no_file_is_merged_while_something_is_removed(mill: Rig) -> None:
    mill.undertaker.add(excluding(mill))
    mill.remover.hangs = asyncio.Event()
    await mill.turn(2)
    before = len(mill.merger.turns)
    mill.clock.advance(40)
    await mill.flusher.step()
    await eventually(lambda: len(mill.remover.asked) == 1)
    mill.clock.advance(40)
    await mill.flusher.step()
    assert len(mill.merger.turns) == before
    mill.remover.hangs.set()


async def test_single_memories_go_together_and_each_knows_whether_it_was_there(mill: Rig) -> None:
    for n in range(3):
        mill.undertaker.add(burying(mill, f"del_{n}", 100 + n))
    found = kept(mill, "del_1").grave
    assert found is not None
    mill.remover.answers = [Removed(2, True, (found,))]
    await mill.turn(4)
    ((_, removal),) = mill.remover.asked
    assert len(removal.graves) == 3
    assert (removal.span.since, removal.span.until) == (100, 103)
    assert [kept(mill, f"del_{n}").from_store for n in range(3)] == [0, 1, 0]


async def test_an_embedded_store_is_looked_at_once_more_and_then_it_is_done(mill: Rig) -> None:
    mill.undertaker.add(excluding(mill))
    await mill.turn(4)
    await mill.turn(29 * MINUTE)
    assert len(mill.remover.asked) == 1
    await mill.turn(2 * MINUTE)
    assert (state(mill), kept(mill).due_at) == ("closed", None)


async def test_what_comes_back_is_removed_again_and_watched_anew(mill: Rig) -> None:
    mill.undertaker.add(excluding(mill))
    mill.remover.answers = [Removed(0, True), Removed(2, True), Removed(0, True)]
    await mill.turn(4)
    await mill.turn(31 * MINUTE)
    assert (state(mill), kept(mill).from_store) == ("removed", 2)
    await mill.turn(31 * MINUTE)
    assert state(mill) == "closed"


async def test_an_arc_is_looked_at_for_days_in_growing_pauses(mill: Rig) -> None:
    await mill.bind(ACME, url="https://arc.example", id="arc_h")
    await mill.turn(3)
    mill.undertaker.add(excluding(mill))
    looks = []
    for n in range(1_500):
        if state(mill) == "closed":
            break
        if n % 100 == 0:
            await mill.write(f"goes on {n}")
        before = len(mill.remover.asked)
        await mill.turn(5 * MINUTE)
        if len(mill.remover.asked) > before:
            looks.append(mill.clock.monotonic())
    assert state(mill) == "closed"
    assert looks[-1] - looks[0] >= 24 * 3600
    assert len(looks) <= 8


async def test_what_the_log_of_an_idle_arc_may_hold_stays_hidden(mill: Rig) -> None:
    await mill.bind(ACME, url="https://arc.example", id="arc_h")
    await mill.turn(3)
    mill.undertaker.add(excluding(mill))
    for _ in range(10 * 24):
        await mill.turn(60 * MINUTE)
    assert state(mill) == "removed"
    assert len(mill.remover.asked) <= 16
    await mill.write("the log is another one now")
    for _ in range(2 * 24):
        await mill.turn(60 * MINUTE)
    assert state(mill) == "closed"


async def test_an_arc_that_was_started_again_is_looked_at_at_once(mill: Rig) -> None:
    await mill.bind(ACME, url="https://arc.example", id="arc_h")
    mill.remover.began = mill.clock.micros()
    await mill.turn(3)
    mill.undertaker.add(excluding(mill))
    await mill.turn(4)
    await mill.turn(6 * MINUTE)
    before = len(mill.remover.asked)
    await mill.turns(5, MINUTE)
    assert len(mill.remover.asked) == before
    mill.remover.began = mill.clock.micros()
    mill.remover.answers = [Removed(2, True), Removed(0, True)]
    await mill.turns(2, 31)
    assert (len(mill.remover.asked), kept(mill).from_store) == (before + 1, 2)
    await mill.turns(3, MINUTE)
    assert len(mill.remover.asked) == before + 1


async def test_an_arc_that_was_started_before_the_flusher_is_looked_at_once(mill: Rig) -> None:
    await mill.bind(ACME, url="https://arc.example", id="arc_h")
    now = mill.clock.micros()
    far = replace(excluding(mill), state="removed", checked_at=now, due_at=now + 10**12)
    mill.undertaker.add(far)
    mill.undertaker.add(replace(far, id="del_2", checked_at=now + 2_000_000))
    mill.remover.began = now + 1_000_000
    await mill.turns(5, MINUTE)
    assert kept(mill).checked_at != now
    assert kept(mill, "del_2").checked_at == now + 2_000_000


async def test_a_single_memory_that_comes_back_is_watched_anew(mill: Rig) -> None:
    mill.undertaker.add(burying(mill, "del_1", 100))
    found = kept(mill).grave
    assert found is not None
    mill.remover.answers = [Removed(1, True, (found,)), Removed(1, True, (found,)), Removed(0, True)]
    await mill.turn(4)
    await mill.turn(31 * MINUTE)
    assert (state(mill), kept(mill).from_store) == ("removed", 1)
    await mill.turn(31 * MINUTE)
    assert state(mill) == "closed"


async def test_a_store_that_cannot_do_it_says_why_and_is_asked_ever_more_rarely(mill: Rig) -> None:
    mill.undertaker.add(excluding(mill))
    mill.remover.answers = [StoreDenied("the binding carries no admin key")]
    await mill.turn(4)
    assert kept(mill).reason == "store_denied: the binding carries no admin key"
    for _ in range(100):
        await mill.turn(10 * MINUTE)
    assert 16 <= len(mill.remover.asked) <= 30
    assert state(mill) == "pending"
    mill.remover.answers = [Removed(1, True)]
    await mill.turn(61 * MINUTE)
    assert (state(mill), kept(mill).reason) == ("removed", "")


async def test_an_org_without_a_usable_store_keeps_its_deletions_open(mill: Rig) -> None:
    mill.undertaker.add(excluding(mill, org=OrgId("org_unbound")))
    await mill.turn(4)
    assert kept(mill).reason.startswith("no_arc_instance")
    assert mill.remover.asked == []


async def test_the_admin_key_is_opened_for_the_removal_alone(mill: Rig) -> None:
    sealed = await mill.bindings.find_binding(ACME)
    assert sealed is not None
    await mill.bindings.put_binding(replace(sealed, admin_cipher=b"may delete", admin_nonce=b"n"))
    await mill.turn(3)
    mill.undertaker.add(excluding(mill))
    await mill.turn(4)
    ((binding, _),) = mill.remover.asked
    assert binding.admin_key == "may delete"
    assert "may delete" not in repr(binding)


async def test_an_admin_key_that_does_not_open_postpones(mill: Rig) -> None:
    sealed = await mill.bindings.find_binding(ACME)
    assert sealed is not None
    await mill.bindings.put_binding(replace(sealed, admin_cipher=b"broken", admin_nonce=b"n"))
    await mill.turn(3)
    mill.undertaker.add(excluding(mill))
    await mill.turn(4)
    assert kept(mill).reason.startswith("master_key_error")


def stored(mill: Rig, seconds_ago: float, **values: object) -> Memory:
    now = mill.clock.micros()
    found = memory(0, **values)  # type: ignore[arg-type]
    found = msgspec.structs.replace(found, time=now - round(seconds_ago * 1_000_000), org_id=ACME)
    mill.store.rows.setdefault(ACME, []).append(found)
    return found


async def test_the_claims_of_what_an_exclusion_takes_are_freed(mill: Rig) -> None:
    mine = stored(mill, 3600, session_id="s")
    stored(mill, 3600, session_id="another", key="k2")
    stored(mill, 48 * 3600, session_id="s", key="k3")
    mill.undertaker.add(excluding(mill))
    await mill.turn(4)
    assert mill.undertaker.freed == [(mine.time, claim_key(mine.dedup_key))]


async def test_a_store_that_does_not_say_what_it_holds_is_asked_later(mill: Rig) -> None:
    mill.store.read_error = StoreUnreachable("connection refused")
    mill.undertaker.add(excluding(mill))
    await mill.turn(4)
    assert mill.remover.asked == []
    assert kept(mill).reason == "store_unreachable: connection refused"


async def test_a_removal_that_takes_too_long_is_given_up_for_now(mill: Rig) -> None:
    mill.tenure.removals._limits = replace(mill.limits, removal_timeout=0.0)
    mill.remover.hangs = asyncio.Event()
    mill.undertaker.add(excluding(mill))
    await mill.turn(4)
    assert kept(mill).reason.startswith("store_timeout")


async def test_what_is_due_of_an_embedded_store_goes_in_one_removal(mill: Rig) -> None:
    mill.undertaker.add(excluding(mill, "del_1", session="s1"))
    mill.undertaker.add(excluding(mill, "del_2", session="s2"))
    mill.undertaker.add(burying(mill, "del_3", 100))
    mill.remover.answers = [Removed(9, True, (), (4, 5))]
    await mill.turn(4)
    ((_, removal),) = mill.remover.asked
    assert (len(removal.exclusions), len(removal.graves), removal.span.since) == (2, 1, 0)
    assert [kept(mill, f"del_{n}").from_store for n in (1, 2, 3)] == [4, 5, 0]


async def test_an_arc_is_asked_for_each_exclusion_by_itself(mill: Rig) -> None:
    await mill.bind(ACME, url="https://arc.example", id="arc_h")
    await mill.turn(3)
    mill.undertaker.add(excluding(mill, "del_1", session="s1"))
    mill.undertaker.add(excluding(mill, "del_2", session="s2"))
    mill.undertaker.add(burying(mill, "del_3", 100))
    await mill.turn(4)
    asked = [(len(r.exclusions), len(r.graves)) for _, r in mill.remover.asked]
    assert asked == [(0, 1), (1, 0), (1, 0)]


async def test_an_arc_is_looked_at_for_many_rules_at_once_and_all_are_watched_anew(mill: Rig) -> None:
    await mill.bind(ACME, url="https://arc.example", id="arc_h")
    await mill.turn(3)
    for n in range(70):
        rule = excluding(mill, f"del_{n}", session=f"s{n}")
        mill.undertaker.add(replace(rule, state="removed", checked_at=rule.requested_at))
    mill.remover.answers = [Removed(3, True), Removed(0, True)]
    await mill.turn(4)
    assert [len(r.exclusions) for _, r in mill.remover.asked] == [64, 6]
    due = {kept(mill, f"del_{n}").due_at for n in range(64)}
    assert due == {mill.clock.micros() + 300 * 1_000_000}
    assert sum(kept(mill, f"del_{n}").from_store for n in range(70)) == 0


async def test_very_many_rules_of_an_embedded_store_go_in_portions(mill: Rig) -> None:
    for n in range(70):
        mill.undertaker.add(excluding(mill, f"del_{n}", session=f"s{n}"))
    mill.undertaker.add(burying(mill, "del_x", 100))
    await mill.turn(4)
    asked = [(len(r.exclusions), len(r.graves)) for _, r in mill.remover.asked]
    assert asked == [(64, 1), (6, 0)]


async def test_all_that_waits_for_a_file_goes_with_the_next_deletion(mill: Rig) -> None:
    """What stayed in a rewritten file would wait there for as long as files are left alone."""
    mill.undertaker.add(burying(mill, "del_1", 100))
    mill.remover.answers = [Removed(0, False), Removed(2, True)]
    await mill.turn(4)
    mill.undertaker.add(burying(mill, "del_2", 101))
    await mill.turn(4)
    assert [len(r.graves) for _, r in mill.remover.asked] == [1, 2]
    assert (state(mill), state(mill, "del_2")) == ("removed", "removed")


async def test_the_last_look_is_not_taken_early_for_others(mill: Rig) -> None:
    mill.undertaker.add(excluding(mill))
    await mill.turn(4)
    await mill.turn(29 * MINUTE + 50)
    mill.undertaker.add(burying(mill, "del_2", 101))
    await mill.turn(4)
    assert state(mill, "del_2") == "removed"
    await mill.turn(10)
    assert state(mill) == "closed"


async def test_an_arc_is_asked_for_nothing_that_is_not_due(mill: Rig) -> None:
    await mill.bind(ACME, url="https://arc.example", id="arc_h")
    await mill.turn(3)
    mill.undertaker.add(burying(mill, "del_1", 100))
    mill.remover.answers = [StoreDenied("not now"), Removed(0, True)]
    await mill.turn(4)
    mill.undertaker.add(burying(mill, "del_2", 101))
    await mill.turn(4)
    assert [len(r.graves) for _, r in mill.remover.asked] == [1, 1]


async def test_deletions_that_go_on_coming_hold_up_none_that_is_done(mill: Rig) -> None:
    for n in range(2):
        mill.undertaker.add(burying(mill, f"del_{n}", 100 + n))
    waiting = kept(mill, "del_1").grave
    assert waiting is not None
    mill.remover.answers = [Removed(2, False, staying=frozenset((waiting,))), Removed(0, True)]
    await mill.turn(4)
    assert [state(mill, f"del_{n}") for n in range(2)] == ["removed", "pending"]
    await mill.turn(16)
    assert [state(mill, f"del_{n}") for n in range(2)] == ["removed", "removed"]


async def test_a_single_memory_that_is_removed_again_is_counted_once(mill: Rig) -> None:
    mill.undertaker.add(burying(mill, "del_3", 100))
    grave = kept(mill, "del_3").grave
    assert grave is not None
    mill.remover.answers = [Removed(1, False, (grave,)), Removed(1, True, (grave,))]
    await mill.turn(4)
    await mill.turn(16)
    assert (state(mill, "del_3"), kept(mill, "del_3").from_store) == ("removed", 1)
