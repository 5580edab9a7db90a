"""Compaction, slowed down: between merging and tidying up every row is there twice, as with Arc."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from core.adapters.events.literal import literal
from local.arc.engine import Statements
from local.arc.files import Files
from local.arc.process import Process


@contextlib.asynccontextmanager
async def compaction(process: Process, database: str, measurement: str) -> AsyncIterator[int]:
    """Each folder's files as one; within, rows show twice. Yields how many files are being replaced.

    On leaving the sources go and the caches are cleared. Raises QueryFailed.
    """
    folders: dict[Path, list[Path]] = {}
    for path in process.files.all(database, measurement):
        folders.setdefault(path.parent, []).append(path)
    many = [paths for paths in folders.values() if len(paths) > 1]

    def merge(statements: Statements) -> None:
        for paths in many:
            _merge(statements, process.files, paths)

    await process.engine.run(merge)
    yield sum(map(len, many))
    for path in (path for paths in many for path in paths):
        path.unlink(missing_ok=True)
    process.partitions.clear()


def _merge(statements: Statements, files: Files, paths: list[Path]) -> None:
    sources = ", ".join(literal(str(path)) for path in paths)
    target = paths[0].with_name(f"{paths[0].stem}_compacted.parquet")
    staged = target.with_suffix(".tmp")
    files.copy(
        statements, f"SELECT * FROM read_parquet([{sources}], union_by_name = true) ORDER BY time", staged
    )
    staged.rename(target)
