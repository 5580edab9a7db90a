"""The settings in force as people are shown them: every value with where it came from, no secret."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from core.settings import Settings, every_setting
from core.settings_field import number
from core.settings_keys import PREVIOUS_KEY, SECRET_ARN

_MASKED: Final = "****"


@dataclass(frozen=True, slots=True)
class Shown:
    key: str
    value: str
    unit: str
    origin: str


def shown(settings: Settings) -> Iterator[Shown]:
    """All settings in documented order, then master keys and a legacy Arc where there are any."""
    for one in every_setting():
        value = text_of(settings.value(one.key))
        yield Shown(one.key, value, one.about.unit, settings.origin(one.key))
    if settings.master_key:
        yield Shown("master_key", _MASKED, "", "MEMTRACE_MASTER_KEY or MEMTRACE_MASTER_KEY_FILE")
    if settings.previous_master_key:
        yield Shown("previous_master_key", _MASKED, "", f"{PREVIOUS_KEY} or {PREVIOUS_KEY}_FILE")
    if settings.master_secret is not None:
        yield Shown("master_key", settings.master_secret.arn, "", SECRET_ARN)
    legacy = settings.legacy_arc
    if legacy is not None:
        secret = _MASKED if legacy.api_key else ""
        for name, value in (
            ("url", legacy.url),
            ("api_key", secret),
            ("database", legacy.database),
            ("measurement", legacy.measurement),
        ):
            yield Shown(f"arc.{name}", value, "", settings.origin(f"arc.{name}"))


def text_of(value: object) -> str:
    """A value as MEMTRACE_* takes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return number(value)
        case tuple():
            return ",".join(value)
        case _:
            return str(value)
