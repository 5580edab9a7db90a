"""Which files a statement reads: the pruner's list, and the caches that hide a new hour from it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from core.adapters.events.literal import literal
from core.ports import Clock
from local.arc.caches import Cache
from local.arc.files import Files
from local.arc.pruning import folders, time_range
from local.arc.rewriting import rewritten

STATEMENT_SECONDS: Final = 60.0
PATHS_SECONDS: Final = 60.0
FOLDER_SECONDS: Final = 30.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Partitions:
    """Statements with tables → statements with files. A flush clears no cache, a compaction all."""

    def __init__(self, files: Files, clock: Clock) -> None:
        self._files: Final = files
        self._clock: Final = clock
        self._statements: Final[Cache[str]] = Cache(clock, STATEMENT_SECONDS)
        self._lists: Final[Cache[str]] = Cache(clock, PATHS_SECONDS)
        self._folders: Final[Cache[bool]] = Cache(clock, FOLDER_SECONDS)

    def statement(self, sql: str, database: str) -> str:
        """Blocking: looks into folders."""
        key = f"{database}:{sql}" if database else sql
        known = self._statements.get(key)
        if known is None:
            known = rewritten(sql, database, lambda db, table: self._source(db, table, sql))
            self._statements.put(key, known)
        return known

    def clear(self) -> None:
        for cache in (self._statements, self._lists, self._folders):
            cache.clear()

    def _source(self, database: str, measurement: str, sql: str) -> str:
        folder = self._files.measurement(database, measurement)
        key = f"{folder}:{sql}"
        known = self._lists.get(key)
        if known is None:
            known = self._listed(folder, sql)
            self._lists.put(key, known)
        return known

    def _listed(self, folder: Path, sql: str) -> str:
        span = time_range(sql, _EPOCH + timedelta(microseconds=self._clock.micros()))
        candidates = (folders(span) or []) if span is not None else []
        there = [f"{folder}/{path}/*.parquet" for path in candidates if self._has_files(folder / path)]
        if not there:
            return _read(literal(f"{folder}/**/*.parquet"))
        if len(there) == 1:
            return _read(literal(there[0]))
        return _read(f"[{', '.join(map(literal, there))}]")

    def _has_files(self, folder: Path) -> bool:
        known = self._folders.get(str(folder))
        if known is None:
            known = folder.is_dir() and any(path.suffix == ".parquet" for path in folder.iterdir())
            self._folders.put(str(folder), known)
        return known


def _read(what: str) -> str:
    return f"read_parquet({what}, union_by_name=true)"
