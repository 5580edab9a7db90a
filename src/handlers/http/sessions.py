"""Sessions: open, list, find, change; their memories and their context."""

from typing import Final

from core.ids import Attempt
from core.model.errors import NotFound
from core.model.timewindow import parse_time
from handlers.http import present
from handlers.http.ask import Ask, Reply
from handlers.http.checks import checked_id, compact_json, is_id, refuse
from handlers.http.cursors import open_after
from handlers.http.doors import Doors
from handlers.http.given import ContextInput, ListQuery, SessionInput, SessionQuery, SessionUpdate
from handlers.http.queries import listed
from handlers.http.wire import parse_body, parse_optional_body, parse_query

CREATE: Final = b"POST /api/v1/sessions"
_DEFAULT_SINCE: Final = "24h"


async def create(doors: Doors, ask: Ask) -> Reply:
    """201 with a new, active session; the same again for the same Idempotency-Key and body."""
    given = parse_body(ask.body, SessionInput)
    if not given.agent_id:
        raise refuse("agent_id", "is required")
    agent_id = checked_id(given.agent_id, "agent_id")
    metadata = given.metadata or {}
    compact_json(metadata, "metadata")

    async def open_session(attempt: Attempt | None) -> Reply:
        session = await doors.sessions.create(ask.principal.org_id, agent_id, metadata, attempt)
        return present.reply(201, present.session(session))

    return await doors.repeats.once(ask, CREATE, open_session)


async def list_all(doors: Doors, ask: Ask) -> Reply:
    """A page, the newest first, of one agent or status where that is asked."""
    given = parse_query(ask.query, SessionQuery)
    agent_id = checked_id(given.agent_id, "agent_id")
    after = open_after("sessions", given.cursor)
    sessions, rest = await doors.sessions.list(
        ask.principal.org_id, agent_id or None, given.status or None, given.limit, after
    )
    return present.reply(200, present.session_list(sessions, rest))


async def get(doors: Doors, ask: Ask) -> Reply:
    """Raises NotFound."""
    session = await doors.sessions.find(ask.principal.org_id, _known(ask))
    return present.reply(200, present.session(session))


async def update(doors: Doors, ask: Ask) -> Reply:
    """The session as it is afterwards: status and metadata change together or not at all. Raises NotFound."""
    given = parse_body(ask.body, SessionUpdate)
    metadata = given.metadata or None
    if metadata is not None:
        compact_json(metadata, "metadata")
    session = await doors.sessions.update(ask.principal.org_id, _known(ask), given.status or None, metadata)
    return present.reply(200, present.session(session))


async def memories(doors: Doors, ask: Ask) -> Reply:
    """Of all times where nothing else is asked; the session need not be registered."""
    given = parse_query(ask.query, ListQuery)
    session_id = checked_id(ask.params["id"], "session_id")
    query = listed(given, doors.clock.micros(), session_id=session_id)
    return present.reply(200, present.memory_list(await doors.recall.search(ask.principal, query, "list")))


async def context(doors: Doors, ask: Ask) -> Reply:
    """The session need not be registered."""
    given = parse_optional_body(ask.body, ContextInput)
    session_id = checked_id(ask.params["id"], "session_id")
    since = parse_time(given.since or _DEFAULT_SINCE, doors.clock.micros(), "since")
    made = await doors.storyteller.context(
        ask.principal,
        session_id,
        since=since,
        include_types=tuple(given.include_types or ()),
        max_tokens=given.max_tokens or None,
    )
    return present.reply(200, present.context(made))


def _known(ask: Ask) -> str:
    """The session's id; what is no id is nobody's."""
    session_id = ask.params["id"]
    if not is_id(session_id):
        raise NotFound("session not found")
    return session_id
