"""Which orgs are looked through for owed memories, and when: what one process knows of all rows.

There is no index over all orgs that an append would pay for. What this process postponed it knows;
what it does not know of (lost on the way of the queue, postponed by others, retried by hand) it finds
by looking through the rows of each org now and then, sooner where the ledger shows that something goes on.
"""

from dataclasses import dataclass, field
from typing import Final

from core.adapters.dynamodb.journal.rows import SECOND
from core.adapters.dynamodb.journal.standing import Standing
from core.model.memory import Micros, OrgId

_BUSY: Final = 30 * SECOND
"""How often an org is looked at that has rows, or whose item changed lately."""
_IDLE: Final = 150 * SECOND


@dataclass(slots=True)
class Attention:
    """Shared by the outbox and the ledger of one process."""

    _next: dict[OrgId, Micros] = field(default_factory=dict)
    _seen: dict[OrgId, Standing] = field(default_factory=dict)

    def is_due(self, standing: Standing, now: Micros) -> bool:
        """Whether it is time to look; a change in the ledger makes it time."""
        org_id = standing.org_id
        if self._seen.get(org_id) not in (None, standing):
            self.look(org_id, self._next.get(org_id, 0) - _IDLE + _BUSY)
        self._seen[org_id] = standing
        return self._next.get(org_id, 0) <= now

    def looked(self, standing: Standing, now: Micros, next_due: Micros | None) -> None:
        """The rows were looked through; `next_due` is when the first owed one is due."""
        again = now + (_BUSY if standing.rows else _IDLE)
        self._next[standing.org_id] = again if next_due is None else min(again, next_due)

    def look(self, org_id: OrgId, at: Micros) -> None:
        """At this time at the latest, something of this org is due."""
        self._next[org_id] = min(self._next.get(org_id, at), at)

    def keep(self, orgs: set[OrgId]) -> None:
        """Forgets all orgs but these."""
        for known in (self._next, self._seen):
            for org_id in known.keys() - orgs:
                del known[org_id]
