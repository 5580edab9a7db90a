"""The parts without I/O: parcels, batches, circuits, and what is watched for reading back."""

import math
from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.memory import OrgId, encode, stamped
from core.ports import Parcel
from flusher.batcher import Batcher, BatchLimits
from flusher.circuit import LONGEST_DELAY, Circuit, Circuits
from flusher.parcels import cut, facts, fingerprint, halves, joined, weight, without
from flusher.readback import HOUR, NARROWEST, WIDEST, Watch, spans
from tests.contract.journals import draft

ORG = OrgId("org_a")


def parcel(*times: int, org: OrgId = ORG, content: str = "") -> Parcel:
    memories = [stamped(draft(content or str(t), agent_id=f"agent{t % 2}"), org, t) for t in times]
    return Parcel(org, times, b"\n".join(map(encode, memories)))


# --- parcels


def test_parcels_in_order_are_joined_as_they_are() -> None:
    assert joined([parcel(1, 2), parcel(3)]) == parcel(1, 2, 3)


def test_parcels_out_of_order_are_joined_in_time_order_each_memory_once() -> None:
    assert joined([parcel(2, 4), parcel(1, 4), parcel(3)]) == parcel(1, 2, 3, 4)


def test_what_is_cut_off_and_the_rest_make_the_whole() -> None:
    first, rest = cut(parcel(1, 2, 3), 2)
    assert rest is not None
    assert (first.times, rest.times) == ((1, 2), (3,))
    assert joined([rest, first]) == parcel(1, 2, 3)
    assert cut(parcel(1, 2), 2) == (parcel(1, 2), None)


@given(st.lists(st.integers(1, 50), min_size=2, max_size=30, unique=True).map(sorted))
def test_halves_make_the_whole(times: list[int]) -> None:
    older, newer = halves(parcel(*times))
    assert joined([older, newer]) == parcel(*times)
    assert abs(older.count - newer.count) <= 1


def test_times_can_be_taken_out() -> None:
    assert without(parcel(1, 2, 3), {2}) == parcel(1, 3)
    assert without(parcel(1, 2), {1, 2, 9}) is None
    assert without(parcel(1, 2), {9}) == parcel(1, 2)
    assert without(parcel(1), ()) == parcel(1)


def test_facts_name_each_agents_newest_time_and_every_key_in_order() -> None:
    known = facts(parcel(1, 2, 3))
    assert known.newest == {"agent1": 3, "agent0": 2}
    keys = [draft(str(t), agent_id=f"agent{t % 2}").dedup_key for t in (1, 2, 3)]
    assert list(known.fingerprints) == [fingerprint(k) for k in keys]


def test_a_content_that_looks_like_a_key_is_not_taken_for_one() -> None:
    known = facts(parcel(1, content='","dedup_key":"stolen","x":"'))
    assert known.fingerprints[0] != fingerprint("stolen")


# --- batcher


def test_a_batch_is_due_by_count_by_bytes_or_by_age() -> None:
    batcher = Batcher(BatchLimits(count=3, bytes=10_000, age=10))
    batcher.add(parcel(1), 100.0)
    assert batcher.due(109.9) == []
    assert batcher.due(110.0) == [ORG]
    batcher.add(parcel(2, 3), 101.0)
    assert batcher.due(101.0) == [ORG]
    heavy = Batcher(BatchLimits(count=3, bytes=400, age=10))
    heavy.add(parcel(1, content="x" * 400), 0.0)
    assert heavy.due(0.0) == [ORG]


def test_it_is_known_when_the_next_batch_is_due() -> None:
    batcher = Batcher(BatchLimits(age=10))
    assert batcher.due_in(100.0) == math.inf
    batcher.add(parcel(1), 100.0)
    batcher.add(parcel(2, org=OrgId("org_b")), 104.0)
    assert batcher.due_in(104.0) == 6.0
    assert batcher.due_in(111.0) == 0.0
    batcher.take(ORG)
    assert batcher.due_in(111.0) == 3.0


def test_taking_leaves_what_does_not_fit_in_the_largest_batch() -> None:
    batcher = Batcher(BatchLimits(largest_count=3))
    for p in (parcel(1, 2), parcel(3), parcel(4, 5)):
        batcher.add(p, 0.0)
    assert batcher.take(ORG) == parcel(1, 2, 3)
    assert batcher.take(ORG) == parcel(4, 5)
    assert batcher.take(ORG) is None
    assert batcher.bytes == 0


