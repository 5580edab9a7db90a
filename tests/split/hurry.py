"""Times of edge and flusher that are a fraction of the product's, in the same order."""

from typing import Final

from core.adapters.arc.store import ArcStore
from core.bootstrap import dynamodb

_ARC_HIDES_FOR: Final = 1.0
"""Safe where nobody but us asks the Arc: we never ask for an hour in which nothing settled yet."""
_CHANCE: Final = 2_000_000
"""Microseconds; then the journal is looked at for what the queue did not bring."""
_RECOUNT: Final = 3.0
"""Seconds between two counts of what there is."""


def hurry() -> None:
    """From now on, in this process."""
    setattr(ArcStore, "hides_for", _ARC_HIDES_FOR)  # noqa: B010
    assert dynamodb._GRACE > _CHANCE
    setattr(dynamodb, "_GRACE", _CHANCE)  # noqa: B010
    assert dynamodb._RECOUNT > _RECOUNT
    setattr(dynamodb, "_RECOUNT", _RECOUNT)  # noqa: B010
