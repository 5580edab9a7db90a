"""The receipt of a deletion: what was removed, what remains where, and until when."""

from dataclasses import dataclass
from typing import Final

from core.model.deletion import Deletion
from core.model.memory import Micros, id_from_claim
from core.model.timewindow import rfc3339

STORE: Final = "event store"
JOURNAL: Final = "journal's log"
CLAIMS: Final = "dedup claims"
BACKUPS: Final = "backups and exports"


@dataclass(frozen=True, slots=True)
class Remainder:
    """What is not gone yet, or never will be by our doing."""

    where: str
    until: Micros | None
    """None where nobody can say."""
    why: str


@dataclass(frozen=True, slots=True)
class DeletionReceipt:
    """A deletion, and how far it has come."""

    deletion: Deletion
    remains: tuple[Remainder, ...]

    @property
    def memory_id(self) -> str:
        """The id of the one memory that it deleted; empty where it deleted by rule."""
        return id_from_claim(*self.deletion.grave) if self.deletion.grave else ""


def receipt_of(deletion: Deletion, now: Micros, window: Micros) -> DeletionReceipt:
    """The receipt as of now; `window` is how long the journal knows a dedup key."""
    found = (_in_store(deletion), _in_log(deletion), _in_claims(deletion, now, window), _elsewhere(deletion))
    return DeletionReceipt(deletion, tuple(one for one in found if one is not None))


def _in_store(deletion: Deletion) -> Remainder | None:
    if deletion.state == "pending":
        why = deletion.reason or "it is removed as soon as the flusher comes to it"
        return Remainder(STORE, None, f"{why}; no read shows it meanwhile")
    if deletion.state == "removed":
        why = (
            "nothing of it is there any more, save in the log that an Arc may keep; it is looked at again,"
            " and no read shows what came back"
        )
        return Remainder(STORE, deletion.due_at, why)
    return None


def _in_log(deletion: Deletion) -> Remainder | None:
    if deletion.state != "pending":
        return None
    why = "the log is emptied within seconds, once no read under way needs it"
    return Remainder(JOURNAL, None, why)


def _in_claims(deletion: Deletion, now: Micros, window: Micros) -> Remainder | None:
    until = deletion.requested_at + window
    if now >= until:
        return None
    why = "16 bytes of a digest of each dedup key of the window, so that a late retry stores nothing again"
    return Remainder(CLAIMS, until, why)


def _elsewhere(deletion: Deletion) -> Remainder:
    why = f"those made before {rfc3339(deletion.requested_at)} are not ours to reach"
    return Remainder(BACKUPS, None, why)