def test_a_parcel_larger_than_the_largest_batch_goes_alone() -> None:
    batcher = Batcher(BatchLimits(largest_bytes=10))
    batcher.add(parcel(1, 2), 0.0)
    batcher.add(parcel(3), 0.0)
    assert batcher.take(ORG) == parcel(1, 2)


def test_what_is_held_is_counted_and_forgotten_with_a_drop() -> None:
    batcher = Batcher(BatchLimits(share=500))
    batcher.add(parcel(1, 2), 0.0)
    batcher.add(parcel(9, org=OrgId("org_b")), 0.0)
    assert batcher.held(ORG) == {1, 2}
    assert batcher.newest(ORG) == 2
    assert batcher.bytes == weight(parcel(1, 2)) + weight(parcel(9, org=OrgId("org_b")))
    assert batcher.overdrawn() == [ORG]
    assert batcher.drop(ORG) == parcel(1, 2)
    assert batcher.drop(ORG) is None
    assert (batcher.held(ORG), batcher.newest(ORG)) == (set(), 0)
    assert batcher.orgs() == ["org_b"]


# --- circuit


def test_a_circuit_opens_waits_lets_one_through_and_closes() -> None:
    circuit = Circuit()
    assert circuit.allows(0.0)
    delay = circuit.fail(0.0, 0.0, "down")
    assert delay == 1.0
    assert (circuit.state(0.5), circuit.allows(0.5)) == ("open", False)
    assert (circuit.state(1.0), circuit.allows(1.0)) == ("half_open", True)
    circuit.begin()
    assert not circuit.allows(1.0)
    circuit.abandon()
    assert circuit.allows(1.0)
    assert circuit.succeed()
    assert (circuit.state(1.0), circuit.succeed()) == ("closed", False)


@given(st.integers(0, 60), st.floats(0, 0.999999), st.floats(0, 1e6))
def test_a_circuits_delay_is_bounded(failures: int, roll: float, at_least: float) -> None:
    circuit = Circuit()
    for _ in range(failures):
        circuit.fail(0.0, roll, "down")
    assert 1.0 <= circuit.fail(0.0, roll, "down", at_least) <= LONGEST_DELAY


def test_delays_grow_with_the_failures_and_respect_what_the_store_asked_for() -> None:
    circuit = Circuit()
    assert [circuit.fail(0.0, 0.99, "down") for _ in range(6)] == pytest.approx(
        [1.98, 3.96, 7.92, 15.84, 31.68, 59.4]
    )
    assert Circuit().fail(0.0, 0.0, "down", 30.0) == 30.0


def test_only_orgs_in_trouble_have_a_circuit_of_their_own() -> None:
    circuits = Circuits(lambda: 0.5)
    circuits.begin(ORG)
    circuits.abandon(ORG)
    assert not circuits.succeed(ORG)
    circuits.fail(ORG, 0.0, "down")
    circuits.begin(ORG)
    assert (list(circuits), len(circuits)) == ([ORG], 1)
    circuits.reset(ORG)
    assert circuits.of(ORG).allows(0.0)
    assert len(circuits) == 0


# --- reading back


