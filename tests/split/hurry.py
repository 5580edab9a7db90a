"""Times of edge and flusher that are a fraction of the product's, in the same order."""

from typing import Final

from core.adapters.arc import earliest
from core.adapters.arc.store import ArcStore
from core.bootstrap import dynamodb

_ARC_HIDES_FOR: Final = 1.0
"""Safe where nobody but us asks the Arc: we never ask for an hour in which nothing settled yet."""
_EARLIEST_FRESH: Final = 0.3
_EARLIEST_OLDEST: Final = 0.6
"""Less than that: what settles has been the earliest of all for everybody by then."""
_CHANCE: Final = 2_000_000
"""Microseconds; then the journal is looked at for what the queue did not bring."""
_RECOUNT: Final = 3.0
"""Seconds between two counts of what there is."""


def hurry() -> None:
    """From now on, in this process."""
    assert ArcStore.hides_for > earliest._OLDEST > earliest._FRESH
    setattr(ArcStore, "hides_for", _ARC_HIDES_FOR)  # noqa: B010
    setattr(earliest, "_OLDEST", _EARLIEST_OLDEST)  # noqa: B010
    setattr(earliest, "_FRESH", _EARLIEST_FRESH)  # noqa: B010
    assert dynamodb._GRACE > _CHANCE
    setattr(dynamodb, "_GRACE", _CHANCE)  # noqa: B010
    assert dynamodb._RECOUNT > _RECOUNT
    setattr(dynamodb, "_RECOUNT", _RECOUNT)  # noqa: B010
