"""DuckDB behind a few threads: bounded memory, deadlines by interrupt, our errors only.

DuckDB is imported and started by the first statement, on a worker thread.
"""

import asyncio
import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from core.adapters.events.fairness import FairQueue
from core.adapters.events.spill import make_spill_folder
from core.model.errors import StoreError, StoreRefused, StoreTimeout, StoreUnreachable

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")
Row = tuple[Any, ...]
MIN_MEMORY_MB: Final = 96
"""DuckDB's reader of JSON lines wants a buffer of 32 MB for each thread."""
_FETCH: Final = 1_000
"""Rows turned into Python objects at once: so long nobody else gets the interpreter."""


class Fault(Exception):
    """What DuckDB said, before `Engine.run` turns it into an error of ours; it never leaves this adapter.

    `file`: the file system failed. `data`: what was read is not what was expected.
    `memory`: the limit was reached. `stopped`: interrupted.
    """

    def __init__(self, kind: Literal["file", "data", "memory", "stopped"], said: str) -> None:
        super().__init__(said)
        self.kind: Final = kind


class Cursor:
    """One worker's connection while it does one job. Every statement raises Fault."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection") -> None:
        self._connection = connection
        self._stopped = threading.Event()

    def rows(self, sql: str) -> list[Row]:
        """Runs one statement and fetches all it answers."""
        with self._faults():
            result = self._connection.execute(sql)
            rows: list[Row] = []
            while some := result.fetchmany(_FETCH):
                rows += some
                self.check()
            return rows

    def count(self, sql: str) -> int:
        """Runs one COPY and answers how many rows it wrote."""
        return int(self.rows(sql)[0][0])

    def check(self) -> None:
        """Raises Fault when nobody waits for this job any more."""
        if self._stopped.is_set():
            raise Fault("stopped", "the statement took too long")

    def stop(self) -> None:
        """From another thread: the running statement is interrupted, none follows."""
        self._stopped.set()
        self._connection.interrupt()

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        import duckdb

        self.check()
        try:
            yield
        except duckdb.InterruptException as e:
            raise Fault("stopped", "the statement was interrupted") from e
        except duckdb.OutOfMemoryException as e:
            raise Fault("memory", "the statement needs more memory than it may have") from e
        except duckdb.IOException as e:
            # Names a path and what the system said, never a value.
            raise Fault("file", str(e).splitlines()[0][:300]) from e
        except (duckdb.Error, UnicodeEncodeError) as e:
            # Its words may quote a stored or an asked-for value: only its name goes on.
            raise Fault("data", type(e).__name__) from e


class _Job:
    """One piece of work, with the hand on its brake; every method is safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cursor: Cursor | None = None
        self._is_stopped = False

    def begin(self, cursor: Cursor) -> None:
        with self._lock:
            if self._is_stopped:
                raise Fault("stopped", "the statement waited too long for its turn")
            self._cursor = cursor

    def end(self) -> None:
        with self._lock:
            self._cursor = None

    def stop(self) -> None:
        with self._lock:
            self._is_stopped = True
            if self._cursor is not None:
                self._cursor.stop()


