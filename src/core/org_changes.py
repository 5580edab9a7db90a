"""What operators write when they set something for one org, as changes of its settings. Pure."""

import re
from typing import Final

from core.model.errors import InvalidRequest
from core.model.org_settings import BOUNDS

_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})([dw])")
_DAYS: Final = {"d": 1, "w": 7}
_NUMBER: Final = re.compile(r"[0-9]{1,7}(\.[0-9]{1,6})?")
_NONE: Final = "none"
_DEFAULT: Final = "default"


def changes_of(*, retention: str | None = None, **rates: str | None) -> dict[str, float | None]:
    """The members that change, as `OrgStore.update_org_settings` takes them; `rates` by their names.

    Raises InvalidRequest naming the option, also where nothing is asked for.
    """
    changes: dict[str, float | None] = {}
    if retention is not None:
        changes["retention_days"] = _days(retention)
    for name, text in rates.items():
        if text is not None:
            changes[name] = _burst(name, text) if name == "burst_seconds" else _rate(name, text)
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
        raise _wrong("retention", f"whole days or weeks as in 90d or 12w, up to {high:g} days, or `{_NONE}`")
    return days


def _rate(name: str, text: str) -> float | None:
    if text == _DEFAULT:
        return None
    if text == _NONE:
        return 0
    value = float(text) if _NUMBER.fullmatch(text) else 0.0
    if not 0 < value <= BOUNDS[name][1]:
        raise _wrong(name, f"a number above 0, up to {BOUNDS[name][1]:g}, `{_NONE}` or `{_DEFAULT}`")
    return value


def _burst(name: str, text: str) -> int | None:
    if text == _DEFAULT:
        return None
    low, high = BOUNDS[name]
    value = int(text) if _NUMBER.fullmatch(text) and text.isdecimal() else 0
    if not low <= value <= high:
        raise _wrong(name, f"whole seconds from {low:g} to {high:g}, or `{_DEFAULT}`")
    return value


def _wrong(name: str, rule: str) -> InvalidRequest:
    option = f"--{name.replace('_', '-')}"
    return InvalidRequest(f"{option} must be {rule}", field=name)
