"""Which files are worth merging into one now: the policy, without any file in sight."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from core.adapters.events.layout import DAY, HOUR, DataFile
from core.model.memory import Micros


@dataclass(frozen=True, slots=True)
class Policy:
    """Sizes in bytes, times in seconds."""

    alike: int = 8
    """So many files of similar size in one hour are merged while it is still written to."""
    most_files: int = 64
    hour_bytes: int = 8 << 20
    """What one merge of an hour reads at most: sorting takes about five times as much memory.

    A file of half of it is left as it is: larger ones would be read no faster.
    """
    day_bytes: int = 16 << 20
    """A day larger than this stays in hours: newest-first reads would have to read it whole."""
    hour_quiet: float = 60.0
    """A closed hour that got no file for so long is merged into one."""
    day_delay: float = 3_600.0
    day_quiet: float = 600.0
    """A day is merged so long after its end, when so long nothing came: late events wait for each other."""


@dataclass(frozen=True, slots=True)
class Task:
    """These files become one, in the folder of the hour, or of the day, that starts at `start`."""

    start: Micros
    is_day: bool
    sources: tuple[DataFile, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """One day's files that may be merged: superseded, foreign and not yet settled ones are not here."""

    start: Micros
    files: tuple[DataFile, ...]
    """In the day's own folder."""
    hours: Mapping[Micros, Sequence[DataFile]]
    waits: bool
    """Whether an earlier merge of this day is not finished, so that only small steps make sense."""


_SMALLEST_TIER: Final = 16 << 10


def choose(day: Day, now: Micros, age: Callable[[str], float], policy: Policy) -> Task | None:
    """The first merge that pays in this day, None when there is none now.

    `age` is for how many seconds a file has been seen.
    """
    for start in sorted(day.hours, reverse=True):
        files = day.hours[start]
        sources = _alike(files, policy)
        if not sources and not day.waits and now >= start + HOUR:
            sources = _smallest(files, policy)
            if sources and not _is_quiet(files, age, policy.hour_quiet):
                sources = ()
        if sources:
            return Task(start, False, sources)
    return _whole_day(day, now, age, policy)


def _alike(files: Sequence[DataFile], policy: Policy) -> tuple[DataFile, ...]:
    """Enough files of one size class, so that each row is rewritten a few times only."""
    tiers: dict[int, list[DataFile]] = {}
    for file in files:
        tiers.setdefault(max(file.size, _SMALLEST_TIER).bit_length() // 2, []).append(file)
    for tier in sorted(tiers):
        if len(tiers[tier]) >= policy.alike:
            return _smallest(tiers[tier], policy)
    return ()


def _smallest(files: Sequence[DataFile], policy: Policy) -> tuple[DataFile, ...]:
    """The smallest files that one merge can take, two or more, else none."""
    chosen = tuple(_fitting(files, policy))
    return chosen if len(chosen) >= 2 else ()


def _fitting(files: Sequence[DataFile], policy: Policy) -> Iterator[DataFile]:
    total = 0
    for file in sorted(files, key=lambda f: f.size)[: policy.most_files]:
        total += file.size
        if file.size >= policy.hour_bytes // 2 or total > policy.hour_bytes:
            return
        yield file


def _whole_day(day: Day, now: Micros, age: Callable[[str], float], policy: Policy) -> Task | None:
    files = (*day.files, *(file for start in sorted(day.hours) for file in day.hours[start]))
    if (
        day.waits
        or len(files) < 2
        or now < day.start + DAY + round(policy.day_delay * 1_000_000)
        or sum(file.size for file in files) > policy.day_bytes
        or not _is_quiet(files, age, policy.day_quiet)
    ):
        return None
    return Task(day.start, True, files)


def _is_quiet(files: Sequence[DataFile], age: Callable[[str], float], seconds: float) -> bool:
    ages = [age(file.path) for file in files]  # all of them, so that all begin to count
    return min(ages) >= seconds
