"""Moving an org from one store to another, as the journal sees it."""

from collections.abc import Sequence
from typing import Protocol

from core.model.deletion import Graves
from core.model.memory import Micros, OrgId
from core.model.tenant import SealedBinding


class Moves(Protocol):
    """While a move is in force, nothing of its org settles: the journal keeps what the move may miss.

    A move that is not renewed ends by itself, and then everything goes on as before.
    """

    async def begin(self, org_id: OrgId, token: str, seconds: float) -> None:
        """Raises Conflict while another move of this org is in force."""
        ...

    async def renew(self, org_id: OrgId, token: str, seconds: float) -> None:
        """Raises Conflict, changing nothing, when the move is over: something may have settled."""
        ...

    async def finish(self, org_id: OrgId, token: str, binding: SealedBinding, *, has_deleted: bool) -> None:
        """Puts the new binding in force and ends the move, in one transaction.

        Open deletions are to be carried out again, in the new store; closed ones too where it
        `has_deleted` memories. Raises Conflict, changing nothing, when the move is over.
        """
        ...

    async def abandon(self, org_id: OrgId, token: str) -> None:
        """Ends the move and leaves the binding as it was; does nothing when it is over."""
        ...

    async def requeue(self, org_id: OrgId) -> int:
        """delivered → owed, in small turns: what the old store was given goes to the new one too."""
        ...

    async def buried(self, org_id: OrgId, times: Sequence[Micros]) -> Graves:
        """All deletions of the org, also those long carried out; of single memories those at these times."""
        ...

    async def is_moving(self, org_id: OrgId) -> bool: ...
