"""What was deleted: the rules and identities that hide memories at once, and the record of each deletion.

A deletion is a tombstone from the moment it is acknowledged. Reads leave out what a tombstone
covers, wherever it still lies, until the flusher has removed it from the store for certain.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from core.model.memory import Exclusion, Memory, MemoryFilter, Micros, OrgId, Rules, claim_key

Grave = tuple[Micros, bytes]
"""The identity of one deleted memory: its time and the 16 bytes of `claim_key(dedup_key)`."""
DeletionState = Literal["pending", "removed", "closed"]
"""`pending`: hidden, still somewhere in the store. `removed`: the store showed none of it any more;
hidden all the same, since a store may bring rows back. `closed`: nothing can bring it back, and reads
do not look at it any longer."""


class Graves(msgspec.Struct, frozen=True):
    """All that is hidden of one org: what its open deletions cover."""

    exclusions: tuple[Exclusion, ...] = ()
    identities: frozenset[Grave] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.exclusions or self.identities)

    @property
    def floor(self) -> Micros:
        """Everything before it was deleted."""
        return max((e.until for e in self.exclusions if not (e.session_id or e.agent_ids)), default=0)

    def covers(self, time: Micros, dedup_key: str, session_id: str, agent_id: str) -> bool:
        """Whether a memory with these values was deleted."""
        return self.buries(time, dedup_key) or self.excludes(time, session_id, agent_id)

    def excludes(self, time: Micros, session_id: str, agent_id: str) -> bool:
        """Whether a memory with these values was deleted by rule."""
        rules = self.exclusions if isinstance(self.exclusions, Rules) else Rules(self.exclusions)
        return rules.cover(time, session_id, agent_id)

    def buries(self, time: Micros, dedup_key: str) -> bool:
        """Whether this very memory was deleted, by itself."""
        return bool(self.identities) and (time, claim_key(dedup_key)) in self.identities

    def left_of(self, filter: MemoryFilter) -> MemoryFilter:
        """The same, less what rules cover; those that cannot cover any of it are not carried along."""
        met = (rule for rule in self.exclusions if _may_meet(filter, rule))
        return msgspec.structs.replace(filter, excluded=Rules(met))

    def hides(self, memory: Memory) -> bool:
        """Whether this memory was deleted."""
        return self.covers(memory.time, memory.dedup_key, memory.session_id, memory.agent_id)

    def visible(self, memories: Iterable[Memory]) -> list[Memory]:
        """Those that were not deleted, in their order."""
        return [memory for memory in memories if not self.hides(memory)]


def _may_meet(filter: MemoryFilter, rule: Exclusion) -> bool:
    session, agents = rule.session_id, rule.agent_ids
    return (not filter.session_id or not session or session == filter.session_id) and (
        not filter.agent_ids or not agents or not set(agents).isdisjoint(filter.agent_ids)
    )


NO_GRAVES: Final = Graves()


@dataclass(frozen=True, slots=True)
class Deletion:
    """One acknowledged deletion: exactly one of `exclusion` and `grave` says what it covers.

    Holds no content and no dedup key, so that it may outlive what it deleted.
    """

    id: str
    """`del_` + 24 hex digits."""
    org_id: OrgId
    requested_at: Micros
    state: DeletionState
    exclusion: Exclusion | None = None
    grave: Grave | None = None
    from_journal: int = 0
    """Memories removed that were not settled: owed, delivered or dead."""
    from_store: int = 0
    """Memories that the store removed, repeats counted once where it says so."""
    checked_at: Micros | None = None
    """When the flusher last looked for it in the store."""
    due_at: Micros | None = None
    """When it looks next; None once closed."""
    reason: str = ""
    """Why it is still pending, for people; empty when nothing stands in the way."""

    @property
    def graves(self) -> Graves:
        """What it hides."""
        return Graves(
            (self.exclusion,) if self.exclusion else (), frozenset((self.grave,) if self.grave else ())
        )
