"""The journal in DynamoDB, as any number of processes at once see it."""

import asyncio
from collections.abc import Sequence
from typing import Final

from core.adapters.dynamodb.client import Dynamo
from core.adapters.dynamodb.journal.admission import SLOW_SECONDS, Admission
from core.adapters.dynamodb.journal.graves import GraveBook, may_be_covered
from core.adapters.dynamodb.journal.requests import Request, note, note_told, unnamed
from core.adapters.dynamodb.journal.stamps import Stamps
from core.adapters.dynamodb.journal.standing import Shards, Standing
from core.adapters.dynamodb.journal.storing import Entry, Storing
from core.adapters.dynamodb.journal.tail import DynamoJournalReader
from core.adapters.dynamodb.keys import row_key
from core.model.deletion import Graves
from core.model.errors import MetadataBusy, ShuttingDown
from core.model.journal_limits import JournalLimits
from core.model.memory import Draft, Micros, OrgId, claim_key, id_from_claim, stamped
from core.ports import Clock, IdempotencyKey, Receipt
from core.telemetry import Metrics

_TAKE_OVERS: Final = 4
"""How often somebody else may be quicker to take over what was deleted."""


class DynamoJournal(DynamoJournalReader):
    """Implements `Journal`, in as many processes at once as there are. Lives on one event loop.

    Atomic per memory: where an append raises, some of its memories may have been stored, and are
    owed then; the same call, repeated with its idempotency key, finds them. Only the org's own limits
    hold: a table has no end. Beside the port's errors, MetadataBusy and RequestTooLarge.
    """

    def __init__(
        self,
        dynamo: Dynamo,
        *,
        clock: Clock,
        metrics: Metrics,
        limits: JournalLimits,
        window: Micros,
        grace: Micros,
        shards: int,
    ) -> None:
        """`window`: how long a claim holds. `grace`: how long the queue has before a sweep looks at a row.

        `shards`: partitions of orgs that write for the first time.
        """
        book = GraveBook(dynamo)
        known = Shards(dynamo)
        super().__init__(dynamo, clock=clock, window=window, book=book, shards=known)
        self._metrics = metrics
        self._grace = grace
        self._stamps = Stamps(clock=clock)
        self._admission = Admission(dynamo, clock=clock, stamps=self._stamps, limits=limits, shards=shards)
        self._closed = False

    async def append(
        self, org_id: OrgId, drafts: Sequence[Draft], idempotency: IdempotencyKey | None
    ) -> list[Receipt]:
        """As the port says, ended within the table's timeout. Of a cancelled call all may be stored."""
        if self._closed:
            raise ShuttingDown()
        try:
            async with asyncio.timeout(self._dynamo.timeout):
                return await self._append(org_id, drafts, idempotency)
        except TimeoutError:
            raise MetadataBusy() from None

    def close(self) -> None:
        """Refuses what comes from now on; what is under way is still answered."""
        self._closed = True

    async def _append(
        self, org_id: OrgId, drafts: Sequence[Draft], idempotency: IdempotencyKey | None
    ) -> list[Receipt]:
        started = self._clock.monotonic()
        standing = await self._admission.admit(org_id, len(drafts))
        self._shards.learn(standing)
        entries: list[Entry] = []
        try:
            receipts = await self._stored(standing, drafts, idempotency, entries, started)
        finally:
            new = [entry for entry in entries if entry.is_new]
            size = sum(entry.row["size"] for entry in new)
            self._admission.correct(org_id, rows=len(new) - len(drafts), size=size)
        self._metrics.observe("memtrace_commit_seconds", self._clock.monotonic() - started)
        self._metrics.observe("memtrace_commit_rows", len(receipts))
        return receipts

    async def _stored(
        self,
        standing: Standing,
        drafts: Sequence[Draft],
        idempotency: IdempotencyKey | None,
        entries: list[Entry],
        started: float,
    ) -> list[Receipt]:
        """The receipts; what is stored on the way is in `entries`, also where it raises."""
        org_id, shards, now = standing.org_id, standing.shards, self._clock.micros()
        first: dict[bytes, Draft] = {}
        for draft in drafts:
            first.setdefault(claim_key(draft.dedup_key), draft)
        times = self._stamps.take(len(first), after=standing.stamped_through)
        request = unnamed()
        if idempotency is not None:
            request = await note(self._dynamo, org_id, shards, idempotency, now, self._window)
        storing = Storing(self._dynamo, org_id, shards, request, now, self._window, self._grace, self._stamps)
        entries.extend(
            storing.entry(draft, key, time) for (key, draft), time in zip(first.items(), times, strict=True)
        )
        await storing.store(entries)
        for _ in range(_TAKE_OVERS):
            if not await self._may_take_over(storing, entries):
                break
            await storing.store(entries)
        await self._decide(request, entries)
        while self._clock.monotonic() - started > SLOW_SECONDS:
            started = self._clock.monotonic()
            await self._outlive(storing, entries)
            await self._decide(request, entries)
        return _receipts(org_id, drafts, entries)

    async def _may_take_over(self, storing: Storing, entries: Sequence[Entry]) -> bool:
        """Whether some claims that are in force are those of deleted memories, and may be taken over.

        Not for a request that was told of them before. What was deleted must be known as it is now:
        what is written after a deletion's answer is never a duplicate of what it deleted.
        """
        held = [entry for entry in entries if entry.outcome is None and entry.held is not None]
        if not held or storing.request.was_told:
            return False
        version = (await self._admission.current(storing.org_id)).deletions_version
        if not version:
            return False
        graves = await self._book.of(storing.org_id, version)
        for entry in held:
            entry.takes_over = await self._is_deleted(storing, entry, graves)
        return any(entry.takes_over for entry in held)

    async def _is_deleted(self, storing: Storing, entry: Entry, graves: Graves) -> bool:
        """Of a settled memory only the store knows whom it belonged to: rather stored than refused."""
        assert entry.held is not None
        held: Micros = entry.held["time"]
        if (held, entry.key) in graves.identities:
            return True
        place = row_key(storing.org_id, storing.shards, held)
        row = await self._dynamo.get(place, only=("agent", "session", "key"))
        if row is not None and row["key"] == entry.key:
            session, agent = row.get("session", ""), row["agent"]
            return graves.excludes(held, session, agent)
        return await may_be_covered(self._dynamo, storing.org_id, held)

    async def _outlive(self, storing: Storing, entries: Sequence[Entry]) -> None:
        """Stamps anew what was stored so slowly that a deletion of what came before it covers it by now."""
        standing = await self._admission.current(storing.org_id)
        suspects = [e for e in entries if e.is_new and e.memory.time <= standing.stamped_through]
        if not suspects:
            return
        graves = await self._book.of(storing.org_id, standing.deletions_version)
        covered = [
            entry
            for entry in suspects
            if graves.excludes(entry.memory.time, entry.memory.session_id, entry.memory.agent_id)
        ]
        if covered:
            await storing.restamp(covered, standing.stamped_through)

    async def _decide(self, request: Request, entries: Sequence[Entry]) -> None:
        """What is still held by others is a duplicate."""
        for entry in entries:
            if entry.outcome is None and entry.held is not None:
                entry.outcome = entry.held["time"]
        if not all(entry.is_ours for entry in entries):
            await note_told(self._dynamo, request)


def _receipts(org_id: OrgId, drafts: Sequence[Draft], entries: Sequence[Entry]) -> list[Receipt]:
    """One for each draft; of equal ones the first has the memory."""
    left = {entry.key: entry for entry in entries}
    known: dict[bytes, str] = {}
    receipts = []
    for draft in drafts:
        key = claim_key(draft.dedup_key)
        entry = left.pop(key, None)
        if entry is None:
            receipts.append(Receipt(known[key], None))
            continue
        assert entry.outcome is not None
        known[key] = id_from_claim(entry.outcome, key)
        memory = stamped(entry.draft, org_id, entry.outcome) if entry.is_ours else None
        receipts.append(Receipt(known[key], memory))
    return receipts
