"""Turns many small files into few large ones, while any process reads and appends.

A merged file comes with a list of the files it stands for, published before it: readers leave
those out from the moment the merged file is there, and they are unlinked only after a grace
longer than the longest query. So at every instant, also after a crash at any point, each row is
read from one place; a reader that knows nothing of the lists sees some rows twice for that long.
"""

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from core.adapters.events.choosing import Policy, Task
from core.adapters.events.durable import reachable, remove, sync_file, sync_folder
from core.adapters.events.engine import Cursor, Engine
from core.adapters.events.layout import REPLACES, Place, place_of
from core.adapters.events.parquet import ParquetStore
from core.adapters.events.replacing import put_in_place
from core.adapters.events.rewriting import foreign_files, rewrite
from core.adapters.events.survey import Finished, Survey, Surveyor, Watch
from core.adapters.events.writing import Probe, ignore, unique
from core.model.errors import StoreError
from core.model.memory import Micros
from core.model.tenant import Binding

T = TypeVar("T")
MIN_GRACE: Final = 60.0
MEMORY_MB: Final = 128
"""Beyond it, sorting spills to the temporary folder."""
_STALE: Final = 900.0
"""Seconds after which a staged file belongs to nobody: no append and no merge takes so long."""
_AFTER_FAILURE: Final = 600.0
"""Seconds for which files whose merge failed are left alone, so that others get their turn."""


@dataclass(frozen=True, slots=True)
class MergeResult:
    """What one step did."""

    merged: int = 0
    """Files that became part of a merged one."""
    rows: int = 0
    removed: int = 0
    """Files that were unlinked: sources of earlier merges, and leftovers of crashed writers."""

    @property
    def did_something(self) -> bool:
        """Whether another step now may find more to do."""
        return bool(self.merged or self.removed)


class Merger:
    """Works in steps, at most one merge each. One merger at a time is enough; two lose nothing.

    `still_mine` is awaited before anything irreversible and raises when another one took over.
    """

    def __init__(
        self,
        *,
        store: ParquetStore,
        still_mine: Callable[[], Awaitable[object]],
        policy: Policy | None = None,
        timeout: float = 300.0,
        probe: Probe = ignore,
    ) -> None:
        self.grace: Final = max(MIN_GRACE, 2 * store.query_timeout)
        self._store = store
        self._still_mine = still_mine
        self._surveyor = Surveyor(store.partitions, policy or Policy(), self.grace, max(_STALE, 2 * timeout))
        self._timeout = timeout
        self._probe = probe
        self._watches: dict[Place, Watch] = {}

    async def step(self, binding: Binding, now: Micros) -> MergeResult:
        """Finishes what is due and does the merge that pays most. Raises a StoreError or LeaseLost.

        After an error nothing is lost and nothing is half done; the next step goes on.
        """
        place = place_of(binding)
        watch = self._watches.setdefault(place, Watch(self._store.clock))
        survey = await self._run(lambda _: self._surveyor.survey(place, watch, now))
        removed = await self._finish(place, survey)
        if survey.task is None:
            return MergeResult(removed=removed)
        try:
            rows = await self._merge(place, survey.task, watch, now)
        except StoreError:
            watch.leave_alone([file.path for file in survey.task.sources], _AFTER_FAILURE)
            raise
        return MergeResult(len(survey.task.sources) if rows else 0, rows, removed)

    async def _run(self, work: Callable[[Cursor], T]) -> T:
        return await self._store.engine.run(work, self._timeout)

    async def _sorted(self, work: Callable[[Cursor], int]) -> int:
        """Runs it on a DuckDB of its own, which gives back all of its memory at the end.

        One thread: each one more takes as much memory again and saves nobody any time.
        """
        engine = Engine(memory_limit_mb=MEMORY_MB, threads=1, workers=1)
        try:
            return await engine.run(work, self._timeout)
        finally:
            engine.close()

    async def _finish(self, place: Place, survey: Survey) -> int:
        """Unlinks the sources of merges whose grace is over, and what crashed writers left."""
        if not survey.finished and not survey.leftovers:
            return 0
        await self._still_mine()
        return await self._run(lambda _: self._unlink(place, survey))

    def _unlink(self, place: Place, survey: Survey) -> int:
        removed = 0
        with reachable(place.root):
            for path in survey.leftovers:
                removed += remove(path)
            for finished in survey.finished:
                removed += self._unlink_sources(finished)
        return removed

    def _unlink_sources(self, finished: Finished) -> int:
        """The sources first, then the list: a crash in between leaves a shorter way to go."""
        folder = finished.merged.parent
        removed = 0
        if finished.merged.exists():
            for source in finished.sources:
                removed += remove(source)
                self._probe("merge.unlinking")
        folders = {source.parent for source in finished.sources}
        for changed in folders:
            _sync_if_there(changed)
        remove(folder / f"{finished.merged.name}{REPLACES}")
        sync_folder(folder)
        self._probe("merge.unlinked")
        for changed in folders - {folder}:
            _remove_if_empty(changed)
        self._store.partitions.forget(folder, *folders)
        return removed

    async def _merge(self, place: Place, task: Task, watch: Watch, now: Micros) -> int:
        """The number of rows merged; 0 when there turned out to be nothing to merge."""
        name = place.merged_name(now, unique())
        staged = place.staging / f"{name}.tmp"
        rows = await self._sorted(lambda cursor: self._write(cursor, place, task, watch, staged))
        if not rows:
            return 0
        await self._still_mine()
        return await self._run(lambda _: self._publish(place, task, staged, name, rows))

    def _write(self, cursor: Cursor, place: Place, task: Task, watch: Watch, staged: Path) -> int:
        foreign = foreign_files(cursor, [file.path for file in task.sources])
        if foreign:
            watch.leave_alone(foreign)
            return 0
        with reachable(place.root):
            place.staging.mkdir(exist_ok=True)
            try:
                rows = rewrite(cursor, task, staged)
            except BaseException:
                remove(staged)
                raise
            sync_file(staged)
        self._probe("merge.written")
        return rows

    def _publish(self, place: Place, task: Task, staged: Path, name: str, rows: int) -> int:
        folder = place.day_folder(task.start) if task.is_day else place.hour_folder(task.start)
        sources = [file.path for file in task.sources]
        is_done = put_in_place(
            self._store.partitions,
            place,
            staged,
            folder / name,
            sources,
            lambda point: self._probe(f"merge.{point}"),
        )
        return rows if is_done else 0


def _sync_if_there(folder: Path) -> None:
    if folder.is_dir():
        sync_folder(folder)


def _remove_if_empty(folder: Path) -> None:
    """An append that wants the folder at this moment makes it again."""
    with contextlib.suppress(OSError):
        folder.rmdir()
