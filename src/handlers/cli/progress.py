"""A bar on standard error where a person looks at it; nothing where none does."""

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def bytes_seen(words: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """What this gives is told how many more bytes were dealt with."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with _bar(words, total, columns) as advance:
        yield advance


@contextlib.contextmanager
def items_seen(words: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """The same for things that are counted."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _bar(words, total, columns) as advance:
        yield advance


@contextlib.contextmanager
def _bar(words: str, total: int | None, columns: tuple[object, ...]) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:  # type: ignore[arg-type]
        task = progress.add_task(words, total=total)
        yield lambda count: progress.advance(task, count)
