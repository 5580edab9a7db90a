"""The `[metrics]` settings: in which form numbers are told, and under which name."""

from dataclasses import dataclass
from typing import Literal

from core.model.errors import ConfigurationError
from core.settings_field import setting

_LONGEST = 255
_ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_/#: ")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    format: Literal["prometheus", "emf"] = setting(
        "prometheus",
        "how a flusher tells its numbers: on `/metrics`, or besides as lines of CloudWatch's embedded metric"
        " format on its standard output; an edge in Lambda always writes those lines",
    )
    namespace: str = setting("memtrace", "the CloudWatch namespace of these lines")

    def __post_init__(self) -> None:
        name = self.namespace
        if not 0 < len(name) <= _LONGEST or not _ALLOWED.issuperset(name) or name.startswith(("AWS/", ":")):
            raise ConfigurationError(
                f"metrics.namespace must be 1 to {_LONGEST} letters, digits, spaces and . - _ / # :,"
                f" not {name[:80]!r}",
                keys=("metrics.namespace",),
            )
