"""How much callers may ask for: rates, shares and queues."""

from dataclasses import dataclass

from core.model.org_settings import LONGEST_BURST, MOST_PER_SECOND
from core.settings_field import check_ranges, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsSettings:
    requests_per_second: float = setting(
        0.0, "requests of one org; beyond it 429; 0 is no limit", low=0, high=MOST_PER_SECOND
    )
    memories_per_second: float = setting(
        0.0, "memories that one org may send; beyond it 429; 0 is no limit", low=0, high=MOST_PER_SECOND
    )
    key_requests_per_second: float = setting(
        0.0, "requests with one API key; beyond it 429; 0 is no limit", low=0, high=MOST_PER_SECOND
    )
    key_memories_per_second: float = setting(
        0.0,
        "memories that may be sent with one API key; beyond it 429; 0 is no limit",
        low=0,
        high=MOST_PER_SECOND,
    )
    burst_seconds: int = setting(
        10,
        "how much may come at once: what these rates give in so long",
        unit="seconds",
        low=1,
        high=LONGEST_BURST,
    )
    org_share: float = setting(
        0.9,
        "the part of all places, and of all bytes of bodies, that one org alone may hold;"
        " where several want in, they hold the same each",
        low=0.1,
        high=0.99,
    )
    max_queue_ms: int = setting(
        500,
        "requests that wait longer before they are looked at get 503, once that has lasted for a second",
        unit="milliseconds",
        low=10,
        high=60_000,
    )
    max_connections: int = setting(
        10_000, "connections at once; beyond it only probes are answered", low=1, high=1_000_000
    )

    def __post_init__(self) -> None:
        check_ranges("limits", self)
