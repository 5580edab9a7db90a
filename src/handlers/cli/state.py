"""`memtrace status`: what waits for which store, and who serves and flushes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from core.model.memory import Micros, OrgId
from core.model.timewindow import micros_of
from core.ports import Backlog, StoreHealth
from handlers.cli.calls import AsJson, call_of
from handlers.cli.output import as_json, records, say
from handlers.holding import Holder, holder_of

if TYPE_CHECKING:
    from core.bootstrap.admin import Admin

_COLUMNS = {
    "org_id": "ORG",
    "name": "NAME",
    "owed": "OWED",
    "delivered": "DELIVERED",
    "dead": "DEAD",
    "bytes": "BYTES",
    "oldest": "OLDEST OWED",
    "store": "STORE",
    "circuit": "CIRCUIT",
    "reason": "REASON",
}


@dataclass(frozen=True, slots=True)
class State:
    """One look at the installation."""

    flusher: str | None
    orgs: list[dict[str, Any]]


def status(ctx: typer.Context, json_: AsJson = False) -> None:
    """Show what waits for which store.

    Per organization: what is owed and delivered, what died, how its store is; and who serves and flushes.
    """
    call = call_of(ctx)
    settings = call.settings()
    state = call.admin(_look)
    server = holder_of(Path(settings.auth.db_path))
    if json_:
        as_json({"server": _server_record(server), "flusher": state.flusher, "orgs": state.orgs})
        return
    say(f"server   {server.told if server else 'none'}")
    say(f"flusher  {state.flusher or 'none: what is owed waits'}\n")
    records(
        [{**org, "oldest": _age(org["oldest_owed_seconds"])} for org in state.orgs],
        _COLUMNS,
        as_json_=False,
        empty="no organizations",
    )


async def _look(admin: "Admin") -> State:
    now = micros_of(datetime.now(UTC))
    orgs = await admin.tenants.list_orgs()
    backlogs = {b.org_id: b for b in await admin.ledger.backlogs()}
    healths = {h.org_id: h for h in await admin.board.read_health()}
    bound = {b.org_id for b in await admin.bindings.list_bindings()}
    rows = [
        {
            "org_id": org.id,
            "name": org.name,
            **_owing(backlogs.get(org.id), now),
            **_store(org.id in bound, healths.get(org.id), now),
        }
        for org in orgs
    ]
    return State(await admin.leases.holder(), rows)


def _owing(backlog: Backlog | None, now: Micros) -> dict[str, Any]:
    b = backlog or Backlog(OrgId(""), 0, 0, 0, 0, 0, None)
    oldest = None if b.oldest is None else max(0.0, round((now - b.oldest) / 1e6, 1))
    return {
        "owed": b.owed,
        "delivered": b.delivered,
        "dead": b.dead,
        "bytes": b.bytes,
        "claims": b.claims,
        "oldest_owed_seconds": oldest,
    }


def _store(is_bound: bool, health: StoreHealth | None, now: Micros) -> dict[str, Any]:
    if not is_bound:
        return {"store": "unbound", "circuit": None, "reason": None, "checked_seconds_ago": None}
    if health is None:
        return {"store": "unknown", "circuit": None, "reason": "not checked yet", "checked_seconds_ago": None}
    return {
        "store": "ok" if health.ok else "failing",
        "circuit": health.circuit,
        "reason": health.reason or None,
        "checked_seconds_ago": max(0.0, round((now - health.checked_at) / 1e6, 1)),
    }


def _server_record(server: Holder | None) -> dict[str, Any] | None:
    if server is None:
        return None
    return {"pid": server.pid, "url": server.url if server.pid else None, "started_at": server.started_at}


def _age(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