class Engine:
    """`workers` jobs at once, each on a connection of its own to one DuckDB in memory."""

    def __init__(self, *, memory_limit_mb: int, threads: int, workers: int = 2) -> None:
        self._memory_mb: Final = max(memory_limit_mb, MIN_MEMORY_MB)
        self._threads: Final = threads
        self._pool = ThreadPoolExecutor(workers, "memtrace-store")
        self._starting = threading.Lock()
        self._local = threading.local()
        self._duckdb: duckdb.DuckDBPyConnection | None = None
        self._spill = ""
        self._waiting: FairQueue[tuple[Future[Any], Callable[[], None]]] = FairQueue()
        self._jobs: set[_Job] = set()
        self._is_closed = False

    async def run(
        self, work: Callable[[Cursor], T], timeout: float, *, whose: str = "", writes: bool = False
    ) -> T:
        """Runs the work on a worker, waiting for one included, for at most `timeout` seconds.

        Those `whose` work waits take turns. Raises StoreTimeout, StoreUnreachable, or, where it
        `writes`, StoreRefused for data that can never be written. Work that nobody waits for any
        more is interrupted.
        """
        if self._is_closed:
            raise StoreUnreachable("the event store is closed")
        job = _Job()
        future: Future[T] = Future()
        self._jobs.add(job)
        future.add_done_callback(lambda _: self._jobs.discard(job))
        self._waiting.put(whose, (future, lambda: self._work(job, work, future)))
        self._pool.submit(self._serve)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), timeout)
        except TimeoutError:
            raise StoreTimeout(f"the event store did not answer within {timeout:g} seconds") from None
        except Fault as e:
            raise _translated(e, writes) from e
        finally:
            if not future.done():
                job.stop()

    def _serve(self) -> None:
        """One for each piece of work that was put: so there always is one."""
        future, work = self._waiting.take()
        if future.set_running_or_notify_cancel():
            work()

    def _work(self, job: _Job, work: Callable[[Cursor], T], future: "Future[T]") -> None:
        try:
            cursor = Cursor(self._connection())
            job.begin(cursor)
            try:
                result = work(cursor)
            finally:
                job.end()
        except BaseException as e:  # noqa: BLE001  carried to whoever waits
            future.set_exception(e)
        else:
            future.set_result(result)

    def _connection(self) -> "duckdb.DuckDBPyConnection":
        mine: duckdb.DuckDBPyConnection | None = getattr(self._local, "connection", None)
        if mine is None:
            with self._starting:
                if self._duckdb is None:
                    self._duckdb = self._start()
                mine = self._local.connection = self._duckdb.cursor()
        return mine

    def _start(self) -> "duckdb.DuckDBPyConnection":
        try:
            import duckdb

            self._spill = make_spill_folder()
        except (ImportError, OSError) as e:
            raise StoreUnreachable(
                f"the embedded event store cannot start: {e}",
                hint="install memtrace-server with its `server` extra, and give it a temporary folder",
            ) from e
        connection = duckdb.connect(":memory:", config=self._options())
        # GLOBAL, as every worker has a connection of its own.
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        # Reading the rows found a second time costs more than it saves: 20 % of a substring search.
        connection.execute("SET GLOBAL late_materialization_max_rows = 0")
        return connection

    def _options(self) -> dict[str, str | bool | int | float | list[str]]:
        return {
            "memory_limit": f"{self._memory_mb}MB",
            "threads": self._threads,
            "temp_directory": self._spill,
            "max_temp_directory_size": "4GB",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # It, like `parquet_metadata_cache`, which is off by itself, keeps what belongs to files
            # long merged away; both save 2 ms in 20.
            "enable_external_file_cache": False,
            "allocator_flush_threshold": "16MB",
        }

    def close(self) -> None:
        """Interrupts what runs, ends the threads, frees DuckDB. May be called twice."""
        self._is_closed = True
        for job in list(self._jobs):
            job.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)
        while self._waiting:
            self._waiting.take()[0].cancel()
        if self._duckdb is not None:
            self._duckdb.close()
            self._duckdb = None
            shutil.rmtree(self._spill, ignore_errors=True)


def _translated(fault: Fault, writes: bool) -> StoreError:
    match fault.kind:
        case "stopped":
            return StoreTimeout("the event store was interrupted")
        case "memory":
            return StoreUnreachable(
                "the event store reached its memory limit",
                hint="raise store.memory_limit_mb, or ask for less at once",
            )
        case "file":
            return StoreUnreachable(
                f"the event store cannot read or write its files: {fault}",
                hint="check that the folder and its files are there, readable, and the disk is not full",
            )
        case _ if writes:
            return StoreRefused(f"the event store cannot hold these memories ({fault})")
        case _:
            return StoreUnreachable(
                f"a file of the event store is damaged or has foreign columns ({fault})",
                hint="look for a Parquet file in the store's folder that does not open, and move it away",
            )
