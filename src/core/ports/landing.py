"""What the journal does about memories that reach a store by another road than its own."""

from collections.abc import Sequence
from typing import Protocol

from core.model.deletion import Graves
from core.model.memory import Micros, OrgId


class Landing(Protocol):
    """Makes room in the journal's view of an org for memories that others put into its store."""

    async def buried(self, org_id: OrgId, times: Sequence[Micros]) -> Graves:
        """All deletions of the org, also those long carried out; of single memories those at these times."""
        ...

    async def ask_store_through(self, org_id: OrgId, time: Micros) -> None:
        """From now on readers ask the store for everything up to `time`. In one transaction; may be repeated.

        What is unsettled stays in the tail, whatever its time.
        """
        ...

    async def claim(
        self, org_id: OrgId, claims: Sequence[tuple[bytes, Micros]], alive_since: Micros, most: int
    ) -> int:
        """Gives these memories their dedup keys, where nobody alive holds them; how many got them.

        In small transactions; may be repeated. No more than `most` claims of the org are held then.
        """
        ...

    async def is_moving(self, org_id: OrgId) -> bool:
        """Whether the org is being moved to another store."""
        ...
