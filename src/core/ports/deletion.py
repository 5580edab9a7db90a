"""Deletions as those who ask for them and the flusher that carries them out see them."""

from collections.abc import Sequence
from typing import Protocol

from core.model.deletion import Deletion, DeletionState, Grave
from core.model.memory import Exclusion, Micros, OrgId
from core.ports.outbox import Lease


class Deletions(Protocol):
    """Tombstones: durable before they are acknowledged, seen by every read that begins after that."""

    async def bury(self, org_id: OrgId, graves: Sequence[Grave]) -> list[Deletion]:
        """Deletes single memories: hidden, out of the journal, their claims freed, in one transaction.

        One deletion a grave, in order; one that was buried before gives its deletion again. Raises
        NotFound (the org) or TooManyDeletions.
        """
        ...

    async def exclude(self, org_id: OrgId, exclusion: Exclusion) -> Deletion:
        """Deletes all that the exclusion covers and that was stamped before this call.

        Hidden at once; `erase` then takes it out of the journal. `until` is lowered to what was
        stamped so far, so nothing acknowledged later is ever covered.
        """
        ...

    async def erase(self, deletion: Deletion) -> Deletion:
        """Takes what it covers out of the journal (rows, dead letters, claims) in small transactions.

        May be repeated, and go on where a crash ended it.
        """
        ...

    async def find_deletion(self, org_id: OrgId, deletion_id: str) -> Deletion | None: ...

    async def list_deletions(self, org_id: OrgId | None, limit: int) -> list[Deletion]:
        """The newest first."""
        ...


class Undertaker(Protocol):
    """The flusher's side: what is still to be removed from stores. Steps are fenced by the lease."""

    async def due_deletions(self, now: Micros, limit: int) -> list[Deletion]:
        """Open deletions whose `due_at` has come, oldest first."""
        ...

    async def free_claims(self, org_id: OrgId, graves: Sequence[Grave], lease: Lease) -> int:
        """Frees the claims that exactly these memories hold; equal ones may be written again."""
        ...

    async def progress(
        self,
        deletion_id: str,
        lease: Lease,
        *,
        state: DeletionState,
        from_store: int,
        due_at: Micros | None,
        reason: str,
    ) -> None:
        """Writes down what one attempt did: `from_store` is added, the rest replaces what was there."""
        ...
