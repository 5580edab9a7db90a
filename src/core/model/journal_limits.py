"""How much a journal may hold before it refuses."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """How much may be unsettled. A request beyond it is refused whole."""

    memories_per_org: int = 2_000_000
    bytes_per_org: int = 1024 * 1024 * 1024
    claims_per_org: int = 5_000_000
    memories: int = 8_000_000
    bytes: int = 4 * 1024 * 1024 * 1024
