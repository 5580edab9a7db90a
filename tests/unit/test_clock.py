"""A clock over sleeps in which the machine's own stands still."""

import pytest

from core.adapters.clock import SystemClock, WakingClock
from tests.clock import ManualClock


@pytest.fixture
def waking(clock: ManualClock) -> WakingClock:
    return WakingClock(clock)


def test_it_goes_as_the_machine_does(clock: ManualClock, waking: WakingClock) -> None:
    before = waking.monotonic()
    clock.advance(3.0)
    assert waking.monotonic() - before == 3.0
    assert waking.micros() == clock.micros()


def test_without_a_sleep_there_is_nothing_to_wake_from(waking: WakingClock) -> None:
    assert waking.wake() == 0.0


def test_a_sleep_that_the_machine_counted_is_not_counted_twice(
    clock: ManualClock, waking: WakingClock
) -> None:
    before = waking.monotonic()
    waking.rest()
    clock.advance(60.0)
    assert waking.wake() == pytest.approx(60.0)
    assert waking.monotonic() - before == pytest.approx(60.0)


def test_a_sleep_that_it_did_not_count_is_made_up_for(clock: ManualClock, waking: WakingClock) -> None:
    before = waking.monotonic()
    for _ in range(2):
        waking.rest()
        clock.step_wall(3_600.0)
        assert waking.wake() == pytest.approx(3_600.0)
    clock.advance(1.0)
    assert waking.monotonic() - before == pytest.approx(7_201.0)


def test_a_wall_clock_set_back_takes_nothing_back(clock: ManualClock, waking: WakingClock) -> None:
    before = waking.monotonic()
    waking.rest()
    clock.step_wall(-100.0)
    clock.advance(2.0)
    assert waking.wake() == pytest.approx(2.0)
    assert waking.monotonic() - before == pytest.approx(2.0)


def test_clocks_that_differ_a_little_are_left_alone(clock: ManualClock, waking: WakingClock) -> None:
    waking.rest()
    clock.step_wall(0.05)
    assert waking.wake() == 0.0


def test_the_systems_clock_goes_forward() -> None:
    clock = SystemClock()
    assert clock.micros() > 1_700_000_000_000_000
    assert clock.monotonic() <= clock.monotonic()
