"""Which files are merged, and when."""

from collections.abc import Callable

from core.adapters.events.choosing import Day, Policy, choose
from core.adapters.events.layout import DAY, HOUR, DataFile

START = 20_000 * DAY
NOON = START + 12 * HOUR
POLICY = Policy()


def files(*sizes: int, name: str = "f") -> tuple[DataFile, ...]:
    return tuple(DataFile(f"{name}{i}", size, False) for i, size in enumerate(sizes))


def seen(seconds: float) -> Callable[[str], float]:
    return lambda path: seconds


def day(
    hours: dict[int, tuple[DataFile, ...]], own: tuple[DataFile, ...] = (), *, waits: bool = False
) -> Day:
    return Day(START, own, {START + hour * HOUR: f for hour, f in hours.items()}, waits)


def test_eight_files_of_one_size_are_merged_while_the_hour_is_open() -> None:
    task = choose(day({12: files(*[1000] * 8)}), NOON, seen(0), POLICY)
    assert task is not None
    assert (task.start, task.is_day, len(task.sources)) == (NOON, False, 8)


def test_seven_files_are_left_for_now() -> None:
    assert choose(day({12: files(*[1000] * 7)}), NOON, seen(999), POLICY) is None


def test_files_of_other_sizes_do_not_count() -> None:
    sizes = [1000] * 7 + [1 << 20] * 7
    assert choose(day({12: files(*sizes)}), NOON, seen(0), POLICY) is None
    task = choose(day({12: files(*sizes, 1 << 20)}), NOON, seen(0), POLICY)
    assert task is not None
    assert {file.size for file in task.sources} == {1 << 20}


def test_a_closed_and_quiet_hour_becomes_one_file() -> None:
    hours = {11: files(1000, 3 << 20)}
    assert choose(day(hours), NOON, seen(59), POLICY) is None
    task = choose(day(hours), NOON, seen(60), POLICY)
    assert task is not None
    assert len(task.sources) == 2
    assert choose(day(hours), NOON - 1, seen(60), POLICY) is None


def test_one_file_is_not_merged_with_itself() -> None:
    assert choose(day({3: files(5)}), START + 9 * DAY, seen(9e9), POLICY) is None


def test_what_is_large_enough_stays() -> None:
    large = POLICY.hour_bytes // 2
    assert choose(day({1: files(large, large)}), NOON, seen(9e9), POLICY) is None
    assert choose(day({1: files(1000, large)}), NOON, seen(9e9), POLICY) is None


def test_one_merge_reads_no_more_than_its_bytes_and_files() -> None:
    task = choose(day({1: files(*[POLICY.hour_bytes // 3] * 9)}), NOON, seen(0), POLICY)
    assert task is not None
    assert sum(file.size for file in task.sources) <= POLICY.hour_bytes
    many = choose(day({1: files(*[10] * 500)}), NOON, seen(0), POLICY)
    assert many is not None
    assert len(many.sources) == POLICY.most_files


def test_a_closed_and_quiet_day_becomes_one_file() -> None:
    hours = {1: files(1000), 23: files(2000, name="g")}
    later = START + DAY + HOUR
    assert choose(day(hours), later - 1, seen(600), POLICY) is None
    assert choose(day(hours), later, seen(599), POLICY) is None
    task = choose(day(hours), later, seen(600), POLICY)
    assert task is not None
    assert (task.start, task.is_day, len(task.sources)) == (START, True, 2)


def test_late_files_join_the_day() -> None:
    task = choose(day({5: files(10, name="late")}, files(4 << 20)), START + 3 * DAY, seen(600), POLICY)
    assert task is not None
    assert task.is_day
    assert len(task.sources) == 2


def test_a_large_day_stays_in_hours() -> None:
    hours = {h: files(POLICY.day_bytes // 8) for h in range(9)}
    assert choose(day(hours), START + 3 * DAY, seen(9e9), POLICY) is None


def test_an_unfinished_merge_holds_up_all_but_small_steps() -> None:
    hours = {1: files(10, 20), 2: files(*[10] * 8)}
    task = choose(day(hours, waits=True), START + 3 * DAY, seen(9e9), POLICY)
    assert task is not None
    assert task.start == START + 2 * HOUR
    assert choose(day({1: files(10, 20)}, waits=True), START + 3 * DAY, seen(9e9), POLICY) is None


def test_every_file_begins_to_age_at_once() -> None:
    asked: list[str] = []

    def age(path: str) -> float:
        asked.append(path)
        return 0

    choose(day({1: files(10, 20, 30)}), NOON, age, POLICY)
    assert asked == ["f0", "f1", "f2"]
