"""What bringing a database up to date would come to, seen on a copy of it. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from core.model.tenant import SealedBinding

CHANGES: Final[Mapping[str, str]] = {
    "times_rewritten": "times are written anew: the same moments, in UTC",
    "times_missing": "times are missing: they become 1970",
    "times_unreadable": "times cannot be read: they become 1970, and an expiry is over",
    "texts_repaired": "texts are no UTF-8: what cannot be read becomes �, as in the answers so far",
    "statuses_unknown": "sessions have a status that is neither active nor closed: one of these then",
    "settings_taken_away": "organizations have a retention or rates noted, to no effect so far: taken away",
    "keys_renamed": "keys have the name of another one of their organization: their id is added",
}
"""What an upgrade changes beside the tables themselves, by the name under which it is counted."""

WORTH_KNOWING: Final[Mapping[str, str]] = {
    "keys_off": "keys are disabled, and stay so",
    "keys_without_permission": "keys have no permission known here (read, write, admin): they may do nothing",
    "keys_orphaned": "keys belong to an organization that is gone: they are refused",
    "sessions_without_agent": "sessions belong to an agent that is not registered: they stay",
    "objects_unreadable": "settings, configurations or metadata are no JSON object: shown as empty",
}
"""What an upgrade leaves as it is, and a person may want to know."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What was found in a copy of the database, and what became of it when it was migrated."""

    damage: tuple[str, ...]
    """The first things that an integrity check found wrong, before or after."""
    missing: tuple[str, ...]
    """Migrations to be applied."""
    unknown: tuple[str, ...]
    """Migrations of a newer Memtrace."""
    is_empty: bool
    is_original: bool
    """Whether it was made by Memtrace 0.2.0, and nothing newer has been here."""
    counts: Mapping[str, int]
    """Rows of each kind."""
    findings: Mapping[str, int]
    """By the names in `CHANGES` and `WORTH_KNOWING`."""
    failure: str | None = None
    """Why the copy could not be migrated."""
    bindings: tuple[SealedBinding, ...] = field(default=(), repr=False)
    unseeded: int = 0
    """Bindings whose stores are read for claims at the next start."""
    lost: tuple[str, ...] = ()
    """What others had added and the upgrade does not keep: columns, indices."""
    kept: tuple[str, ...] = ()
    """What others had added and stays."""
    dangling: int = 0
    """Rows that refer to something which is gone, as they did before."""

    @property
    def is_sound(self) -> bool:
        """Whether the upgrade would work, or none is needed."""
        return not (self.damage or self.unknown or self.failure)
