"""Who may append now: the org is there, it is not full, and the clock is right.

The ledger's item of an org would be too hot for every append, so each process has a copy of it that
is at most two seconds old. What it appended meanwhile is told with the next reading, in one call.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from core.adapters.dynamodb.client import ConditionFailed, Dynamo
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.journal.entering import enter
from core.adapters.dynamodb.journal.rows import SECOND
from core.adapters.dynamodb.journal.stamps import Stamps
from core.adapters.dynamodb.journal.standing import Standing, standing_of
from core.adapters.dynamodb.keys import ledger_key
from core.adapters.dynamodb.statements import Update
from core.model.errors import JournalFull, MetadataBusy, NotFound, Unauthenticated
from core.model.journal_limits import JournalLimits
from core.model.memory import Micros, OrgId
from core.ports import Clock

FRESH_SECONDS: Final = 2.0
"""How old a copy may be. Whoever changes what appends must respect waits so long before saying it is done."""
SLOW_SECONDS: Final = 0.5
"""An append that takes longer looks again whether what it stamped is covered by a deletion meanwhile."""
_MOST_COPIES: Final = 4_096


@dataclass(slots=True)
class _Copy:
    standing: Standing | None = None
    monotonic: float = 0.0
    wall: Micros = 0
    rows: int = 0
    """Appended, and not told to the ledger yet; below zero: told too much."""
    bytes: int = 0
    claims: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Admission:
    """Lives on one event loop."""

    def __init__(
        self, dynamo: Dynamo, *, clock: Clock, stamps: Stamps, limits: JournalLimits, shards: int
    ) -> None:
        """`shards`: of orgs that have none yet."""
        self._dynamo = dynamo
        self._clock = clock
        self._stamps = stamps
        self._limits = limits
        self._shards = shards
        self._copies: dict[OrgId, _Copy] = {}

    async def admit(self, org_id: OrgId, count: int) -> Standing:
        """The org's standing, with so many memories counted in; `correct` says later what became of them.

        Raises Unauthenticated for an org that is gone, JournalFull.
        """
        copy = self._copy(org_id)
        copy.rows += count
        copy.claims += count
        try:
            standing = copy.standing
            if standing is None or not self._is_fresh(copy):
                standing = await self._read(org_id, copy)
            if self._refusal(standing, copy):
                standing = await self._read(org_id, copy, again=True)
                if refusal := self._refusal(standing, copy):
                    raise refusal
        except BaseException:
            copy.rows -= count
            copy.claims -= count
            raise
        return standing

    async def current(self, org_id: OrgId) -> Standing:
        """As it is now, whatever the copy says."""
        return await self._read(org_id, self._copy(org_id), again=True)

    def correct(self, org_id: OrgId, *, rows: int, size: int) -> None:
        """What an append stored more than was counted in; mostly bytes alone."""
        copy = self._copy(org_id)
        copy.rows += rows
        copy.claims += rows
        copy.bytes += size

    def _copy(self, org_id: OrgId) -> _Copy:
        if len(self._copies) >= _MOST_COPIES:
            self._copies.clear()
        return self._copies.setdefault(org_id, _Copy())

    def _is_fresh(self, copy: _Copy) -> bool:
        """By both clocks: one of them may stand still while a process is frozen."""
        return (
            0 <= self._clock.monotonic() - copy.monotonic < FRESH_SECONDS
            and 0 <= self._clock.micros() - copy.wall < FRESH_SECONDS * SECOND
        )

    def _refusal(self, standing: Standing, copy: _Copy) -> JournalFull | None:
        limits = self._limits
        if (
            standing.rows + copy.rows > limits.memories_per_org
            or standing.bytes + copy.bytes >= limits.bytes_per_org
        ):
            return JournalFull(
                "this organization's event store is behind: too many memories wait for it",
                hint="try again later; the operator sees the reason in `memtrace status`",
            )
        if standing.claims + copy.claims > limits.claims_per_org:
            return JournalFull("this organization wrote too many memories within the dedup window")
        return None

    async def _read(self, org_id: OrgId, copy: _Copy, *, again: bool = False) -> Standing:
        """One call at a time for each org; who waited takes what came meanwhile, unless it must be newer."""
        async with copy.lock:
            if not again and copy.standing is not None and self._is_fresh(copy):
                return copy.standing
            asked = self._clock.monotonic(), self._clock.micros()
            rows, size, claims = copy.rows, copy.bytes, copy.claims
            standing = await self._told(org_id, {"rows": rows, "bytes": size, "claims": claims})
            copy.rows, copy.bytes, copy.claims = copy.rows - rows, copy.bytes - size, copy.claims - claims
            copy.standing, (copy.monotonic, copy.wall) = standing, asked
            return standing

    async def _told(self, org_id: OrgId, counts: dict[str, int]) -> Standing:
        """Adds the counts and reads, as one step; an answer that was lost may have them added twice.

        `asked_at` tells when anybody last took a copy.
        """
        tell = Update(
            ledger_key(org_id),
            "ADD #rows :rows, #bytes :bytes, #claims :claims SET #asked_at = :now",
            "attribute_exists(#pk) AND attribute_not_exists(#gone)",
            {**counts, "now": self._clock.micros()},
        )
        for _ in range(3):
            try:
                return standing_of(await self._dynamo.write(tell, returning="new"))
            except ConditionFailed as failed:
                standing = await self._entered(org_id, failed.item, counts)
            if standing is not None:
                return standing
        raise MetadataBusy()

    async def _entered(self, org_id: OrgId, was: Item | None, counts: dict[str, int]) -> Standing | None:
        """What is older than the first stamp lies in the org's store."""
        settled_through = self._stamps.next() - 1
        try:
            return await enter(
                self._dynamo,
                org_id,
                was,
                shards=self._shards,
                settled_through=settled_through,
                counts={**counts, "asked_at": self._clock.micros()},
            )
        except NotFound:
            # Deleted while its key was still cached.
            raise Unauthenticated("invalid API key") from None
