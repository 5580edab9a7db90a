"""The messages in hand: which memories each of them still waits for, and until when it is hidden. Pure.

Parcels are joined, cut and halved on their way, so what is acknowledged are memories. A message
is done with when all of its memories are, whichever message or sweep brought them.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from core.model.memory import Micros, OrgId

_REMEMBERED: Final = 20_000


@dataclass(slots=True, eq=False)
class Held:
    """One message, from its receive until it is deleted or let go."""

    id: str
    receipt: str
    body: str
    """Emptied when it is opened."""
    received: float
    """When its newest receipt was given, monotonic seconds."""
    hidden_until: float
    receives: int = 1
    """How often the queue has given it to anybody, this time included."""
    left: int = 0
    """Memories that are not acknowledged."""
    is_open: bool = False
    is_lost: bool = False
    """Its receipt is good for nothing any more: the queue gives the message to somebody again, or to us."""

    @property
    def is_done(self) -> bool:
        return self.is_open and self.left == 0


class Holding:
    """Every message once, however often it comes."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._waiting: dict[OrgId, dict[Micros, tuple[Held, ...]]] = {}
        self._done: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def ours(self) -> list[Held]:
        """All but those that are lost."""
        return [held for held in self._held.values() if not held.is_lost]

    def take(
        self, id_: str, receipt: str, body: str, *, now: float, hidden_until: float, receives: int = 1
    ) -> Held | None:
        """A message that came. None: it is in hand already; only its newest receipt is good from now on.

        One that was done with a while ago came again though it was deleted: it is done with.
        """
        held = self._held.get(id_)
        if held is not None:
            held.receipt, held.received, held.hidden_until = receipt, now, hidden_until
            held.is_lost = False
            return None
        held = Held(id_, receipt, body, now, hidden_until, receives, is_open=id_ in self._done)
        self._held[id_] = held
        return held

    def open(self, held: Held, org_id: OrgId, times: tuple[Micros, ...]) -> None:
        """What is in it: from now on it waits for these to be acknowledged."""
        held.left, held.is_open, held.body = len(times), True, ""
        waiting = self._waiting.setdefault(org_id, {})
        for time in times:
            waiting[time] = (*waiting.get(time, ()), held)

    def open_done(self, held: Held) -> None:
        """What is in it is somebody else's business: it waits for nothing."""
        held.left, held.is_open, held.body = 0, True, ""

    def ack(self, org_id: OrgId, times: Iterable[Micros]) -> list[Held]:
        """These memories are taken care of. Returns the messages that are done with now."""
        waiting = self._waiting.get(org_id)
        if waiting is None:
            return []
        done: list[Held] = []
        for time in times:
            for held in waiting.pop(time, ()):
                held.left -= 1
                if held.left == 0:
                    done.append(held)
        if not waiting:
            del self._waiting[org_id]
        return done

    def finish(self, held: Held) -> None:
        """It is deleted, or lost and done with; should it come again, it is not opened again."""
        self._done[held.id] = None
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)
        self.forget(held)

    def forget(self, held: Held) -> None:
        """One that waits for nothing is in hand no more; should it come again, it is a new one."""
        self._held.pop(held.id, None)

    def ending(self, by: float) -> list[Held]:
        """Messages that others would see at that time, the most urgent first."""
        ending = [held for held in self.ours() if held.hidden_until <= by]
        return sorted(ending, key=lambda held: held.hidden_until)
