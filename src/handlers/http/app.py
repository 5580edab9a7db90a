"""Puts the HTTP application together out of what a server works with."""

from functools import cache
from typing import Final

import msgspec

from core.bootstrap.server import Services
from core.settings import Settings
from handlers.http.cors import Cors
from handlers.http.dispatch import Dispatch
from handlers.http.docs_page import page_of
from handlers.http.doors import Documents, Doors
from handlers.http.exchange import Exchange, Telling
from handlers.http.openapi import document_of
from handlers.http.repeats import Repeats
from handlers.http.routes import ROUTES
from handlers.http.service import Limits, Service

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
        ingest=services.ingest,
        recall=services.recall,
        storyteller=services.storyteller,
        agents=services.agents,
        sessions=services.sessions,
        repeats=repeats,
        health=services.health,
        ledger=services.ledger,
        board=services.board,
        documents=documents(),
        shows_details=settings.server.health_details,
    )


def application(doors: Doors, settings: Settings) -> Exchange:
    """The application on these doors."""
    server = settings.server
    cors = Cors(server.cors_origins)
    limits = Limits(
        max_body_bytes=server.max_body_bytes,
        max_inflight_bytes=server.max_inflight_bytes,
        read_seconds=server.read_timeout,
        answer_seconds=server.write_timeout,
        max_concurrent=server.max_concurrent_requests,
    )
    return Exchange(
        service=Service(doors=doors, dispatch=Dispatch(ROUTES), limits=limits, cors=cors),
        cors=cors,
        clock=doors.clock,
        metrics=doors.metrics,
        telling=_TELLING.get(settings.log.level, "nothing"),
    )


def documents() -> Documents:
    """The OpenAPI document and the page made from it, each made once."""

    @cache
    def openapi() -> bytes:
        return msgspec.json.encode(document_of(ROUTES))

    @cache
    def page() -> bytes:
        return page_of(document_of(ROUTES))

    return Documents(openapi, page)


_TELLING: Final[dict[str, Telling]] = {"debug": "everything", "info": "remarkable"}
