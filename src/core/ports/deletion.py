"""Deletions as those who ask for them and the flusher that carries them out see them."""

from collections.abc import Sequence
from typing import Protocol

from core.model.deletion import Deletion, DeletionState, Grave
from core.model.memory import Exclusion, Micros, OrgId
from core.ports.outbox import Lease


class Deletions(Protocol):
    """Tombstones: durable before they are acknowledged, seen by every read that begins after that."""

    async def bury(self, org_id: OrgId, graves: Sequence[Grave]) -> list[Deletion]:
        """Deletes single memories: hidden, out of the journal, their claims freed when this returns.

        In one transaction, or each by itself; broken off, a repeat goes on. One deletion a grave, in
        order; one that was buried before gives its deletion again, in force again where it was
        closed. Raises NotFound (the org) or TooManyDeletions.
        """
        ...

    async def exclude(self, org_id: OrgId, exclusion: Exclusion) -> Deletion:
        """Deletes all that the exclusion covers and that was stamped before this call.

        Hidden at once; `erase` then takes it out of the journal. `until` is lowered to what was
        stamped so far, so nothing acknowledged later is ever covered. One that is open for the same
        session and agents is extended instead of another one made. Raises NotFound (the org) or
        TooManyDeletions.
        """
        ...

    async def erase(self, deletion: Deletion) -> Deletion:
        """Takes what it covers out of the journal (rows, dead letters, claims) in small transactions.

        Answers the deletion as it is then. May be repeated, and goes on where a crash ended it.
        """
        ...

    async def find_deletion(self, org_id: OrgId | None, deletion_id: str) -> Deletion | None:
        """Of this org or, without one, of any."""
        ...

    async def list_deletions(self, org_id: OrgId | None, limit: int) -> list[Deletion]:
        """The newest first."""
        ...


class Undertaker(Protocol):
    """The flusher's side: what is still to be removed from stores. Steps are fenced by the lease."""

    async def due_deletions(self, now: Micros, limit: int) -> list[Deletion]:
        """Open deletions whose `due_at` has come, those due longest first. What a crash left of them
        in the journal is still there: `Deletions.erase` comes before the store.
        """
        ...

    async def free_claims(self, org_id: OrgId, graves: Sequence[Grave], lease: Lease) -> int:
        """Frees the claims that exactly these memories hold; equal ones may be written again.

        For settled memories that an exclusion covers, of the dedup window: only their store knows which
        those are. Done before `progress` says removed: until then the journal takes any older claim for
        one that may be free.
        """
        ...

    async def progress(
        self,
        deletion: Deletion,
        lease: Lease,
        *,
        state: DeletionState,
        from_store: int,
        due_at: Micros | None,
        reason: str,
    ) -> bool:
        """Writes down what one attempt did: `from_store` is added, the rest replaces what was there.

        False when the deletion was extended since: then only `from_store` is written, and it stays
        pending and due.
        """
        ...

    async def retain(self, org_id: OrgId, until: Micros, lease: Lease) -> Deletion | None:
        """The org's one rolling exclusion: all stamped before `until` is deleted, now and for good.

        `until` only grows. None when nothing changed: no such org, or it is that far already.
        """
        ...
