"""Puts the HTTP application together out of what a server works with."""

from typing import Final

from core.bootstrap.services import Services
from core.limiter import Limiter
from core.model.org_settings import RateSettings
from core.settings import Settings
from handlers.http.admission import Admission, Room
from handlers.http.cors import Cors
from handlers.http.dispatch import Dispatch
from handlers.http.doors import Doors
from handlers.http.exchange import Exchange, Telling
from handlers.http.mcp_door import MCP
from handlers.http.repeats import Repeats
from handlers.http.routes import ROUTES
from handlers.http.service import Limits, Service
from handlers.http.shelf import Shelf

_MICROS_PER_HOUR: Final = 3_600 * 1_000_000


def create_app(services: Services) -> Exchange:
    """The ASGI application. It opens and closes nothing: the services outlive it."""
    return application(doors_of(services), services.settings)


def doors_of(services: Services) -> Doors:
    """What the handlers need of the services."""
    settings = services.settings
    repeats = Repeats(
        replies=services.replies,
        clock=services.clock,
        window=int(settings.dedup.window_hours * _MICROS_PER_HOUR),
    )
    return Doors(
        clock=services.clock,
        metrics=services.metrics,
        gate=services.gate,
        limiter=Limiter(defaults=_rates(settings), clock=services.clock),
        ingest=services.ingest,
        recall=services.recall,
        storyteller=services.storyteller,
        agents=services.agents,
        sessions=services.sessions,
        forgetting=services.forgetting,
        repeats=repeats,
        health=services.health,
        ledger=services.ledger,
        board=services.board,
        outstanding=services.outstanding,
        console=Shelf(is_open=not settings.auth.enabled) if settings.server.console else None,
        shows_details=settings.server.health_details,
        shows_metrics=settings.server.metrics,
        origins=frozenset(settings.server.cors_origins),
    )


def application(doors: Doors, settings: Settings) -> Exchange:
    """The application on these doors."""
    server = settings.server
    cors = Cors(server.cors_origins)
    limits = Limits(
        max_body_bytes=server.max_body_bytes,
        read_seconds=server.read_timeout,
        answer_seconds=server.write_timeout,
    )
    room = Room(
        places=server.max_concurrent_requests,
        held_bytes=server.max_inflight_bytes,
        org_share=settings.limits.org_share,
        queue_seconds=settings.limits.max_queue_ms / 1_000,
    )
    admission = Admission(room=room, metrics=doors.metrics)
    dispatch = Dispatch((*ROUTES, MCP))
    return Exchange(
        service=Service(doors=doors, dispatch=dispatch, limits=limits, admission=admission, cors=cors),
        cors=cors,
        clock=doors.clock,
        metrics=doors.metrics,
        telling=_TELLING.get(settings.log.level, "nothing"),
    )


def _rates(settings: Settings) -> RateSettings:
    limits = settings.limits
    return RateSettings(
        requests_per_second=limits.requests_per_second,
        memories_per_second=limits.memories_per_second,
        key_requests_per_second=limits.key_requests_per_second,
        key_memories_per_second=limits.key_memories_per_second,
        burst_seconds=limits.burst_seconds,
    )


_TELLING: Final[dict[str, Telling]] = {"debug": "everything", "info": "remarkable"}