@given(st.lists(st.integers(0, 3 * HOUR), max_size=50), st.integers(NARROWEST, WIDEST))
def test_spans_hold_every_time_and_stay_narrow_and_within_an_hour(times: list[int], width: int) -> None:
    found = spans(times, width)
    assert all(any(s.since <= t < s.until for s in found) for t in times)
    assert all(s.until - s.since <= width for s in found)
    assert all(s.since // HOUR == (s.until - 1) // HOUR for s in found)
    assert all(a.until <= b.since for a, b in pairwise(found))


def watching(*times: int, look_at: float = 0.0) -> Watch:
    watch = Watch()
    watch.add(times, array("q", times), look_at)
    return watch


def test_what_is_shown_ripens_and_what_is_missing_is_asked_for_again() -> None:
    watch = watching(1, 2, 3)
    (batch,) = watch.to_look(0.0, 10)
    watch.answered(batch, {(1, 1), (3, 3), (2, 99)}, 0.0, hides_for=10.0)
    assert list(batch.times) == [2]
    assert watch.ripe(9.9) == []
    assert watch.ripe(10.0) == [1, 3]
    watch.settled()
    assert watch.rows == 1
    assert watch.known() == {2}
    assert not watch.is_due(1.9)
    assert watch.is_due(2.0)


def test_waiting_between_looks_grows_to_a_bound() -> None:
    watch = watching(1)
    (batch,) = watch.batches
    waits = []
    for _ in range(7):
        watch.answered(batch, set(), 0.0, 10.0)
        waits.append(batch.look_at)
    assert waits == [2, 4, 8, 16, 30, 30, 30]


def test_patience_starts_with_the_first_answer_without_the_rows() -> None:
    watch = watching(1, 2)
    (batch,) = watch.batches
    watch.ask_again(batch, 100.0)
    assert watch.given_up(1_000.0, 20.0) == []
    watch.answered(batch, set(), 1_000.0, 10.0)
    assert watch.given_up(1_019.9, 20.0) == []
    assert watch.given_up(1_020.0, 20.0) == [batch]
    watch.forget(batch, [1])
    assert (list(batch.times), watch.rows) == ([2], 1)
    watch.forget(batch, [2])
    assert (watch.batches, watch.rows) == ([], 0)


def test_one_look_takes_only_so_many_rows_but_one_batch_at_least() -> None:
    watch = watching(1, 2, 3)
    watch.add([4], array("q", [4]), 0.0)
    watch.add([5], array("q", [5]), 9.0)
    assert [list(b.times) for b in watch.to_look(0.0, 1)] == [[1, 2, 3]]
    assert [list(b.times) for b in watch.to_look(0.0, 4)] == [[1, 2, 3], [4]]


def test_questions_widen_with_small_answers_and_narrow_with_large_ones() -> None:
    watch = Watch()
    for _ in range(20):
        watch.learn(10)
    assert watch.width == WIDEST
    for _ in range(20):
        watch.learn(1_000_000)
    assert watch.width == NARROWEST
    watch.learn(20_000)
    assert watch.width == NARROWEST


def test_what_another_binding_showed_is_looked_for_anew() -> None:
    watch = watching(1, 2)
    watch.looks_through("arc_1")
    (batch,) = watch.to_look(0.0, 10)
    watch.answered(batch, {(1, 1)}, 0.0, hides_for=10.0)
    watch.looks_through("arc_1")
    assert watch.known() == {1, 2}
    watch.looks_through("arc_2")
    assert (watch.known(), watch.rows) == ({2}, 1)


def suspected(times: list[int], shown: list[int], *, mixed: bool = False) -> set[int]:
    """Whom a watch suspects after an answer with only these."""
    watch, keys = Watch(), array("q", times)
    (watch.add_mixed if mixed else watch.add)(times, keys, 0.0)
    watch.answered(watch.batches[0], {(t, t) for t in shown}, 1.0, 10.0)
    return watch.suspects


def test_only_what_others_of_its_delivery_and_hour_were_shown_without_is_suspect() -> None:
    assert suspected([1, 2, HOUR + 1], [1]) == {2}
    assert suspected([1, 2, HOUR + 1], []) == set()
    assert suspected([1, 2, HOUR + 1], [1, 2]) == set()
    assert suspected([1, 2], [1], mixed=True) == set()


def test_what_is_shown_at_last_is_no_longer_suspect_and_a_suspect_is_not_forgotten() -> None:
    watch = Watch()
    watch.add([1, 2], array("q", [1, 2]), 0.0)
    watch.answered(watch.batches[0], {(1, 1)}, 1.0, 10.0)
    watch.forget(watch.batches[0], [2])
    watch.settled()
    assert (watch.rows, watch.is_idle) == (0, False)
    watch.add([2], array("q", [2]), 2.0)
    watch.answered(watch.batches[0], {(2, 2)}, 3.0, 10.0)
    watch.settled()
    assert watch.is_idle


def test_another_store_suspects_nobody_of_the_one_before() -> None:
    watch = Watch()
    watch.add([1, 2], array("q", [1, 2]), 0.0)
    watch.answered(watch.batches[0], {(1, 1)}, 1.0, 10.0)
    watch.looks_through("another")
    assert watch.suspects == set()
