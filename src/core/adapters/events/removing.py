"""Takes deleted memories out of an embedded store: file by file, without what is covered.

A file of which everything is covered is unlinked at once: its rows are hidden from every reader
already. One of which something stays is rewritten and replaced as a merge would do it, so the old
file is there until no reader can be in the middle of it, and is unlinked by the merger.
"""

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from core.adapters.events.covering import DIGEST, covered, covered_by_each
from core.adapters.events.durable import reachable, remove, sync_file, sync_folder
from core.adapters.events.engine import Cursor
from core.adapters.events.layout import DAY, HOUR, DataFile, Place, hour_of, place_of
from core.adapters.events.literal import literal
from core.adapters.events.parquet import ParquetStore
from core.adapters.events.partitions import Listing
from core.adapters.events.replacing import put_in_place
from core.adapters.events.rewriting import is_ours
from core.adapters.events.sources import lenient_source, plain_source
from core.adapters.events.writing import DAY_ROW_GROUP, ROW_GROUP, Probe, ignore, parquet_options, unique
from core.model.deletion import Grave
from core.model.errors import StoreUnreachable
from core.model.memory import Exclusion, Micros, Span
from core.model.tenant import Binding
from core.ports import Removal, Removed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A file that may hold covered rows; `is_free` when no unfinished merge has a part in it."""

    file: DataFile
    is_day: bool
    is_free: bool


@dataclass(slots=True)
class _Count:
    """What one file holds."""

    rows: int
    covered: int
    by_exclusion: tuple[int, ...] = ()
    graves: list[Grave] = field(default_factory=list)


class ParquetRemover:
    """`core.ports.EventRemover` of the embedded store. Not while a merge of the same place runs.

    `still_mine` is awaited before anything irreversible and raises when another one took over.
    """

    def __init__(
        self,
        *,
        store: ParquetStore,
        still_mine: Callable[[], Awaitable[object]],
        timeout: float = 300.0,
        probe: Probe = ignore,
    ) -> None:
        self._store = store
        self._still_mine = still_mine
        self._timeout: Final = timeout
        self._probe = probe

    async def remove(self, binding: Binding, removal: Removal) -> Removed:
        """One round over all files that may hold what is covered.

        `is_gone` only when none of them does any more, also none that waits to be unlinked: so
        rounds are repeated until the merger has unlinked the last. Raises StoreUnreachable,
        StoreTimeout, LeaseLost; what was done until then stays done.
        """
        place = place_of(binding)
        predicate = covered(binding.org_id, removal)
        each = covered_by_each(binding.org_id, removal)
        memories, staying, found = 0, set[Grave | Exclusion](), set[Grave]()
        by_exclusion = [0] * len(each)
        for suspect in await self._run(lambda _: list(self._suspects(place, removal))):
            look = partial(_counted, path=suspect.file.path, predicate=predicate, each=each, removal=removal)
            count = await self._run(look)
            if count is None or not count.covered:
                continue
            if not suspect.is_free or count.covered != count.rows:  # its old file is there for a while
                staying.update(count.graves, _met(removal, count))
            if suspect.is_free and await self._take_out(place, suspect, predicate, count):
                memories += count.covered
                found.update(count.graves)
                by_exclusion = [a + b for a, b in zip(by_exclusion, count.by_exclusion, strict=True)]
        return Removed(memories, not staying, tuple(found), tuple(by_exclusion), frozenset(staying) or None)

    async def running_since(self, binding: Binding) -> Micros | None:
        """None: nothing comes back by itself."""
        return None

    async def _run(self, work: Callable[[Cursor], T]) -> T:
        return await self._store.engine.run(work, self._timeout)

    def _suspects(self, place: Place, removal: Removal) -> Iterator[_Suspect]:
        listing = self._store.partitions.listing
        wanted = None if removal.exclusions else {hour_of(time) for time, _ in removal.graves}
        with reachable(place.root):
            for day in self._store.partitions.days(place, removal.span, fresh=True):
                own = listing(place.day_folder(day), fresh=True)
                yield from (_Suspect(file, True, _is_free(file, own)) for file in own.files)
                for name in own.folders:
                    hour = day + int(name) * HOUR
                    if _touches(removal.span, hour, day) and (wanted is None or hour in wanted):
                        files = listing(place.day_folder(day) / name, fresh=True)
                        yield from (
                            _Suspect(file, False, _is_free(file, files) and file.path not in own.gone)
                            for file in files.files
                        )

    async def _take_out(self, place: Place, suspect: _Suspect, predicate: str, count: _Count) -> bool:
        """False when the file went away meanwhile: the next round looks again."""
        path = Path(suspect.file.path)
        if count.covered == count.rows:
            await self._still_mine()
            return await self._run(lambda _: self._unlink(place, path))
        now = self._store.clock.micros()
        make_name = place.merged_name if suspect.file.is_merged else place.file_name
        target = path.parent / make_name(now, unique())
        staged = place.staging / f"{target.name}.tmp"
        kept = count.rows - count.covered
        await self._run(lambda c: self._rewrite(c, place, suspect, predicate, staged, kept))
        await self._still_mine()
        return await self._run(
            lambda _: put_in_place(
                self._store.partitions,
                place,
                staged,
                target,
                [suspect.file.path],
                lambda point: self._probe(f"remove.{point}"),
            )
        )

    def _unlink(self, place: Place, path: Path) -> bool:
        with reachable(place.root):
            is_done = remove(path)
            if path.parent.is_dir():
                sync_folder(path.parent)
            _tidy(path.parent, place)
        self._probe("remove.unlinked")
        self._store.partitions.forget(path.parent)
        return is_done

    def _rewrite(
        self, cursor: Cursor, place: Place, suspect: _Suspect, predicate: str, staged: Path, kept: int
    ) -> None:
        source, columns = _source(cursor, suspect.file.path)
        options = parquet_options(DAY_ROW_GROUP if suspect.is_day else ROW_GROUP)
        names = ", ".join(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in columns)
        with reachable(place.root):
            place.staging.mkdir(exist_ok=True)
            try:
                written = cursor.count(
                    f"COPY (SELECT {names} FROM {source} WHERE NOT {predicate})"
                    f" TO {literal(str(staged))} ({options})"
                )
                if written != kept:
                    raise StoreUnreachable(f"a file of which {kept} rows stay was rewritten with {written}")
            except BaseException:
                remove(staged)
                raise
            sync_file(staged)
        self._probe("remove.written")


def _met(removal: Removal, count: _Count) -> Iterator[Exclusion]:
    """The exclusions that cover something in the file."""
    return (rule for rule, rows in zip(removal.exclusions, count.by_exclusion, strict=True) if rows)


def _tidy(folder: Path, place: Place) -> None:
    """Takes away what is empty, from the hour up; an append that wants a folder makes it again."""
    with contextlib.suppress(OSError):
        while folder != place.folder:
            folder.rmdir()
            folder = folder.parent


def _is_free(file: DataFile, listing: Listing) -> bool:
    return file.path not in listing.gone and file.path not in listing.replaces


def _touches(span: Span, hour: Micros, day: Micros) -> bool:
    return hour < day + DAY and span.since < hour + HOUR and hour < span.until


def _source(cursor: Cursor, path: str) -> tuple[str, list[str]]:
    """What follows FROM, and the file's own columns in their order."""
    described = cursor.rows(f"DESCRIBE SELECT * FROM {plain_source([path])}")
    columns = [str(row[0]) for row in described]
    return (plain_source([path]) if is_ours(cursor, path) else lenient_source([path])), columns


def _counted(cursor: Cursor, path: str, predicate: str, each: list[str], removal: Removal) -> _Count | None:
    """What a file holds; None when it went away. Raises Fault for one that cannot be read."""
    if not Path(path).exists():
        return None
    source, columns = _source(cursor, path)
    if "time" not in columns:
        return None
    counts = ", ".join(f"count(CASE WHEN {one} THEN 1 END)" for one in (predicate, *each))
    [(rows, number, *numbers)] = cursor.rows(f"SELECT count(*), {counts} FROM {source}")
    count = _Count(rows, number, tuple(numbers))
    if number and removal.graves:
        found = cursor.rows(f"SELECT DISTINCT epoch_us(time), {DIGEST} FROM {source} WHERE {predicate}")
        wanted = set(removal.graves)
        count.graves = [g for time, digest in found if (g := (time, bytes.fromhex(digest))) in wanted]
    return count
