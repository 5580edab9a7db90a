"""What needs no key: health, readiness, liveness and metrics; and whose a key is."""

from typing import Final

from msgspec import UNSET

from core.exposition import joined
from core.health import StoreState
from core.model.errors import NotFound
from handlers.http import present
from handlers.http.answers import HealthAnswer, LiveAnswer, ReadyAnswer
from handlers.http.ask import Ask, Reply
from handlers.http.doors import Doors

SERVICE: Final = "memtrace"
METRICS_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
_MICROS: Final = 1_000_000


async def health(doors: Doors, ask: Ask) -> Reply:
    """Always 200 while the database answers: a dead store is told, not inflicted."""
    shown = await doors.health.stores() if doors.shows_details else None
    answer = HealthAnswer(
        status="ok",
        service=SERVICE,
        uptime=doors.health.uptime(),
        arc=_ok(shown) if shown is not None else UNSET,
        arc_age_seconds=_ages(shown) if shown is not None else UNSET,
    )
    return present.reply(200, answer)


async def ready(doors: Doors, ask: Ask) -> Reply:
    """200 when every bound store is known to answer, else 503 saying which does not."""
    stores = await doors.health.stores()
    if not stores:
        answer = ReadyAnswer(
            status="not ready",
            reason="no_instances",
            hint="configure an Arc instance with `memtrace org add-arc`",
        )
        return present.reply(503, answer)
    is_ready = all(store.ok for store in stores)
    answer = ReadyAnswer(
        status="ready" if is_ready else "not ready",
        arc=_ok(stores) if doors.shows_details else UNSET,
        arc_age_seconds=_ages(stores) if doors.shows_details else UNSET,
        reason="" if is_ready else "store_not_answering",
    )
    return present.reply(200 if is_ready else 503, answer)


async def live(doors: Doors, ask: Ask) -> Reply:
    """200 while process and database work, whatever the stores do."""
    await doors.health.check_alive()
    return present.reply(200, LiveAnswer(status="alive"))


async def metrics(doors: Doors, ask: Ask) -> Reply:
    """The server's own numbers, and those that the flusher posted last."""
    if not doors.shows_metrics:
        raise NotFound("no such route", hint="the operator switched numbers off: `server.metrics`")
    total = await doors.ledger.total()
    now = doors.clock.micros()
    doors.metrics.gauge("memtrace_buffer_size", total.owed + total.delivered)
    doors.metrics.gauge("memtrace_buffer_bytes", total.bytes)
    doors.metrics.gauge("memtrace_dead_letters", total.dead)
    age = (now - total.oldest) / _MICROS if total.oldest is not None else 0.0
    doors.metrics.gauge("memtrace_oldest_owed_seconds", max(0.0, age))
    report = await doors.board.read_report()
    text = doors.metrics.render()
    return Reply(200, joined(text, report[0]) if report else text, (), METRICS_TYPE)


async def me(doors: Doors, ask: Ask) -> Reply:
    """What this key is good for. Never the key."""
    return present.reply(200, present.me(ask.principal))


def _ok(stores: list[StoreState]) -> dict[str, bool]:
    return {store.org_id: store.ok for store in stores}


def _ages(stores: list[StoreState]) -> dict[str, float]:
    return {s.org_id: round(s.age_seconds, 1) for s in stores if s.age_seconds is not None}
