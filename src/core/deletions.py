"""Deleting memories: what callers and operators ask for, and the receipts they get."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.model.deletion import Deletion
from core.model.errors import NoArcInstance, NotFound, StoreError
from core.model.memory import Exclusion, Memory, MemoryFilter, MemoryQuery, Micros, OrgId, claim_key
from core.model.receipt import DeletionReceipt, receipt_of
from core.model.tenant import Principal
from core.ports import Clock, Deletions, SessionStore
from core.recall import Recall

EVER: Final[Micros] = 2**62


@dataclass(frozen=True, slots=True)
class SessionDeleted:
    """Whether there was a record of the session, and what became of its memories where that was asked."""

    had_record: bool
    receipt: DeletionReceipt | None


@dataclass(frozen=True, slots=True)
class Affected:
    """How many distinct, visible memories a deletion would take."""

    journal: int
    """Not settled: owed, delivered or dead."""
    store: int | None
    """In the store alone; None where it does not answer, or there is none."""


class Forgetting:
    """Deletes for whoever may. What it answers for is seen by no read that begins afterwards.

    Taking memories out of the journal is done for `patience` seconds and left to the flusher then;
    taking them out of the store is the flusher's alone.
    """

    def __init__(
        self,
        *,
        deletions: Deletions,
        recall: Recall,
        sessions: SessionStore,
        clock: Clock,
        window: Micros,
        patience: float | None = None,
    ) -> None:
        self._deletions = deletions
        self._recall = recall
        self._sessions = sessions
        self._clock = clock
        self._window = window
        self._patience = patience

    async def find(self, principal: Principal, reference: str) -> Memory:
        """The memory that `forget_memory` would delete; raises as that does."""
        return await self._recall.get(principal, reference)

    async def forget_memory(self, principal: Principal, reference: str) -> DeletionReceipt:
        """Deletes the memory that `Recall.get` finds. Raises NotFound, NoArcInstance, and StoreError where
        only the store can say which memory is meant. A repeat is NotFound.
        """
        memory = await self.find(principal, reference)
        grave = (memory.time, claim_key(memory.dedup_key))
        (deletion,) = await self._deletions.bury(principal.org_id, [grave])
        return self._receipt(deletion)

    async def forget_session(
        self, principal: Principal, session_id: str, *, memories: bool
    ) -> SessionDeleted:
        """Deletes the session's record and, where asked, all its memories up to now.

        Raises NotFound where there is neither. May be repeated.
        """
        org_id = principal.org_id
        record = await self._sessions.find_session(org_id, session_id)
        if record is None and not (memories and await self._has_memories(principal, session_id)):
            raise NotFound("session not found")
        receipt = None
        if memories:
            receipt = await self.forget(org_id, Exclusion(until=EVER, session_id=session_id))
        had_record = await self._sessions.delete_session(org_id, session_id)
        return SessionDeleted(had_record, receipt)

    async def forget(self, org_id: OrgId, exclusion: Exclusion) -> DeletionReceipt:
        """Deletes all that the exclusion covers and that was written before. May be repeated.

        Raises NotFound (the org) or TooManyDeletions.
        """
        deletion = await self._deletions.exclude(org_id, exclusion)
        try:
            async with asyncio.timeout(self._patience):
                deletion = await self._deletions.erase(deletion)
        except TimeoutError:
            deletion = await self._found(org_id, deletion.id)
        return self._receipt(deletion)

    async def affected(self, principal: Principal, exclusion: Exclusion) -> Affected:
        """Counts what `forget` would take now; changes nothing."""
        filter = MemoryFilter(session_id=exclusion.session_id, agent_ids=exclusion.agent_ids)
        until = min(exclusion.until, self._clock.micros() + 1)
        waiting = await self._recall.waiting(principal, filter, until)
        try:
            tally = await self._recall.tally(principal, filter, until, until=until)
        except (StoreError, NoArcInstance):
            return Affected(waiting, None)
        return Affected(waiting, max(0, tally.total - waiting))

    async def receipt(self, org_id: OrgId | None, deletion_id: str) -> DeletionReceipt:
        """How far it is now. Raises NotFound."""
        return self._receipt(await self._found(org_id, deletion_id))

    async def receipts(self, org_id: OrgId | None, limit: int) -> Sequence[DeletionReceipt]:
        """The newest first."""
        return [self._receipt(d) for d in await self._deletions.list_deletions(org_id, limit)]

    async def _found(self, org_id: OrgId | None, deletion_id: str) -> Deletion:
        deletion = await self._deletions.find_deletion(org_id, deletion_id)
        if deletion is None:
            raise NotFound("deletion not found")
        return deletion

    async def _has_memories(self, principal: Principal, session_id: str) -> bool:
        """Also where nobody can say: a deletion too many does no harm."""
        query = MemoryQuery(filter=MemoryFilter(session_id=session_id), limit=1)
        try:
            return bool((await self._recall.search(principal, query)).memories)
        except StoreError:
            return True

    def _receipt(self, deletion: Deletion) -> DeletionReceipt:
        return receipt_of(deletion, self._clock.micros(), self._window)
