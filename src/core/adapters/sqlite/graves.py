"""What is hidden of an org, as readers and writers of the journal know it."""

import sqlite3
from typing import Final

import msgspec

from core.model.deletion import NO_GRAVES, Graves
from core.model.memory import Exclusion, OrgId, Rules

NEW_GRAVES: Final = 1
OTHER_CHANGE: Final = 1 << 32
"""What a version grows by: its low half counts graves that were added, the high half all other changes."""
_KNOWN_ORGS: Final = 1_024

exclusion_in: Final = msgspec.json.Decoder(Exclusion).decode


class GraveBook:
    """Keeps what was read last of each org, under its version; may be asked on any thread.

    An org that never deleted anything costs nothing, and one more grave costs one more row.
    """

    def __init__(self) -> None:
        self._known: dict[int, _Page] = {}

    def forget(self) -> None:
        """All that was read: it was another database's."""
        self._known = {}

    def of(self, connection: sqlite3.Connection, org_no: int, org_id: OrgId, version: int) -> Graves:
        """What is hidden in this connection's snapshot, whose ledger shows this version."""
        if not version:
            return NO_GRAVES
        known = self._known.get(org_no)
        if known is not None and known.version == version:
            return known.graves
        if (
            known is None
            or known.version > version
            or known.version // OTHER_CHANGE != version // OTHER_CHANGE
        ):
            known = _NOTHING
        page = _read_on(connection, org_id, known, version)
        if len(self._known) >= _KNOWN_ORGS:
            self._known.clear()
        self._known[org_no] = page
        return page.graves


class _Page(msgspec.Struct, frozen=True):
    version: int
    last: int
    """The newest row of `deletions` that was read."""
    graves: Graves


_NOTHING: Final = _Page(0, 0, NO_GRAVES)


def _read_on(connection: sqlite3.Connection, org_id: OrgId, known: _Page, version: int) -> _Page:
    rows = connection.execute(
        """SELECT rowid, exclusion, time, key FROM deletions
           WHERE org_id = ? AND state != 'closed' AND rowid > ? ORDER BY rowid""",
        (org_id, known.last),
    ).fetchall()
    exclusions = known.graves.exclusions
    if more := [exclusion_in(text) for _, text, _, _ in rows if text is not None]:
        exclusions = Rules([*exclusions, *more])
    identities = frozenset((time, key) for _, text, time, key in rows if text is None)
    graves = Graves(exclusions, known.graves.identities | identities)
    return _Page(version, rows[-1][0] if rows else known.last, graves)
