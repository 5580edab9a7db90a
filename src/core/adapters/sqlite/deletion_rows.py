"""The table of deletions: its rows as values, and the changes that all who write to it share."""

import secrets
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from core.adapters.sqlite.graves import OTHER_CHANGE, exclusion_in
from core.adapters.sqlite.journal_schema import as_json
from core.model.deletion import Deletion, Grave, Graves
from core.model.memory import Exclusion, Micros, OrgId, Rules

COLUMNS: Final = (
    "id, org_id, requested_at, state, exclusion, time, key, "
    "from_journal, from_store, checked_at, due_at, reason"
)
OPEN: Final = "state != 'closed'"
_NEW_ORG: Final = """INSERT INTO ledger (org_id, settled_through) VALUES (?, ?)
    ON CONFLICT (org_id) DO UPDATE SET org_id = excluded.org_id RETURNING org_no"""


def deletion_of(row: tuple[Any, ...]) -> Deletion:
    """A row of `COLUMNS`."""
    id, org_id, requested_at, state, exclusion, time, key, journal, store, checked_at, due_at, reason = row
    return Deletion(
        id=id,
        org_id=OrgId(org_id),
        requested_at=requested_at,
        state=state,
        exclusion=exclusion_in(exclusion) if exclusion is not None else None,
        grave=(time, key) if exclusion is None else None,
        from_journal=journal,
        from_store=store,
        checked_at=checked_at,
        due_at=due_at,
        reason=reason,
    )


def find(connection: sqlite3.Connection, deletion_id: str) -> Deletion | None:
    row = connection.execute(f"SELECT {COLUMNS} FROM deletions WHERE id = ?", (deletion_id,)).fetchone()
    return deletion_of(row) if row else None


def entered(connection: sqlite3.Connection, org_id: OrgId, now: Micros) -> int | None:
    """The number of an org that is there; one that never wrote gets one: all it has lies in its store."""
    if not connection.execute("SELECT 1 FROM organizations WHERE id = ?", (org_id,)).fetchone():
        return None
    return int(connection.execute(_NEW_ORG, (org_id, now - 1)).fetchone()[0])


def new_id() -> str:
    """`del_` and 24 hex digits."""
    return f"del_{secrets.token_hex(12)}"


def text_of(exclusion: Exclusion) -> str:
    """As the table keeps it."""
    return msgspec.json.encode(exclusion).decode()


def insert(
    connection: sqlite3.Connection,
    deletion_id: str,
    org_id: OrgId,
    now: Micros,
    *,
    exclusion: Exclusion | None = None,
    grave: Grave | None = None,
) -> None:
    """A pending deletion, due at once."""
    time, key = grave or (None, None)
    connection.execute(
        """INSERT INTO deletions (id, org_id, requested_at, exclusion, time, key, due_at)
           VALUES (?, ?, ?, ?, ?, ?, ?)""",
        (deletion_id, org_id, now, text_of(exclusion) if exclusion else None, time, key, now),
    )


def extend(connection: sqlite3.Connection, deletion_id: str, now: Micros, exclusion: Exclusion) -> None:
    """Covers this from now on: requested now, pending and due at once."""
    connection.execute(
        """UPDATE deletions SET exclusion = :rule, state = 'pending', requested_at = :now, due_at = :now,
                                reason = '' WHERE id = :id""",
        {"rule": text_of(exclusion), "now": now, "id": deletion_id},
    )


def all_buried(connection: sqlite3.Connection, org_id: OrgId, times: Sequence[Micros]) -> Graves:
    """All that was ever deleted of an org: rules, and graves at these times."""
    rules = connection.execute(
        "SELECT exclusion FROM deletions WHERE org_id = ? AND exclusion IS NOT NULL", (org_id,)
    )
    singles = connection.execute(
        """SELECT deletions.time, deletions.key FROM json_each(?) AS wanted CROSS JOIN deletions
           WHERE deletions.org_id = ? AND deletions.time = wanted.value""",
        (as_json(times), org_id),
    )
    return Graves(Rules(exclusion_in(text) for (text,) in rules), frozenset(singles))


def reopen(connection: sqlite3.Connection, org_id: OrgId, now: Micros, *, closed: bool) -> None:
    """Deletions are carried out once more; `closed` ones only if asked for, and they hide again."""
    which = "" if closed else f"AND {OPEN}"
    connection.execute(
        f"UPDATE deletions SET state = 'pending', due_at = ?, reason = '' WHERE org_id = ? {which}",
        (now, org_id),
    )
    if closed:
        grow_version(connection, org_id)


def grow_version(connection: sqlite3.Connection, org_id: OrgId, by: int = OTHER_CHANGE) -> None:
    """Readers look again."""
    connection.execute(
        "UPDATE ledger SET deletions_version = deletions_version + ? WHERE org_id = ?", (by, org_id)
    )


def keep_stamps_after(connection: sqlite3.Connection, org_id: OrgId, time: Micros) -> None:
    """No memory of the org is stamped at or before this time from now on."""
    connection.execute(
        "UPDATE ledger SET stamped_through = max(stamped_through, ?) WHERE org_id = ?", (time, org_id)
    )
