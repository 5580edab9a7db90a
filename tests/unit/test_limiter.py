"""Rates: what passes, what waits for how long, and who shares a bucket with whom."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.limiter import Limiter
from core.model.errors import RateLimited
from core.model.memory import OrgId
from core.model.org_settings import OrgSettings, RateSettings
from core.model.rates import Rate, rates_of
from core.model.tenant import Principal
from tests.clock import ManualClock
from tests.unit.fakes import principal

NONE = RateSettings(
    requests_per_second=0,
    memories_per_second=0,
    key_requests_per_second=0,
    key_memories_per_second=0,
    burst_seconds=10,
)


def caller(key_id: int = 1, org: str = "org_a", **own: float) -> Principal:
    rates = RateSettings(**own) if own else None
    return replace(principal(org_id=OrgId(org)), key_id=key_id, settings=OrgSettings(rates=rates))


@pytest.fixture
def limiter(clock: ManualClock) -> Limiter:
    """Limits nobody who has no settings of its own."""
    return Limiter(defaults=NONE, clock=clock)


def limiter_of(clock: ManualClock, **defaults: float) -> Limiter:
    return Limiter(defaults=replace(NONE, **defaults), clock=clock)


def passed(limiter: Limiter, who: Principal, tries: int = 1_000) -> int:
    """How many requests pass at this moment."""
    for number in range(tries):
        try:
            limiter.admit_request(who, writes=False)
        except RateLimited:
            return number
    return tries


def refused(limiter: Limiter, who: Principal, count: int | None = None) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        _send(limiter, who, count)
    return caught.value


def _send(limiter: Limiter, who: Principal, count: int | None) -> None:
    if count is None:
        limiter.admit_request(who, writes=False)
    else:
        limiter.admit_memories(who, count)


# --- requests


def test_where_nothing_is_set_nobody_is_limited(limiter: Limiter) -> None:
    assert not limiter.limits(caller())
    limiter.admit_memories(caller(), 10**6)


def test_as_many_as_the_burst_holds_pass_at_once(clock: ManualClock) -> None:
    assert passed(limiter_of(clock, requests_per_second=5), caller()) == 50


def test_a_bucket_fills_at_its_rate_and_not_beyond_the_burst(clock: ManualClock) -> None:
    limiter = limiter_of(clock, requests_per_second=5)
    passed(limiter, caller())
    clock.advance(2)
    assert passed(limiter, caller()) == 10
    clock.advance(3_600)
    assert passed(limiter, caller()) == 50


def test_a_slow_rate_lets_one_pass_at_a_time(clock: ManualClock) -> None:
    limiter = limiter_of(clock, requests_per_second=0.01)
    assert passed(limiter, caller()) == 1
    assert refused(limiter, caller()).retry_after == 100
    clock.advance(99)
    assert refused(limiter, caller()).retry_after == 1
    clock.advance(1)
    assert passed(limiter, caller()) == 1


def test_what_is_refused_is_not_counted(clock: ManualClock) -> None:
    limiter = limiter_of(clock, requests_per_second=1)
    assert passed(limiter, caller()) == 10
    for _ in range(100):
        refused(limiter, caller())
    clock.advance(1)
    assert passed(limiter, caller()) == 1


def test_a_refusal_says_which_rate_and_how_long_to_wait(clock: ManualClock) -> None:
    limiter = limiter_of(clock, key_requests_per_second=0.5)
    passed(limiter, caller())
    error = refused(limiter, caller())
    assert (error.retry_after, error.fields) == (2, {"policy": "key-requests"})
    assert "this API key may send 0.5 requests a second" in error.message
    assert "up to 5" in (error.hint or "")


def test_keys_of_an_org_share_its_rate_and_not_each_others(clock: ManualClock) -> None:
    limiter = limiter_of(clock, requests_per_second=3, key_requests_per_second=2)
    assert passed(limiter, caller(key_id=1)) == 20
    assert refused(limiter, caller(key_id=1)).fields == {"policy": "key-requests"}
    assert passed(limiter, caller(key_id=2)) == 10
    assert refused(limiter, caller(key_id=2)).fields == {"policy": "org-requests"}


def test_a_key_that_is_refused_takes_nothing_of_its_orgs_rate(clock: ManualClock) -> None:
    limiter = limiter_of(clock, requests_per_second=2, key_requests_per_second=1)
    passed(limiter, caller(key_id=1))
    for _ in range(50):
        refused(limiter, caller(key_id=1))
    assert passed(limiter, caller(key_id=2)) == 10


def test_the_longest_wait_is_told(clock: ManualClock) -> None:
    limiter = limiter_of(clock, requests_per_second=0.1, key_requests_per_second=1)
    assert passed(limiter, caller()) == 1
    assert refused(limiter, caller()).retry_after == 10


def test_one_orgs_flood_leaves_others_theirs(clock: ManualClock) -> None:
    limiter = limiter_of(clock, requests_per_second=1)
    passed(limiter, caller())
    assert passed(limiter, caller(org="org_b")) == 10


# --- memories


def test_memories_have_a_rate_of_their_own(clock: ManualClock) -> None:
    limiter = limiter_of(clock, memories_per_second=10)
    limiter.admit_memories(caller(), 60)
    assert refused(limiter, caller(), 60).retry_after == 2
    limiter.admit_memories(caller(), 40)
    assert passed(limiter, caller()) == 1_000


def test_a_batch_beyond_the_burst_passes_alone_and_is_paid_off(clock: ManualClock) -> None:
    limiter = limiter_of(clock, memories_per_second=10)
    limiter.admit_memories(caller(), 1_000)
    assert refused(limiter, caller(), 1).retry_after == 91
    clock.advance(91)
    limiter.admit_memories(caller(), 1)
    assert refused(limiter, caller(), 1_000).retry_after == 10


def test_a_write_is_refused_before_its_body_where_nothing_could_pass(clock: ManualClock) -> None:
    limiter = limiter_of(clock, memories_per_second=1)
    limiter.admit_memories(caller(), 10)
    with pytest.raises(RateLimited):
        limiter.admit_request(caller(), writes=True)
    limiter.admit_request(caller(), writes=False)


# --- settings of an org


def test_an_orgs_own_rate_comes_before_that_of_all(clock: ManualClock) -> None:
    limiter = limiter_of(clock, requests_per_second=1)
    assert passed(limiter, caller(requests_per_second=3)) == 30
    assert passed(limiter, caller(org="org_b", requests_per_second=0)) == 1_000
    assert passed(limiter, caller(org="org_c", burst_seconds=2)) == 2


def test_an_org_alone_can_be_limited(limiter: Limiter) -> None:
    limited = caller(key_memories_per_second=1)
    assert limiter.limits(limited)
    assert refused_after(limiter, limited, 10)


def refused_after(limiter: Limiter, who: Principal, count: int) -> bool:
    limiter.admit_memories(who, count)
    return refused(limiter, who, 1).fields == {"policy": "key-memories"}


# --- standing


def test_a_caller_is_told_how_it_stands(clock: ManualClock) -> None:
    limiter = limiter_of(clock, requests_per_second=2, key_memories_per_second=0.5)
    assert [(s.rate.name, s.left, s.wait) for s in limiter.standings(caller())] == [
        ("org-requests", 20, 0),
        ("key-memories", 5, 0),
    ]
    limiter.admit_request(caller(), writes=False)
    limiter.admit_memories(caller(), 7)
    assert [(s.rate.name, s.left, s.wait) for s in limiter.standings(caller())] == [
        ("org-requests", 19, 1),
        ("key-memories", 0, 6),
    ]


def test_the_window_is_the_time_in_which_the_burst_comes_back() -> None:
    assert Rate("org", "requests", 3, 30).window == 10
    assert Rate("org", "requests", 0.01, 1).window == 100


# --- bounds


def test_buckets_that_nobody_used_for_long_are_forgotten(clock: ManualClock) -> None:
    limiter = Limiter(defaults=replace(NONE, requests_per_second=0.1), clock=clock, most_buckets=2)
    assert passed(limiter, caller(org="org_1")) == 1
    assert passed(limiter, caller(org="org_1")) == 0
    for number in range(2, 4):
        passed(limiter, caller(org=f"org_{number}"))
    assert passed(limiter, caller(org="org_1")) == 0, "an older generation still counts"
    for number in range(4, 8):
        passed(limiter, caller(org=f"org_{number}"))
    assert passed(limiter, caller(org="org_1")) == 1


@given(
    per_second=st.floats(0.001, 10_000),
    seconds=st.integers(1, 60),
    steps=st.lists(st.tuples(st.floats(0, 30), st.integers(1, 500)), max_size=40),
)
def test_no_more_passes_than_rate_and_burst_allow_and_a_told_wait_is_enough(
    per_second: float, seconds: int, steps: list[tuple[float, int]]
) -> None:
    defaults = replace(NONE, memories_per_second=per_second, burst_seconds=seconds)
    (rate,) = rates_of(defaults, None).memories
    full_at, now, taken = 0.0, 1_000.0, 0
    for pause, units in steps:
        now += pause
        if rate.wait(full_at, now, units):
            now += rate.wait(full_at, now, units)
            assert rate.wait(full_at, now, units) == 0.0
        full_at, taken = rate.spent(full_at, now, units), taken + units
        largest = max(units for _, units in steps)
        assert taken <= rate.burst + (now - 1_000.0) * per_second + largest + 0.001
