"""The `[arc]` settings: how stores are written and asked, and which Arcs may be reached."""

from dataclasses import dataclass
from typing import Final, Literal

from core.model.errors import ConfigurationError
from core.settings_field import check_ranges, setting

_MIB: Final = 1024 * 1024
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcSettings:
    connect_timeout: float = setting(
        5.0, "how long connecting to an Arc may take", unit="seconds", low=0.1, high=_HOUR
    )
    query_timeout: float = setting(
        30.0,
        "how long the store may take over one read; then 504",
        unit="seconds",
        low=0.1,
        high=_HOUR,
    )
    compression: Literal["auto", "zstd", "gzip", "none"] = setting(
        "auto", "how writes to an Arc are compressed; `auto` is zstd, and none for an Arc on this machine"
    )
    max_response_bytes: int = setting(
        256 * _MIB, "the largest answer taken from an Arc", unit="bytes", low=64 * _MIB, high=64 * 1024 * _MIB
    )
    allowed_schemes: tuple[str, ...] = setting(
        ("https", "http"), "what the URLs of bindings to an Arc may begin with"
    )
    allowed_networks: tuple[str, ...] = setting(
        ("loopback", "private", "public"),
        "where the Arcs of bindings may be, by the address that is connected to: `loopback`, `private`,"
        " `public`, or networks such as 10.1.0.0/16; link-local addresses only by their network",
    )
    write_batch_size: int = setting(
        10_000, "a batch of so many memories is written at once", unit="memories", low=1, high=1_000_000
    )
    write_batch_bytes: int = setting(
        4 * _MIB, "a batch of so many bytes is written at once", unit="bytes", low=1024, high=1024 * _MIB
    )
    write_flush_interval_ms: int = setting(
        10_000,
        "a batch is written when its oldest memory has waited so long; readers see what waits,"
        " so longer means fewer and larger files, not staler answers",
        unit="milliseconds",
        low=10,
        high=600_000,
    )
    confirm: Literal["visible", "accepted"] = setting(
        "visible",
        "when the journal lets go of a memory: once the Arc has shown it, or some time after the Arc took it,"
        " which costs no query but loses what the Arc loses",
    )

    def __post_init__(self) -> None:
        check_ranges("arc", self)
        for scheme in self.allowed_schemes:
            if scheme not in ("https", "http"):
                raise ConfigurationError(
                    f"arc.allowed_schemes may hold https and http, not {scheme!r}",
                    keys=("arc.allowed_schemes",),
                )
