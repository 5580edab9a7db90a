"""Every setting: its default, its range and what it means, as frozen values that agree with each other.

`settings_source.py` reads them from a file and the environment; importing this costs nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from core.model.errors import ConfigurationError
from core.settings_arc import ArcSettings
from core.settings_aws import DynamodbSettings, MetadataSettings, QueueSettings
from core.settings_field import Described, check_ranges, described, number, setting
from core.settings_keys import MasterSecret
from core.settings_limits import LimitsSettings
from core.settings_metrics import MetricsSettings

_MIB: Final = 1024 * 1024
_HOUR: Final = 3600
_DATABASE: Final = Path("data/memtrace.db")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    host: str = setting("0.0.0.0", "address to listen on")
    port: int = setting(9100, "port to listen on; 0 takes a free one", low=0, high=65_535)
    read_timeout: float = setting(
        30.0, "how long a request body may take to arrive", unit="seconds", low=0.1, high=_HOUR
    )
    write_timeout: float = setting(
        30.0, "how long a request may take to be answered", unit="seconds", low=0.1, high=_HOUR
    )
    header_timeout: float = setting(
        10.0, "how long a request head may take to arrive", unit="seconds", low=0.1, high=_HOUR
    )
    shutdown_timeout: float = setting(
        30.0,
        "how long stopping may take: requests in flight end, what is due is flushed",
        unit="seconds",
        low=1,
        high=_HOUR,
    )
    max_body_bytes: int = setting(
        4 * _MIB, "largest request body; beyond it 413", unit="bytes", low=1024, high=64 * _MIB
    )
    max_inflight_bytes: int = setting(
        256 * _MIB,
        "request bodies held at once in all, and again large answers until they are taken; beyond it 503",
        unit="bytes",
        low=_MIB,
        high=64 * 1024 * _MIB,
    )
    max_concurrent_requests: int = setting(
        1_000, "requests worked on at once; beyond it 503", low=1, high=100_000
    )
    health_details: bool = setting(
        True, "whether `/health` and `/ready`, which ask for no key, list the orgs"
    )
    metrics: bool = setting(True, "whether `/metrics`, which asks for no key, is served")
    console: bool = setting(True, "whether the console is served at `/console`")
    cors_origins: tuple[str, ...] = setting(
        ("*",), "origins whose pages may call the API; `*` is any, an empty list is none"
    )

    def __post_init__(self) -> None:
        check_ranges("server", self)
        for origin in self.cors_origins:
            if origin != "*" and ("://" not in origin or origin.endswith("/")):
                raise ConfigurationError(
                    f"server.cors_origins must hold `*` or origins like https://a.example, not {origin!r}",
                    keys=("server.cors_origins",),
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    level: Literal["debug", "info", "warn", "error"] = setting(
        "info", "the least important line that is logged"
    )
    format: Literal["console", "json"] = setting("console", "`console` for people, `json` for machines")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    enabled: bool = setting(True, "whether API keys are asked for; without, everybody is `org_default`")
    db_path: Path = setting(_DATABASE, "the SQLite file with metadata and journal")

    def __post_init__(self) -> None:
        if not self.db_path.name:
            raise ConfigurationError("auth.db_path must name a file", keys=("auth.db_path",))


@dataclass(frozen=True, slots=True, kw_only=True)
class DedupSettings:
    enabled: bool = setting(True, "whether an equal memory within the window is a duplicate")
    window_hours: float = setting(
        24.0, "how long a memory claims its dedup key", unit="hours", low=0.1, high=8_760
    )

    def __post_init__(self) -> None:
        check_ranges("dedup", self)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    mode: Literal["auto", "wal", "shared"] = setting(
        "auto",
        "`wal`: one serving process has the file to itself, on a local disk; `shared`: several processes,"
        " also of several machines, write to it (NFS, Amazon EFS); `auto`: `shared` on a network file system"
        " and where the file was used so last",
    )
    turn_timeout: float = setting(
        5.0,
        "with `shared`: how long a request waits for its turn to write; then 503",
        unit="seconds",
        low=0.1,
        high=60,
    )
    synchronous: Literal["normal", "full", "extra"] = setting(
        "full",
        "SQLite's `synchronous`, always `extra` with `shared`;"
        " with `normal` a power cut may lose the last acknowledged writes",
    )
    max_memories_per_org: int = setting(
        2_000_000, "memories of one org that may wait for its store; beyond it 503", low=1, high=100_000_000
    )
    max_bytes_per_org: int = setting(
        1024 * _MIB, "their size", unit="bytes", low=_MIB, high=1024 * 1024 * _MIB
    )
    max_claims_per_org: int = setting(
        5_000_000, "dedup keys of one org within the window; beyond it 503", low=1, high=1_000_000_000
    )
    max_memories: int = setting(
        8_000_000, "memories of all orgs that may wait; beyond it 503", low=1, high=100_000_000
    )
    max_bytes: int = setting(4096 * _MIB, "their size", unit="bytes", low=_MIB, high=1024 * 1024 * _MIB)

    def __post_init__(self) -> None:
        check_ranges("journal", self)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlusherSettings:
    embedded: bool = setting(
        True, "whether `memtrace serve` starts the flusher beside it; else run `memtrace flusher`"
    )
    lease_seconds: float = setting(
        15.0,
        "how long a flusher that fell silent keeps the right to flush",
        unit="seconds",
        low=2,
        high=300,
    )
    append_timeout: float = setting(
        60.0, "how long the store may take over one batch", unit="seconds", low=1, high=_HOUR
    )
    max_deliveries: int = setting(32, "batches under way at once, at most one an org", low=1, high=1_000)
    max_batch_memories: int = setting(
        50_000, "a batch takes what waits up to so many", unit="memories", low=1, high=1_000_000
    )
    max_batch_bytes: int = setting(
        16 * _MIB, "and up to so many bytes", unit="bytes", low=1024, high=1024 * _MIB
    )
    max_held_bytes_per_org: int = setting(
        16 * _MIB, "what of one org is held in memory", unit="bytes", low=1024, high=1024 * _MIB
    )
    max_held_bytes: int = setting(
        64 * _MIB, "what is held in memory in all", unit="bytes", low=1024, high=16 * 1024 * _MIB
    )
    max_rounds: int = setting(
        5,
        "a memory that its store took but never showed, though it showed others taken with it,"
        " is delivered again so often",
        low=1,
        high=1_000,
    )
    shutdown_timeout: float = setting(
        100.0,
        "how long stopping may take where the flusher is a process of its own: what it holds is sent,"
        " the rest is given back; beside a server `server.shutdown_timeout` counts",
        unit="seconds",
        low=1,
        high=_HOUR,
    )
    health_host: str = setting("127.0.0.1", "address on which it says whether it lives, and its metrics")
    health_port: int = setting(0, "port for that; 0: nowhere", low=0, high=65_535)

    def __post_init__(self) -> None:
        check_ranges("flusher", self)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    memory_limit_mb: int = setting(
        256, "what the embedded store's engine may use, in each process", unit="MiB", low=64, high=1_048_576
    )
    threads: int = setting(2, "threads of the embedded store's engine, in each process", low=1, high=256)

    def __post_init__(self) -> None:
        check_ranges("store", self)


SECTIONS: Final = {
    "server": ServerSettings,
    "limits": LimitsSettings,
    "log": LogSettings,
    "arc": ArcSettings,
    "auth": AuthSettings,
    "dedup": DedupSettings,
    "journal": JournalSettings,
    "flusher": FlusherSettings,
    "store": StoreSettings,
    "metadata": MetadataSettings,
    "dynamodb": DynamodbSettings,
    "queue": QueueSettings,
    "metrics": MetricsSettings,
}


def every_setting() -> Iterator[Described]:
    """In the order in which they are documented."""
    for name, values in SECTIONS.items():
        yield from described(name, values)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyArc:
    """The one Arc of a configuration from before there were bindings; it becomes `arc_default`."""

    url: str
    api_key: str = field(default="", repr=False)
    database: str = ""
    measurement: str = "events"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of them. Constructing one raises ConfigurationError when values clash."""

    server: ServerSettings = ServerSettings()
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    log: LogSettings = LogSettings()
    arc: ArcSettings = field(default_factory=ArcSettings)
    auth: AuthSettings = AuthSettings()
    dedup: DedupSettings = DedupSettings()
    journal: JournalSettings = JournalSettings()
    flusher: FlusherSettings = FlusherSettings()
    store: StoreSettings = StoreSettings()
    metadata: MetadataSettings = field(default_factory=MetadataSettings)
    dynamodb: DynamodbSettings = field(default_factory=DynamodbSettings)
    queue: QueueSettings = field(default_factory=QueueSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    master_key: str = field(default="", repr=False)
    """Base64 text as it was given, empty when it was not; `vault.parse_master_key` reads it."""
    previous_master_key: str = field(default="", repr=False)
    """The one before it, likewise: it opens, and never seals."""
    master_secret: MasterSecret | None = None
    """Where the master key is kept, when it is not given itself."""
    legacy_arc: LegacyArc | None = None
    file: Path | None = None
    """The file they were read from."""
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """`section.key` → the file or the variable it came from; what is not here is a default."""
    warnings: tuple[str, ...] = field(default=(), repr=False, compare=False)
    """What a person should know about where they came from."""

    def __post_init__(self) -> None:
        for small, large in _ASCENDING:
            if self.value(small) > self.value(large):
                raise ConfigurationError(
                    f"{small} ({number(self.value(small))}) must not exceed"
                    f" {large} ({number(self.value(large))})",
                    keys=(small, large),
                )

    def value(self, key: str) -> Any:
        """A value by its `section.key`."""
        section, name = key.split(".")
        return getattr(getattr(self, section), name)

    def origin(self, key: str) -> str:
        return self.origins.get(key, "default")


_ASCENDING: Final = (
    ("server.header_timeout", "server.read_timeout"),
    # A read that takes all of its time must still be answered.
    ("arc.query_timeout", "server.write_timeout"),
    ("arc.connect_timeout", "arc.query_timeout"),
    ("arc.write_batch_size", "flusher.max_batch_memories"),
    ("arc.write_batch_bytes", "flusher.max_batch_bytes"),
    ("flusher.max_batch_bytes", "flusher.max_held_bytes_per_org"),
    ("flusher.max_held_bytes_per_org", "flusher.max_held_bytes"),
    ("server.max_body_bytes", "server.max_inflight_bytes"),
    # One org must not be able to fill the journal for all, nor one request an org's share.
    ("journal.max_memories_per_org", "journal.max_memories"),
    ("journal.max_bytes_per_org", "journal.max_bytes"),
    ("server.max_body_bytes", "journal.max_bytes_per_org"),
)
