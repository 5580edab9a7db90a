"""What was delivered and is watched until the store shows it, per org. Pure: no I/O, no clock.

A memory is two numbers here, its time and its key's fingerprint; nothing is kept per memory
but these, in arrays. Times of day are the callers' monotonic seconds.
"""

from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from core.model.memory import Micros, Span

Identity = tuple[Micros, int]
"""(time, fingerprint of the dedup key)"""
HOUR: Final = 3_600_000_000
NARROWEST: Final = 500_000
WIDEST: Final = 10_000_000
_MANY_ANSWERS: Final = 40_000
_FEW_ANSWERS: Final = 10_000
_LONGEST_WAIT: Final = 30.0
_MOST_SUSPECTS: Final = 100_000


@dataclass(slots=True)
class Batch:
    """Memories delivered together that the store has not shown yet."""

    times: "array[int]"
    fingerprints: "array[int]"
    look_at: float
    looks: int = 0
    missing_since: float | None = None
    """When the store first gave an answer without them."""
    taken_by: str = ""
    """The binding whose store's word is enough that it has them; empty where it must show them."""
    is_mixed: bool = False
    """Whether they may be of several deliveries."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Memories that the store showed; they are settled at `settle_at`."""

    times: "array[int]"
    settle_at: float


class Watch:
    """One org's delivered memories."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.shown: deque[Shown] = deque()
        self.rows = 0
        self.suspects: set[Micros] = set()
        """Not shown though others were, delivered with them into the same hour: not the store's fault."""
        self.binding_id = ""
        """The binding through which everything in `shown` was seen."""
        self.width: Micros = 4 * NARROWEST
        """How wide a span one question may ask for; grows and shrinks with the answers.

        Few wanted memories may lie among very many others, whose number nobody knows before.
        """

    def looks_through(self, binding_id: str) -> None:
        """Takes note of the binding in force: what another store showed counts for nothing any more."""
        if binding_id != self.binding_id:
            self.binding_id = binding_id
            self.rows -= sum(len(shown.times) for shown in self.shown)
            self.shown.clear()
            self.suspects.clear()

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost with it."""
        return not self.rows and not self.suspects

    def add(
        self, times: Sequence[Micros], fingerprints: "array[int]", look_at: float, taken_by: str = ""
    ) -> None:
        """Watches one delivery."""
        self.batches.append(Batch(array("q", times), fingerprints, look_at, taken_by=taken_by))
        self.rows += len(times)

    def add_mixed(self, times: Sequence[Micros], fingerprints: "array[int]", look_at: float) -> None:
        """Watches what was delivered at some time or other."""
        self.batches.append(Batch(array("q", times), fingerprints, look_at, is_mixed=True))
        self.rows += len(times)

    def known(self) -> set[Micros]:
        """All times watched."""
        return {t for b in self.batches for t in b.times} | {t for s in self.shown for t in s.times}

    def is_due(self, now: float) -> bool:
        """Whether there is anything to settle or to look for now."""
        is_ripe = bool(self.shown) and self.shown[0].settle_at <= now
        return is_ripe or any(b.look_at <= now for b in self.batches)

    def to_look(self, now: float, max_rows: int) -> list[Batch]:
        """Batches whose time has come, up to about `max_rows` memories, at least one batch."""
        chosen: list[Batch] = []
        rows = 0
        for batch in self.batches:
            if batch.look_at <= now and (not chosen or rows + len(batch.times) <= max_rows):
                chosen.append(batch)
                rows += len(batch.times)
        return chosen

    def answered(self, batch: Batch, found: set[Identity], now: float, hides_for: float) -> None:
        """The store's answer for a batch: what it shows waits to settle, the rest is asked for again."""
        wanted = set(zip(batch.times, batch.fingerprints, strict=True))
        seen = wanted & found
        if seen:
            self.shown.append(Shown(array("q", sorted(t for t, _ in seen)), now + hides_for))
        missing = sorted(wanted - seen)
        self._suspect(batch, seen, missing)
        if not missing:
            self.batches.remove(batch)
            return
        batch.times = array("q", (t for t, _ in missing))
        batch.fingerprints = array("q", (f for _, f in missing))
        batch.missing_since = now if batch.missing_since is None else batch.missing_since
        self.ask_again(batch, now)

    def _suspect(self, batch: Batch, seen: set[Identity], missing: Sequence[Identity]) -> None:
        self.suspects.difference_update([t for t, _ in seen])
        if missing and not batch.is_mixed and len(self.suspects) < _MOST_SUSPECTS:
            hours = {t // HOUR for t, _ in seen}
            self.suspects.update([t for t, _ in missing if t // HOUR in hours])

    def believe(self, batch: Batch, now: float, wait: float) -> None:
        """Takes the store's word for all of the batch, which settles after `wait` seconds."""
        self.shown.append(Shown(array("q", sorted(batch.times)), now + wait))
        self.batches.remove(batch)

    def ask_again(self, batch: Batch, now: float) -> None:
        """The answer said nothing, or too little: look once more, a while later each time."""
        batch.looks += 1
        batch.look_at = now + min(2.0 ** min(batch.looks, 8), _LONGEST_WAIT)

    def let_go(self) -> None:
        """Watches only what was shown already."""
        self.rows -= sum(len(batch.times) for batch in self.batches)
        self.batches.clear()

    def given_up(self, now: float, patience: float) -> list[Batch]:
        """Batches that the store has had time enough to show."""
        return [b for b in self.batches if b.missing_since is not None and now - b.missing_since >= patience]

    def forget(self, batch: Batch, times: Iterable[Micros]) -> None:
        """These are no longer the watch's business."""
        gone = set(times)
        kept = [(t, f) for t, f in zip(batch.times, batch.fingerprints, strict=True) if t not in gone]
        self.rows -= len(batch.times) - len(kept)
        batch.times = array("q", (t for t, _ in kept))
        batch.fingerprints = array("q", (f for _, f in kept))
        if not kept:
            self.batches.remove(batch)

    def ripe(self, now: float) -> list[Micros]:
        """The next times to settle; `settled` takes them off."""
        return list(self.shown[0].times) if self.shown and self.shown[0].settle_at <= now else []

    def settled(self) -> None:
        self.rows -= len(self.shown.popleft().times)

    def learn(self, answers: int) -> None:
        """Fits the width of the next questions to the size of this answer."""
        if answers > _MANY_ANSWERS:
            self.width = max(NARROWEST, self.width // 2)
        elif answers < _FEW_ANSWERS:
            self.width = min(WIDEST, self.width * 2)


def spans(times: Iterable[Micros], width: Micros) -> list[Span]:
    """Few intervals that hold all these times: none wider than `width` or across an hour's border."""
    found: list[Span] = []
    first = last = -1
    for time in sorted(times):
        if first < 0:
            first = time
        elif time - first >= width or time // HOUR != first // HOUR:
            found.append(Span(first, last + 1))
            first = time
        last = time
    return [*found, Span(first, last + 1)] if first >= 0 else found
