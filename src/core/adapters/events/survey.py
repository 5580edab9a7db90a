"""What there is to merge, to finish and to sweep in one place, and for how long it has been there.

Blocking: for worker threads. Ages are counted from when this process first saw a file, by the
monotonic clock: no wall clock, of this host or of the file system, can shorten a grace.
"""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from core.adapters.events.choosing import Day, Policy, Task, choose
from core.adapters.events.durable import reachable
from core.adapters.events.layout import DAY, HOUR, DataFile, Place
from core.adapters.events.partitions import Listing, Partitions
from core.model.memory import Micros, Span
from core.model.timewindow import EARLIEST, LATEST
from core.ports import Clock

MAX_FINISHED: Final = 64
"""Merges finished in one step."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A merged file whose sources nobody reads any more; no merged file means it was never published."""

    merged: Path
    sources: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    task: Task | None
    finished: tuple[Finished, ...]
    leftovers: tuple[Path, ...]


@dataclass(slots=True)
class Watch:
    """What a merger remembers of one place between its steps."""

    clock: Clock
    seen: dict[str, float] = field(default_factory=dict)
    left_alone: dict[str, float] = field(default_factory=dict)
    """Path → until when (monotonic) it takes part in no merge."""
    _touched: set[str] = field(default_factory=set)

    def age(self, path: str) -> float:
        """Seconds since this path was first asked for."""
        now = self.clock.monotonic()
        self._touched.add(path)
        return now - self.seen.setdefault(path, now)

    def leave_alone(self, paths: Sequence[str], seconds: float = math.inf) -> None:
        until = self.clock.monotonic() + seconds
        self.left_alone.update(dict.fromkeys(paths, until))

    def may_merge(self, path: str) -> bool:
        return self.left_alone.get(path, -math.inf) <= self.clock.monotonic()

    def end_round(self) -> None:
        """Forgets what was not asked for since the last round: the memory of a place stays small."""
        self.seen = {path: at for path, at in self.seen.items() if path in self._touched}
        self._touched.clear()
        now = self.clock.monotonic()
        self.left_alone = {
            path: until
            for path, until in self.left_alone.items()
            if until > now and (until < math.inf or os.path.exists(path))
        }


class Surveyor:
    """Looks through a place once per step. Raises StoreUnreachable."""

    def __init__(self, partitions: Partitions, policy: Policy, grace: float, stale: float) -> None:
        self._partitions = partitions
        self._policy = policy
        self._grace = grace
        self._stale = stale

    def survey(self, place: Place, watch: Watch, now: Micros) -> Survey:
        task: Task | None = None
        finished: list[Finished] = []
        with reachable(place.root):
            days = list(self._partitions.days(place, Span(EARLIEST, LATEST)))
            for start in reversed(days):
                day = self._day(place, start, watch, finished)
                # Every day is asked, so that ages are counted in all of them.
                chosen = choose(day, now, watch.age, self._policy)
                task = task or chosen
            leftovers = tuple(path for path in _staged(place) if watch.age(str(path)) >= self._stale)
        watch.end_round()
        return Survey(task, tuple(finished[:MAX_FINISHED]), leftovers)

    def _day(self, place: Place, start: Micros, watch: Watch, finished: list[Finished]) -> Day:
        folder = place.day_folder(start)
        own = self._partitions.listing(folder)
        waits = self._finish(own, watch, finished)
        hours: dict[Micros, list[DataFile]] = {}
        for name in own.folders:
            hour = start + int(name) * HOUR
            if hour >= start + DAY:
                continue
            listing = self._partitions.listing(folder / name)
            waits = self._finish(listing, watch, finished) or waits
            hours[hour] = [f for f in _free(listing, watch) if f.path not in own.gone]
        return Day(start, tuple(_free(own, watch)), hours, waits)

    def _finish(self, listing: Listing, watch: Watch, finished: list[Finished]) -> bool:
        """Notes the merges of this folder whose grace is over; whether there are any unfinished ones."""
        for merged, sources in listing.replaces.items():
            if watch.age(merged) >= self._grace:
                finished.append(Finished(Path(merged), tuple(map(Path, sources))))
        return bool(listing.replaces)


def _free(listing: Listing, watch: Watch) -> Iterator[DataFile]:
    """Files that may be merged: not superseded, not themselves waiting for their sources to go."""
    for file in listing.files:
        is_taken = file.path in listing.gone or file.path in listing.replaces
        if not is_taken and watch.may_merge(file.path):
            yield file


def _staged(place: Place) -> Iterator[Path]:
    if place.staging.is_dir():
        for path in place.staging.iterdir():
            if path.is_file():
                yield path
