"""What operators write when they set something for one org, as changes of its settings. Pure."""

import re
from typing import Final

from core.model.errors import InvalidRequest
from core.model.org_settings import BOUNDS

_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})([dw])")
_DAYS: Final = {"d": 1, "w": 7}
_NONE: Final = "none"


def changes_of(*, retention: str | None = None) -> dict[str, float | None]:
    """The members that change, as `OrgStore.update_org_settings` takes them.

    Raises InvalidRequest naming the option, also where nothing is asked for.
    """
    changes: dict[str, float | None] = {}
    if retention is not None:
        changes["retention_days"] = _days(retention)
    if not changes:
        raise InvalidRequest("nothing to set", hint="`memtrace org set --help` says what can be set")
    return changes


def _days(text: str) -> int | None:
    if text == _NONE:
        return None
    match = _DURATION.fullmatch(text)
    days = int(match[1]) * _DAYS[match[2]] if match else 0
    low, high = BOUNDS["retention_days"]
    if not low <= days <= high:
        raise InvalidRequest(
            f"retention must be whole days or weeks, up to {high:g} days, or `{_NONE}`",
            field="retention",
            hint="as in 90d or 12w",
        )
    return days
