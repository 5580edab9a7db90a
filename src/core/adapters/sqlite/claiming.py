"""Claims for memories that reached their store by another road than this journal."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from core.adapters.sqlite.journal_schema import count_in_ledger, org_number
from core.model.memory import Micros, OrgId

_CLAIM: Final = """INSERT INTO claims (org_no, key, time) VALUES (:org, :key, :time)
    ON CONFLICT (org_no, key) DO UPDATE SET time = excluded.time, token = NULL
    WHERE claims.time < excluded.time AND claims.time <= :alive_since
        AND NOT EXISTS (SELECT 1 FROM journal WHERE journal.time = claims.time)"""
"""Only a settled claim whose window is over gives way."""

Claim = tuple[bytes, Micros]


def claim_stored(
    connection: sqlite3.Connection,
    org_id: OrgId,
    claims: Sequence[Claim],
    *,
    now: Micros,
    alive_since: Micros,
    most: int,
) -> int:
    """How many of these got their key, inside the caller's transaction; an org that is gone gets none.

    No more than `most` claims of the org are held then.
    """
    connection.execute(
        """INSERT OR IGNORE INTO ledger (org_id, settled_through)
           SELECT id, ? FROM organizations WHERE id = ?""",
        (now, org_id),
    )
    org_no = org_number(connection, org_id)
    if org_no is None:  # deleted meanwhile
        return 0
    (held,) = connection.execute("SELECT claims FROM ledger WHERE org_no = ?", (org_no,)).fetchone()
    taken = new = 0
    for key, time in claims[: max(0, most - held)]:
        is_new = not _is_held(connection, org_no, key)
        claim = {"org": org_no, "key": key, "time": time, "alive_since": alive_since}
        taken += connection.execute(_CLAIM, claim).rowcount
        new += is_new
    count_in_ledger(connection, org_no, claims=new)
    return taken


def _is_held(connection: sqlite3.Connection, org_no: int, key: bytes) -> bool:
    found = connection.execute("SELECT 1 FROM claims WHERE org_no = ? AND key = ?", (org_no, key)).fetchone()
    return found is not None
