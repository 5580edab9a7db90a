"""What the parts of the journal share: the states of a row, org numbers, and forgetting an org."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from core.model.memory import Micros, OrgId

OWED: Final = 0
DELIVERED: Final = 1
DEAD: Final = 2
ALL_ORGS: Final = 0
"""The ledger's row that adds up all orgs."""
CHUNK: Final = 250
"""Rows changed in one transaction beside a busy writer: a few milliseconds of its time."""

T = TypeVar("T")


def chunks(items: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def as_json(times: Sequence[Micros]) -> str:
    """Times as one parameter for `json_each`, whatever their number."""
    return json.dumps(list(times))


def org_number(connection: sqlite3.Connection, org_id: OrgId) -> int | None:
    """The org's number in the journal; None when it never wrote anything."""
    row = connection.execute("SELECT org_no FROM ledger WHERE org_id = ?", (org_id,)).fetchone()
    return row[0] if row and org_id else None


def newest_stamp(connection: sqlite3.Connection) -> Micros:
    """Of all memories of all orgs that were ever committed here; 0 where there were none."""
    row = connection.execute(
        """SELECT max(coalesce((SELECT max(time) FROM journal), 0),
                      (SELECT max(max(settled_through, stamped_through)) FROM ledger))"""
    ).fetchone()
    return int(row[0])


def forget_org(connection: sqlite3.Connection, org_id: OrgId) -> None:
    """Drops all that the journal holds of this org, inside the caller's transaction.

    The records of its deletions go with it: nobody is left to remove anything for.
    """
    connection.execute("DELETE FROM deletions WHERE org_id = ?", (org_id,))
    org_no = org_number(connection, org_id)
    if org_no is None:
        return
    connection.execute(
        "DELETE FROM dead_letters WHERE time IN (SELECT time FROM journal WHERE org_no = ?)", (org_no,)
    )
    for table in ("journal", "claims", "requests"):
        connection.execute(f"DELETE FROM {table} WHERE org_no = ?", (org_no,))
    connection.execute(
        """UPDATE ledger SET
               rows = rows - (SELECT rows FROM ledger WHERE org_no = :org),
               bytes = bytes - (SELECT bytes FROM ledger WHERE org_no = :org),
               claims = claims - (SELECT claims FROM ledger WHERE org_no = :org)
           WHERE org_no = 0""",
        {"org": org_no},
    )
    connection.execute("DELETE FROM ledger WHERE org_no = ?", (org_no,))
    note_content_gone(connection)


def note_content_gone(connection: sqlite3.Connection) -> None:
    """Somebody's content is to be nowhere in the file: whoever checkpoints empties the log soon."""
    connection.execute("UPDATE ledger SET deletions_version = deletions_version + 1 WHERE org_no = 0")


def content_gone(connection: sqlite3.Connection) -> int:
    """Grows whenever that was noted."""
    found = connection.execute("SELECT deletions_version FROM ledger WHERE org_no = 0").fetchone()
    return int(found[0])


def count_in_ledger(
    connection: sqlite3.Connection, org_no: int, *, rows: int = 0, size: int = 0, claims: int = 0
) -> None:
    """Adds these (negative: takes them off) to the org's numbers and to the total."""
    connection.execute(
        "UPDATE ledger SET rows = rows + ?, bytes = bytes + ?, claims = claims + ? WHERE org_no IN (?, 0)",
        (rows, size, claims, org_no),
    )
