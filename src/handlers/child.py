"""A process beside ours: a child that is started, watched, started again, and ended with us.

The child's standard input is a pipe whose other end only this process holds: when this process
dies, however it dies, the child reads the end of it and stops.
"""

import asyncio
import contextlib
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from core import telemetry

_KILL_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds before a child that ended by itself is started again: doubling, reset by a long life."""

    first: float = 0.5
    most: float = 30.0
    long_life: float = 60.0

    def after(self, previous: float | None, lived: float) -> float:
        if previous is None or lived >= self.long_life:
            return self.first
        return min(previous * 2, self.most)


class Child:
    """One command, kept running until `stop`."""

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        *,
        backoff: Backoff | None = None,
        died: telemetry.EventName = "flusher_died",
    ) -> None:
        """`died` is what is logged when it ended by itself."""
        self._died = died
        self._command = tuple(command)
        self._environ = dict(environ)
        self._backoff = backoff or Backoff()
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The running process, if one runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def run(self) -> None:
        """Starts it, and again whenever it ends by itself; returns after `stop`. Leaves none behind."""
        try:
            await self._keep_alive()
        finally:
            self.kill()
            self._ended.set()

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        delay: float | None = None
        while not self._stopping.is_set():
            began = loop.time()
            reason = await self._live()
            if self._stopping.is_set():
                return
            delay = self._backoff.after(delay, loop.time() - began)
            telemetry.error(self._died, reason=reason, restart_in=delay)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _live(self) -> str:
        """One life of the process; how it ended."""
        try:
            # A session of its own: Ctrl-C at the terminal is for the server, which ends it in order.
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, env=self._environ, start_new_session=True
            )
        except OSError as e:
            return f"cannot be started: {e.strerror}"
        if self._stopping.is_set():
            self._signal(signal.SIGTERM)  # `stop` came while it was being started
        code = await self._process.wait()
        return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"

    async def stop(self, seconds: float) -> bool:
        """Asks it to end in order; ends it after `seconds`. True when it went in order.

        For a child whose `run` is a running task.
        """
        self._stopping.set()
        self._signal(signal.SIGTERM)
        if await self._gone(max(seconds, 0)):
            return True
        self.kill()
        await self._gone(_KILL_SECONDS)
        return False

    def kill(self) -> None:
        """Ends it at once."""
        self._signal(signal.SIGKILL)

    async def _gone(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._ended.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
