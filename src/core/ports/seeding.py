"""What stores held before this journal knew of it: which of them were read for claims, and how far."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.model.deletion import Graves
from core.model.memory import Micros, OrgId


@dataclass(frozen=True, slots=True)
class Looking:
    """How far the store of one binding was read: all that is stamped in [reached, began)."""

    org_id: OrgId
    binding_id: str
    began: Micros | None = None
    """None: nobody has begun."""
    reached: Micros = 0
    again_at: Micros | None = None
    """All was read, and the newest part is due again then: the store may have hidden some of it."""


class Seedings(Protocol):
    """The claims of memories that others stored. Works beside the process that has the journal open."""

    async def unseeded(self) -> list[Looking]:
        """Bindings in force whose store was not read to the end, in the order of their orgs' ids."""
        ...

    async def note(self, looking: Looking, *, is_done: bool = False) -> None:
        """Remembers this; nothing where the binding is in force no longer. May be repeated."""
        ...

    async def hidden(self, org_id: OrgId) -> tuple[int, Graves]:
        """What is deleted of the org, and the version under which `claim` is to find it."""
        ...

    async def claim(
        self, looking: Looking, claims: Sequence[tuple[bytes, Micros]], alive_since: Micros, version: int
    ) -> int | None:
        """Gives these memories their dedup keys where nobody alive holds them; how many got them.

        None: something was deleted since, and what was claimed is given back. Raises Conflict, likewise,
        where the binding is in force no longer.
        """
        ...
