"""One append's memories into the table: each with its claim, in one transaction, whatever becomes of others.

A transaction holds up to fifty memories and fails as a whole; then each of them is told apart by what
its claim and its row met, and those that are not decided go again without the others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from core.adapters.dynamodb.client import (
    MOST_BYTES_IN_TRANSACTION,
    MOST_IN_TRANSACTION,
    Cancelled,
    Dynamo,
    Refusal,
    together,
)
from core.adapters.dynamodb.items import Item, size_of
from core.adapters.dynamodb.journal.requests import Request
from core.adapters.dynamodb.journal.rows import claim_of, row_of
from core.adapters.dynamodb.journal.stamps import Stamps
from core.adapters.dynamodb.statements import Put
from core.model.errors import MemtraceError, MetadataBusy
from core.model.memory import Draft, Memory, Micros, OrgId, stamped

_ROUNDS: Final = 12
_CLAIM_BYTES: Final = 512
"""More than a claim takes."""
_FREE: Final = "attribute_not_exists(#pk) OR (#settled = :true AND #time <= :over AND #token <> :token)"
_FREED: Final = " OR (attribute_exists(#freed) AND #token <> :token)"
_HELD: Final = "#time = :held AND #token = :holder"


@dataclass(slots=True)
class Entry:
    """One memory on its way: `outcome` is the time of the memory that holds its key, once that is known."""

    draft: Draft
    key: bytes
    memory: Memory
    row: Item
    outcome: Micros | None = None
    is_ours: bool = False
    """Whether it was this request that stored that memory."""
    is_new: bool = False
    """Whether this call did."""
    held: Item | None = None
    """Somebody else's claim that is in force, unless its memory was deleted."""
    takes_over: bool = False
    """The claim in `held` is known to be of a deleted memory."""


@dataclass(frozen=True, slots=True)
class Storing:
    """What the entries of one request have in common."""

    dynamo: Dynamo
    org_id: OrgId
    shards: int
    request: Request
    now: Micros
    window: Micros
    grace: Micros
    stamps: Stamps

    def entry(self, draft: Draft, key: bytes, time: Micros) -> Entry:
        """Raises RequestTooLarge for a memory that no item can hold."""
        memory = stamped(draft, self.org_id, time)
        return Entry(draft, key, memory, self._row(memory, key))

    async def store(self, entries: Sequence[Entry]) -> None:
        """Goes on until every entry has its outcome or is `held`.

        Raises the first error once all that was begun has ended: what others stored stays stored.
        """
        for _ in range(_ROUNDS):
            waiting = [e for e in entries if e.outcome is None and (e.held is None or e.takes_over)]
            if not waiting:
                return
            errors = await together(partial(self._try, batch) for batch in _batches(waiting))
            for error in errors:
                if error is not None:
                    raise error
        raise MetadataBusy("too many write the same memories at once")

    async def restamp(self, entries: Sequence[Entry], after: Micros) -> None:
        """Stores these, which this call stored before, once more with later stamps and the same claims.

        As `store`; the old rows are left to the deletion that covers them. Raises ClockStepped.
        """
        for entry, time in zip(entries, self.stamps.take(len(entries), after=after), strict=True):
            entry.held = {"time": entry.memory.time, "token": self.request.token}
            entry.takes_over, entry.outcome, entry.is_ours = True, None, False
            entry.memory = stamped(entry.draft, self.org_id, time)
            entry.row = self._row(entry.memory, entry.key)
        await self.store(entries)

    async def _try(self, batch: Sequence[Entry]) -> MemtraceError | None:
        try:
            await self.dynamo.transact([put for entry in batch for put in self._puts(entry)])
        except MemtraceError as error:
            return error
        except Cancelled as cancelled:
            met = cancelled.refusals
            for number, entry in enumerate(batch):
                self._judge(entry, met[2 * number], met[2 * number + 1])
            return None
        for entry in batch:
            entry.outcome, entry.is_ours, entry.is_new = entry.memory.time, True, True
        return None

    def _puts(self, entry: Entry) -> tuple[Put, Put]:
        claim = claim_of(self.org_id, self.shards, entry.key, entry.memory.time, self.request.token)
        values: dict[str, Any]
        if entry.held is not None:
            condition, values = _HELD, {"held": entry.held["time"], "holder": entry.held["token"]}
        else:
            values = {"true": True, "over": self.now - self.window, "token": self.request.token}
            condition = _FREE if self.request.was_told else _FREE + _FREED
        return Put(claim, condition, values), Put(entry.row, "attribute_not_exists(#pk)")

    def _judge(self, entry: Entry, claim: Refusal, row: Refusal) -> None:
        if claim.failed:
            self._judge_claim(entry, claim.item)
        elif row.failed:
            # Another process gave the same stamp to another memory.
            entry.memory = stamped(entry.draft, self.org_id, self.stamps.again())
            entry.row = self._row(entry.memory, entry.key)

    def _judge_claim(self, entry: Entry, held: Item | None) -> None:
        """A claim with our token is our own: an answer was lost, or the request came before."""
        entry.takes_over, entry.held = False, None
        if held is None:
            return  # what was to be taken over is gone: the key is free
        if held["token"] == self.request.token:
            entry.outcome, entry.is_ours = held["time"], True
        elif "freed" in held:
            entry.outcome = held["time"]  # as it was told the first time
        else:
            entry.held = held

    def _row(self, memory: Memory, key: bytes) -> Item:
        due = self.now + self.grace
        return row_of(self.org_id, self.shards, memory, key=key, token=self.request.token, due=due)


def _batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """As many as one transaction takes."""
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        added = size_of(entry.row) + _CLAIM_BYTES
        if batch and (len(batch) == MOST_IN_TRANSACTION // 2 or size + added > MOST_BYTES_IN_TRANSACTION):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += added
    if batch:
        yield batch
