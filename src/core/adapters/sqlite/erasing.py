"""Takes deleted memories out of the journal: rows, dead letters and claims, inside the caller's transaction.

A claim that such a memory held is free for others, but the request that made it is known until the
window is over: a late retry of it is answered as it was answered then, and stores nothing.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

from core.adapters.sqlite.journal_schema import as_json, count_in_ledger
from core.model.deletion import Graves
from core.model.memory import Micros, claim_key

LOOKED_AT: Final = 4_096
"""Rows looked at in one snapshot."""
FREE_CLAIM: Final = "UPDATE claims SET time = -time WHERE org_no = ? AND key = ? AND time = ?"
"""A claim of a time below zero is free."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """What decides whether a memory is covered; its line in the journal decodes to it."""

    time: Micros
    dedup_key: str
    session_id: str
    agent_id: str

    def is_in(self, graves: Graves) -> bool:
        return graves.covers(self.time, self.dedup_key, self.session_id, self.agent_id)


place_in: Final = msgspec.json.Decoder(Place).decode


def covered_rows(
    connection: sqlite3.Connection, org_no: int, graves: Graves, after: Micros
) -> tuple[list[Micros], Micros | None]:
    """Times of covered rows among the next ones after `after`, and where those end; None at the end."""
    if graves.identities:
        times = sorted({time for time, _ in graves.identities})
        return [
            time for time, line in _rows_at(connection, org_no, times) if place_in(line).is_in(graves)
        ], None
    until = max((exclusion.until for exclusion in graves.exclusions), default=0)
    rows = connection.execute(
        """SELECT time, CASE WHEN org_no = ? THEN payload END FROM journal
           WHERE time > ? AND time < ? ORDER BY time LIMIT ?""",
        (org_no, after, until, LOOKED_AT),
    ).fetchall()
    found = [time for time, line in rows if line is not None and place_in(line).is_in(graves)]
    return found, rows[-1][0] if len(rows) == LOOKED_AT else None


def erase_rows(connection: sqlite3.Connection, org_no: int, times: Sequence[Micros], graves: Graves) -> int:
    """Drops those of these rows that are there and covered; how many."""
    gone = size = 0
    for time, line in _rows_at(connection, org_no, times):
        place = place_in(line)
        if not place.is_in(graves):
            continue
        connection.execute(FREE_CLAIM, (org_no, claim_key(place.dedup_key), time))
        connection.execute("DELETE FROM dead_letters WHERE time = ?", (time,))
        connection.execute("DELETE FROM journal WHERE time = ?", (time,))
        gone += 1
        size += len(line)
    if gone:
        count_in_ledger(connection, org_no, rows=-gone, size=-size)
    return gone


def _rows_at(
    connection: sqlite3.Connection, org_no: int, times: Sequence[Micros]
) -> list[tuple[Micros, bytes]]:
    return connection.execute(
        "SELECT time, payload FROM journal WHERE time IN (SELECT value FROM json_each(?)) AND org_no = ?",
        (as_json(times), org_no),
    ).fetchall()
