"""Deletion by rewriting files, with what is wrong about it. Blocking: for worker threads.

What waits in memory is not touched. A file that holds a match also loses the rows for which the
predicate is NULL, though the count before does not include them.
"""

from pathlib import Path
from typing import NamedTuple

from core.adapters.events.literal import literal
from local.arc.deletion_rules import Order
from local.arc.engine import QueryFailed, Statements
from local.arc.faults import Faults
from local.arc.files import Files


class Affected(NamedTuple):
    path: Path
    rows: int


class Outcome(NamedTuple):
    deleted: int
    rewritten: list[str]
    failed: list[str]


def affected(statements: Statements, files: Files, order: Order) -> list[Affected]:
    """Every file of the measurement that holds a match. One that cannot be read is passed over."""
    every = files.all(order.database, order.measurement)
    if not every:
        return []
    source = (
        f"read_parquet([{', '.join(literal(str(p)) for p in every)}], filename = true, union_by_name = true)"
    )
    count = f"SELECT filename, count(*) FROM {source} WHERE {order.where}\nGROUP BY filename"
    try:
        return [Affected(Path(name), int(rows)) for name, rows in sorted(statements.rows(count))]
    except QueryFailed:
        return [found for path in every if (found := _affected(statements, path, order.where)).rows]


def _affected(statements: Statements, path: Path, where: str) -> Affected:
    try:
        rows = statements.rows(f"SELECT count(*) FROM read_parquet({literal(str(path))}) WHERE {where}")
    except QueryFailed:
        return Affected(path, 0)
    return Affected(path, int(rows[0][0]))


def delete(
    statements: Statements, files: Files, found: list[Affected], where: str, faults: Faults
) -> Outcome:
    """File by file; one that fails stays as it was, and the others go on."""
    outcome = Outcome(0, [], [])
    for path, _ in found:
        try:
            if faults.take_rewrite():
                raise QueryFailed("made to fail")
            outcome = outcome._replace(deleted=outcome.deleted + _rewrite(statements, files, path, where))
            outcome.rewritten.append(path.name)
        except (QueryFailed, OSError):
            outcome.failed.append(path.name)
    return outcome


def _rewrite(statements: Statements, files: Files, path: Path, where: str) -> int:
    source = f"read_parquet({literal(str(path))})"
    counts = f"SELECT count(*), count(*) FILTER (WHERE NOT ({where})) FROM {source}"
    before, after = statements.rows(counts)[0]
    if after == 0:
        path.unlink()
        return int(before)
    staged = path.parent / ".tmp" / f"{path.name}.new"
    staged.parent.mkdir(exist_ok=True)
    files.copy(statements, f"SELECT * FROM {source} WHERE NOT ({where})", staged)
    staged.rename(path)
    staged.parent.rmdir()
    return int(before - after)
