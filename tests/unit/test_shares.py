"""What one org may hold of a bounded good, alone and beside others; and which queue is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.memory import OrgId
from handlers.http.queueing import QueueWatch
from handlers.http.shares import Shares

A, B, C = OrgId("org_a"), OrgId("org_b"), OrgId("org_c")


def greedy(shares: Shares, org: OrgId) -> int:
    """Takes all it can get; how much it holds then."""
    while shares.take(org) is None:
        pass
    return shares.held(org)


def test_an_org_alone_gets_its_share_of_all() -> None:
    assert greedy(Shares(1_000, 0.9), A) == 900
    assert greedy(Shares(1_000, 0.5), A) == 500


def test_something_is_left_for_who_comes_later() -> None:
    shares = Shares(1_000, 0.9)
    greedy(shares, A)
    assert greedy(shares, B) == 90
    assert shares.take(C) is None


def test_those_who_want_all_end_with_the_same() -> None:
    shares = Shares(1_000, 0.9)
    greedy(shares, A)
    for _ in range(1_000):  # one of A's ends, and both would like its place
        shares.give_back(A)
        greedy(shares, B)
        greedy(shares, A)
    assert 460 < shares.held(A) < shares.held(B) < 480
    assert shares.take(C) is None


@pytest.mark.parametrize(("total", "most"), [(1, 1), (2, 2), (3, 3), (10, 9)])
def test_of_a_few_one_org_may_have_nearly_all(total: int, most: int) -> None:
    assert greedy(Shares(total, 0.9), A) == most


def test_why_nothing_is_got_is_told() -> None:
    shares = Shares(100, 0.9)
    greedy(shares, A)
    assert shares.take(A) == "no share left"
    assert shares.take(B, 11) == "none left"


def test_nothing_can_always_be_taken() -> None:
    shares = Shares(10, 0.5)
    assert shares.take(A, 10) is None
    assert shares.take(A, 0) is None
    assert shares.take(B, 0) is None


def test_the_whole_can_be_taken_by_one_who_holds_nothing() -> None:
    shares = Shares(100, 0.1)
    assert shares.take(A, 100) is None
    shares.give_back(A, 100)
    assert shares.held(A) == 0
    assert shares.take(B, 100) is None


@given(st.lists(st.tuples(st.sampled_from([A, B, C]), st.integers(0, 40)), max_size=60))
def test_never_more_is_held_than_there_is_and_all_comes_back(wishes: list[tuple[OrgId, int]]) -> None:
    shares, held = Shares(100, 0.7), []
    for org, units in wishes:
        if shares.take(org, units) is None:
            held.append((org, units))
        assert sum(units for _, units in held) <= 100
        assert sum(shares.held(one) for one in (A, B, C)) == sum(units for _, units in held)
    for org, units in held:
        shares.give_back(org, units)
    assert shares.take(C, 100) is None


# --- queues


def test_a_short_wait_is_no_queue() -> None:
    watch = QueueWatch(0.5)
    assert not any(watch.is_overdue(0.49, now) for now in range(100))


def test_a_pause_is_no_queue() -> None:
    watch = QueueWatch(0.5)
    assert not any(watch.is_overdue(3.0, 10.0) for _ in range(1_000)), "all that waited through it"
    assert not watch.is_overdue(0.0, 10.5)


def test_a_queue_that_stands_for_a_second_is_overdue() -> None:
    watch = QueueWatch(0.5)
    assert [watch.is_overdue(0.6, 10 + tenth / 10) for tenth in range(12)] == [False] * 10 + [True] * 2


def test_one_that_is_served_quickly_ends_it() -> None:
    watch = QueueWatch(0.5)
    for tenth in range(12):
        watch.is_overdue(0.6, 10 + tenth / 10)
    assert not watch.is_overdue(0.1, 11.2)
    assert not watch.is_overdue(0.6, 11.3), "a second has to pass again"


def test_slow_ones_that_come_seldom_are_no_queue() -> None:
    watch = QueueWatch(0.5)
    assert not any(watch.is_overdue(0.6, now) for now in (10.0, 12.0, 14.0, 16.0))


def test_the_longest_wait_is_told_once() -> None:
    watch = QueueWatch(0.5)
    for waited in (0.1, 0.7, 0.2):
        watch.is_overdue(waited, 10.0)
    assert watch.longest() == 0.7
    assert watch.longest() == 0.0
