"""A stand-in for Arc: its doors, its buffering, its caches and its faults, on a port of this machine."""

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Final

from core.adapters.clock import SystemClock
from core.ports import Clock
from local.arc.accounts import DEFAULT, Accounts
from local.arc.app import create_app
from local.arc.buffers import FlushFailed
from local.arc.compaction import compaction
from local.arc.control import control_routes
from local.arc.engine import Engine
from local.arc.faults import Faults
from local.arc.process import Process
from local.arc.serving import Listener
from local.arc.settings import ArcSettings


class ArcDouble:
    """Serves within `async with`. Its port and tokens stay the same over crashes and restarts.

    Everything it does about time it does by `clock`: with a clock that stands still, rows wait in
    memory and hours stay hidden until the clock is moved.
    """

    def __init__(
        self, settings: ArcSettings, *, clock: Clock | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.settings: Final = settings
        self.faults: Final = Faults()
        self.accounts: Final = Accounts(settings.admin_token)
        self._clock: Final = clock or SystemClock()
        self._host: Final = host
        self._port = port
        self._engine: Engine | None = None
        self._process: Process | None = None
        self._listener: Listener | None = None
        self._writing_out: asyncio.Task[None] | None = None
        self._crashing: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}"

    @property
    def process(self) -> Process:
        """The one that runs. Raises RuntimeError while none does."""
        if self._process is None:
            raise RuntimeError("the double of Arc is not running")
        return self._process

    def token(self, *permissions: str) -> str:
        """A new token with these permissions; read and write where none are named."""
        return self.accounts.create("made by a test", permissions or DEFAULT)

    async def __aenter__(self) -> "ArcDouble":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """A new process on the same files; with a log, what it holds is buffered once more."""
        self._engine = self._engine or Engine(self.settings.memory_limit_mb, self.settings.threads)
        process = Process(
            self.settings,
            clock=self._clock,
            engine=self._engine,
            faults=self.faults,
            accounts=self.accounts,
        )
        await process.recover()
        self._process = process
        self._writing_out = asyncio.create_task(process.write_out(), name="arc-double-buffers")
        await self.accept()

    async def accept(self) -> None:
        """Connections are taken again."""
        listener = Listener(create_app(self.process, control_routes(self)))
        self._port = await listener.start(self._host, self._port)
        self._listener = listener

    async def refuse(self) -> None:
        """Connections are refused from now on, and those that are open reset; the process goes on."""
        if self._listener is not None:
            listener, self._listener = self._listener, None
            await listener.abort()

    async def stop(self) -> None:
        """As on SIGTERM: what was asked is answered, what waits in memory is written out."""
        if self._process is not None:
            self._process.stopping.set()
        if self._listener is not None:
            listener, self._listener = self._listener, None
            await listener.stop()
        await self._end_writing_out()
        if self._process is not None:
            process, self._process = self._process, None
            await _stopped(process)

    async def crash(self, *, unsynced: int = 0) -> None:
        """As on SIGKILL: what waits in memory is lost; `start` replays the log, where there is one.

        `unsynced` is how many of the last writes had not reached the log either.
        """
        await self.refuse()
        await self._end_writing_out()
        if self._process is not None:
            process, self._process = self._process, None
            process.crash(unsynced)

    async def restart(self) -> None:
        """`stop`, or after a crash nothing, and `start`."""
        await self.stop()
        await self.start()

    async def close(self) -> None:
        """Stops, and frees what it holds. May be called twice."""
        if self._crashing is not None:
            await asyncio.wait([self._crashing])
        await self.stop()
        if self._engine is not None:
            engine, self._engine = self._engine, None
            engine.close()

    async def flush(self) -> None:
        """Writes out what waits in memory. Raises FlushFailed."""
        await self.process.buffers.flush()

    def compaction(self, database: str, measurement: str) -> contextlib.AbstractAsyncContextManager[int]:
        """Within it, each row of an hour with several files shows twice."""
        return compaction(self.process, database, measurement)

    async def compact(self, database: str, measurement: str, *, seconds: float) -> int:
        """Compacts, showing rows twice for so long; how many files were replaced."""
        async with self.compaction(database, measurement) as files:
            await asyncio.sleep(seconds)
        return files

    async def crash_soon(self, *, unsynced: int, down_for: float) -> None:
        async def crash() -> None:
            await asyncio.sleep(0.05)  # the answer goes out first
            await self.crash(unsynced=unsynced)
            await asyncio.sleep(down_for)
            await self.start()

        self._crashing = asyncio.create_task(crash(), name="arc-double-crash")

    def state(self) -> dict[str, Any]:
        """What goes on inside, for those who watch a process."""
        process = self.process
        return {
            "fatal": process.fatal,
            "active_buffers": process.buffers.active,
            "buffered": process.buffers.stats.buffered,
            "written": process.buffers.stats.written,
            "last_error": process.buffers.stats.last_error,
            "root": str(self.settings.root),
        }

    async def _end_writing_out(self) -> None:
        if self._writing_out is not None:
            task, self._writing_out = self._writing_out, None
            task.cancel()
            await asyncio.wait([task])


async def _stopped(process: Process) -> None:
    if process.fatal:
        process.crash(0)
        return
    with contextlib.suppress(FlushFailed):
        await process.buffers.flush()
    process.stop()
