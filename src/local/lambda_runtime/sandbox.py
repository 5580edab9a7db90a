"""One sandbox: the real Lambda runtime client in a process of its own, behind a Runtime API."""

import asyncio
import contextlib
import os
import signal
import sys
import time
import uuid
from asyncio.subprocess import Process
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from local import tied
from local.arc.serving import Listener
from local.lambda_runtime.outcome import Outcome, exited, failure, timed_out
from local.lambda_runtime.runtime_api import Invocation, RuntimeApi

_HOST: Final = "127.0.0.1"
_TIED: Final = Path(tied.__file__)
"""Whoever runs sandboxes takes them along when it dies, frozen ones too."""
_CLOSING: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What a sandbox runs, and with what."""

    handler: str
    environ: Mapping[str, str] = field(repr=False)
    """All that the process sees of an environment, besides what Lambda itself sets."""
    log: Path
    """Where all that is printed goes."""
    python: str = sys.executable
    timeout: float = 28.0
    init_timeout: float = 10.0
    freezes: bool = True
    """Whether the process is stopped between invocations, as Lambda does it."""


class Sandbox:
    """Runs one invocation at a time. Dead after a timeout, a crash or a failed start."""

    def __init__(self, code: Code) -> None:
        self._code = code
        self._api = RuntimeApi()
        self._listener = Listener(self._api)
        self._process: Process | None = None
        self._frozen = False

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_frozen(self) -> bool:
        return self._frozen

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> Outcome | None:
        """Starts the process and waits until it asks for work. What went wrong, if it never did."""
        port = await self._listener.start(_HOST, 0)
        with self._code.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                self._code.python,
                str(_TIED),
                str(os.getpid()),
                "awslambdaric",
                self._code.handler,
                env={**_lambda_environ(self._code), "AWS_LAMBDA_RUNTIME_API": f"{_HOST}:{port}"},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        failed = await self._initialised()
        if failed is not None:
            await self.kill()
            return failed
        self._freeze()
        return None

    async def invoke(self, payload: bytes, trace: str = "") -> Outcome:
        """One invocation, ended at the function's timeout at the latest."""
        seconds = self._code.timeout
        work = Invocation(str(uuid.uuid4()), payload, round((time.time() + seconds) * 1000), trace)
        self._api.give(work)
        self._thaw()
        try:
            return await self._ended(work, seconds)
        except asyncio.CancelledError:
            await self.kill()  # nobody knows how far it is
            raise

    async def _ended(self, work: Invocation, seconds: float) -> Outcome:
        ended = await _first(seconds, work.outcome, self._gone())
        if ended is None:
            await self.kill()
            return timed_out(work.request_id, seconds)
        if not work.outcome.done():
            await self.kill()
            return exited(work.request_id, self._returncode())
        await _first(seconds, asyncio.ensure_future(self._api.idle.wait()), self._gone())
        self._freeze()
        return work.outcome.result()

    async def kill(self) -> None:
        """Ends the process at once, and the API; may be called twice."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        self._api.close()
        await self._listener.stop(_CLOSING)

    async def _initialised(self) -> Outcome | None:
        idle = asyncio.ensure_future(self._api.idle.wait())
        ended = await _first(self._code.init_timeout, idle, self._api.init_error, self._gone())
        if self._api.init_error.done():
            return self._api.init_error.result()
        if ended is None:
            return failure("Sandbox.Timedout", f"INIT timed out after {self._code.init_timeout:.2f} seconds")
        if not self._api.idle.is_set():
            return exited("init", self._returncode())
        return None

    def _gone(self) -> "asyncio.Future[int]":
        assert self._process is not None
        return asyncio.ensure_future(self._process.wait())

    def _returncode(self) -> int | None:
        assert self._process is not None
        return self._process.returncode

    def _freeze(self) -> None:
        if self._code.freezes and self.is_alive:
            os.killpg(self.pid, signal.SIGSTOP)
            self._frozen = True

    def _thaw(self) -> None:
        if self._frozen and self.is_alive:
            os.killpg(self.pid, signal.SIGCONT)
        self._frozen = False


async def _first(seconds: float, *awaited: "asyncio.Future[Any]") -> "asyncio.Future[Any] | None":
    """The first of them to be done; None when the time is over. Waits no longer for the others."""
    done, rest = await asyncio.wait(awaited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for one in rest:
        if isinstance(one, asyncio.Task):
            one.cancel()
    await asyncio.gather(*(one for one in rest if isinstance(one, asyncio.Task)), return_exceptions=True)
    return next(iter(done), None)


def _lambda_environ(code: Code) -> dict[str, str]:
    given = {
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_LAMBDA_FUNCTION_NAME": "memtrace-edge",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": "us-east-1",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "_HANDLER": code.handler,
    }
    return {**given, **code.environ}
