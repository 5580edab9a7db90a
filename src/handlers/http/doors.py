"""What the handlers work with."""

from dataclasses import dataclass

from core.agents import Agents
from core.auth import Gate
from core.deletions import Forgetting
from core.health import Health
from core.ingest import Ingest
from core.limiter import Limiter
from core.outstanding import Outstanding
from core.ports import Clock, HealthBoard, Ledger
from core.recall import Recall
from core.sessions import Sessions
from core.storyteller import Storyteller
from core.telemetry import MetricsExporter
from handlers.http.repeats import Repeats
from handlers.http.shelf import Shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """One for all requests."""

    clock: Clock
    metrics: MetricsExporter
    gate: Gate
    limiter: Limiter
    ingest: Ingest
    recall: Recall
    storyteller: Storyteller
    agents: Agents
    sessions: Sessions
    forgetting: Forgetting
    repeats: Repeats
    health: Health
    ledger: Ledger
    board: HealthBoard
    outstanding: Outstanding
    console: Shelf | None
    """None where the operator switched it off."""
    shows_details: bool
    """Whether probes, which need no key, tell of single orgs."""
    shows_metrics: bool
    """Whether numbers are told at all, as they need no key either."""
    origins: frozenset[str] = frozenset()
    """Whose pages may speak MCP, beside those of this machine."""
