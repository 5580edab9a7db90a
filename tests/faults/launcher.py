"""`memtrace` as always, but for the faults: at named points a process ends or pauses itself.

The file named by MEMTRACE_TEST_FAULT says what happens next: `<point> <how often it is passed>
<signal>`. Whoever strikes takes the file away first, so that nothing strikes twice. Nothing of
this is in the product: its objects are wrapped here, in these processes alone.
"""

import importlib
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from core.adapters.arc.store import ArcStore
from core.adapters.events.choosing import Policy
from core.adapters.events.merge import Merger
from core.adapters.events.parquet import ParquetStore
from core.adapters.events.partitions import Partitions
from core.adapters.events.survey import Surveyor
from core.adapters.sqlite import journal_schema
from core.adapters.sqlite.appender import Appender
from core.adapters.sqlite.outbox import SqliteOutbox
from core.settings import Settings
from flusher import process
from flusher.ports import FlusherLimits
from handlers.child import Backoff

T = TypeVar("T")
_FAULT: Final = Path(os.environ["MEMTRACE_TEST_FAULT"])
_LISTED_FOR: Final = 0.5
_LOOK_AFTER: Final = 0.7
_HIDES_FOR: Final = 0.5
"""A quarter of the product's times, in the same order. Safe where no binding changes: the flusher
looks only when every listing of before has expired."""
_ARC_HIDES_FOR: Final = 1.0
"""Safe where nobody but us asks the Arc: we never ask for an hour in which nothing settled yet."""
_GRACE: Final = 1.0
"""Safe where no query takes so long."""


def reached(point: str) -> None:
    """Strikes when this is the point, and often enough passed."""
    try:
        wanted, passes, number = _FAULT.read_text().split()
    except FileNotFoundError:
        return
    if wanted != point:
        return
    if int(passes) > 1:
        _FAULT.write_text(f"{wanted} {int(passes) - 1} {number}")
        return
    _FAULT.rename(_FAULT.with_name(f"{_FAULT.name}-struck"))
    os.kill(os.getpid(), int(number))


def swap(module: str, name: str, value: object) -> None:
    """Puts something else in the place of what the module calls by this name."""
    owner = importlib.import_module(module)
    assert hasattr(owner, name)
    setattr(owner, name, value)


def wrap_commits() -> None:
    """`commit.before`, `commit.after`: the group commit of memories, nobody answered yet."""
    commit = Appender._commit

    def wrapped(self: Appender) -> None:
        reached("commit.before")
        commit(self)
        reached("commit.after")

    Appender._commit = wrapped  # type: ignore[method-assign]


def wrap_outbox() -> None:
    """`delivered.before` and `.after`, `settled.before` and `.after`, and two points within settling."""
    outbox = "core.adapters.sqlite.outbox"
    for step in ("delivered", "settled"):
        setattr(SqliteOutbox, step, _wrapped(step, getattr(SqliteOutbox, step)))

    def counted(*args: Any, **kwargs: Any) -> None:
        journal_schema.count_in_ledger(*args, **kwargs)
        reached("settling.uncommitted")

    def between(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
        for chunk in journal_schema.chunks(items, size):
            yield chunk
            reached("chunk.committed")

    swap(outbox, "count_in_ledger", counted)
    swap(outbox, "chunks", between)


def _wrapped(step: str, work: Callable[..., Awaitable[int]]) -> Callable[..., Awaitable[int]]:
    async def wrapped(*args: Any, **kwargs: Any) -> int:
        reached(f"{step}.before")
        done = await work(*args, **kwargs)
        reached(f"{step}.after")
        return done

    return wrapped


def wrap_store() -> None:
    """The store's own probes: `staged`, `renamed`, and those of merges, which come early and often."""

    def surveyor(partitions: Partitions, policy: Policy, grace: float, stale: float) -> Surveyor:
        return Surveyor(partitions, policy, _GRACE, stale)

    swap("core.bootstrap.parts", "ParquetStore", partial(ParquetStore, probe=reached))
    swap("core.bootstrap.parts", "_HIDES_FOR", _HIDES_FOR)
    ArcStore.hides_for = _ARC_HIDES_FOR
    swap("core.adapters.events.partitions", "MAX_AGE", _LISTED_FOR)
    swap("core.bootstrap.flusher", "Merger", partial(Merger, policy=Policy(alike=3), probe=reached))
    swap("core.adapters.events.merge", "Surveyor", surveyor)


def hurry() -> None:
    """A flusher that died is started again at once; files and stores are looked at all the time."""

    def limits_of(settings: Settings) -> FlusherLimits:
        return replace(
            process.limits_of(settings),
            look_after=_LOOK_AFTER,
            bindings_every=0.2,
            check_every=0.5,
            merge_every=0.3,
            merge_on=0.3,
        )

    swap("handlers.child", "Backoff", partial(Backoff, first=0.05, most=0.05))
    swap("flusher.__main__", "limits_of", limits_of)


def main() -> None:
    wrap_commits()
    wrap_outbox()
    wrap_store()
    hurry()
    swap("handlers.cli.serving", "_program", lambda: Path(__file__))
    from handlers.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
