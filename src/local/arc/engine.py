"""DuckDB as Arc has it: a query's rows with their types, or DuckDB's own words about why not."""

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import duckdb

T = TypeVar("T")
Row = tuple[Any, ...]
_NO_FILES: Final = "No files found that match the pattern"


class QueryFailed(Exception):
    """What DuckDB said; may hold SQL, values and paths, as the answers of Arc do."""

    @property
    def is_missing(self) -> bool:
        """Whether a pattern had no file: Arc calls that an empty success."""
        return _NO_FILES in str(self)


class QueryTimedOut(Exception):
    """The query took longer than it may."""


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str
    """DuckDB's name for it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows as Python values: timestamps are whole numbers of their unit, nested values are JSON text."""

    columns: tuple[Column, ...]
    rows: list[Row]


class Engine:
    """A few threads, each with a connection of its own to one DuckDB in memory."""

    def __init__(self, memory_limit_mb: int, threads: int) -> None:
        self._spill: Final = Path(tempfile.mkdtemp(prefix="memtrace-arc-"))
        self._duckdb: Final = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": f"{memory_limit_mb}MB",
                "threads": threads,
                "temp_directory": str(self._spill),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        for setting in ("TimeZone = 'UTC'", "preserve_insertion_order = false"):
            self._duckdb.execute(f"SET GLOBAL {setting}")
        self._duckdb.execute("SET python_enable_replacements = false")
        self._pool: Final = ThreadPoolExecutor(2, "memtrace-arc-double")

    async def run(self, work: Callable[["Statements"], T], timeout: float | None = None) -> T:
        """Runs the work on a thread. Raises QueryFailed, or QueryTimedOut after interrupting it."""
        statements = Statements(self._duckdb)
        future = self._pool.submit(work, statements)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), timeout)
        except TimeoutError:
            raise QueryTimedOut from None
        finally:
            if not future.done():
                statements.stop()

    def close(self) -> None:
        """Waits for what runs. May be called twice."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._duckdb.close()
        shutil.rmtree(self._spill, ignore_errors=True)


class Statements:
    """One job's connection; every statement raises QueryFailed."""

    def __init__(self, parent: duckdb.DuckDBPyConnection) -> None:
        self._connection: Final = parent.cursor()
        self._connection.execute("SET python_enable_replacements = false")
        self._stopped: Final = threading.Event()

    def stop(self) -> None:
        """From another thread: what runs is interrupted, nothing follows."""
        self._stopped.set()
        self._connection.interrupt()

    def rows(self, sql: str) -> list[Row]:
        """All rows of a statement whose columns are numbers, texts and booleans."""
        return self._guarded(lambda: self._connection.execute(sql).fetchall())

    def answer(self, sql: str) -> Answer:
        """Runs one query of a client."""
        return self._guarded(lambda: self._answer(sql))

    def _answer(self, sql: str) -> Answer:
        relation = self._bound(sql)
        if relation is None:  # no query, and done by now
            return Answer((Column("Success", "BOOLEAN"),), [])
        names_and_types = zip(relation.columns, relation.types, strict=True)
        columns = tuple(Column(name, str(type)) for name, type in names_and_types)
        taken = [_taken(f"c{i}", column.type) for i, column in enumerate(columns)]
        if all(expression == f"c{i}" for i, expression in enumerate(taken)):
            return Answer(columns, self._connection.execute(sql).fetchall())
        # By position, as two columns may have one name; timestamps would need a module for time zones.
        names = ", ".join(f"c{i}" for i in range(len(columns)))
        whole = f"SELECT {', '.join(taken)} FROM ({sql.rstrip().rstrip(';')}\n) AS answer({names})"
        return Answer(columns, self._connection.execute(whole).fetchall())

    def _bound(self, sql: str) -> duckdb.DuckDBPyRelation | None:
        try:
            return self._connection.sql(sql)
        except duckdb.Error:
            self._connection.execute(sql).fetchall()  # says more about why not, such as where
            raise

    def _guarded(self, work: Callable[[], T]) -> T:
        if self._stopped.is_set():
            raise QueryFailed("INTERRUPT Error: Interrupted!")
        try:
            return work()
        except (duckdb.Error, UnicodeEncodeError) as e:
            raise QueryFailed(str(e)) from e


_UNITS: Final = {"TIMESTAMP_S": "epoch", "TIMESTAMP_MS": "epoch_ms", "TIMESTAMP_NS": "epoch_ns"}


_MONTHS: Final = "(datepart('year', {0}) * 12 + datepart('month', {0}))"
_INTERVAL: Final = (
    f"json_object('months', {_MONTHS}, 'days', datepart('day', {{0}}), 'nanoseconds',"
    f" epoch_ns({{0}}) - epoch_ns(to_months({_MONTHS}::INTEGER) + to_days(datepart('day', {{0}})::INTEGER)))"
    "::VARCHAR"
)


def _taken(name: str, type: str) -> str:
    """What is fetched for a column of this type: a value that means the same in any time zone."""
    if type in _UNITS:
        return f"{_UNITS[type]}({name})::BIGINT"
    if type.startswith("TIMESTAMP"):
        return f"epoch_us({name})"
    if type == "DATE":
        return f"epoch_us({name}::TIMESTAMP)"
    if type == "INTERVAL":
        return _INTERVAL.format(name)
    if type == "TIME":
        return f"strftime(DATE '2000-01-01' + {name}, '%H:%M:%S.%f')"
    if type.startswith("MAP("):
        return f"to_json(map_entries({name}))::VARCHAR"
    if type.endswith("]") or type.startswith("STRUCT("):
        return f"to_json({name})::VARCHAR"
    if type in ("UUID", "BIT", "JSON") or type.startswith("ENUM("):
        return f"{name}::VARCHAR"
    return name
