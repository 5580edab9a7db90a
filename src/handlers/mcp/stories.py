"""A session's context, as a tool's result, as a resource and as a prompt."""

import re
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from core.model.errors import InvalidRequest
from handlers.http.checks import refuse
from handlers.mcp.calls import Api, Call, JsonObject, refused
from handlers.mcp.pages import PAGE_TOKENS
from handlers.mcp.results import ContextTold

TEMPLATE: Final = "memtrace://session/{id}/context"
MARKDOWN: Final = "text/markdown"
PROMPT: Final = "memtrace_session"
MOST_TOKENS: Final = 2 * PAGE_TOKENS
"""Of a context that comes in one form only."""
LISTED: Final = 50
"""Sessions on one page of the list of resources."""
_ROUTE: Final = "/api/v1/sessions/{id}/context"
_uri: Final = re.compile(r"memtrace://session/([^/?#]+)/context").fullmatch


async def told_session(
    api: Api, session_id: str, asked: JsonObject, most_tokens: int = PAGE_TOKENS
) -> ContextTold:
    """The context within what was asked, and never beyond `most_tokens`. Raises Refusal."""
    if asked.get("max_tokens", 0) > most_tokens:
        asked = {**asked, "max_tokens": most_tokens}
    told = await _told(api, session_id, asked)
    if told.tokens > most_tokens:
        told = await _told(api, session_id, {**asked, "max_tokens": most_tokens})
    return told


async def _told(api: Api, session_id: str, asked: JsonObject) -> ContextTold:
    answer = await api.ask(Call(method="POST", route=_ROUTE, path={"id": session_id}, body=asked))
    return msgspec.convert(answer, ContextTold)


def uri_of(session_id: str) -> str:
    """The resource of this session's context."""
    return TEMPLATE.replace("{id}", session_id)


def session_of(uri: str) -> str:
    """The session that the resource is about. Raises Refusal for what is no such resource."""
    match = _uri(uri)
    if match is None:
        raise refused(refuse("uri", f"must be {TEMPLATE}"))
    return unquote(match[1])


async def sessions_after(api: Api, cursor: str) -> tuple[list[dict[str, Any]], str]:
    """A page of sessions, the newest first, and the cursor after it. Raises Refusal."""
    query = {"limit": str(LISTED), "cursor": cursor}
    page = await api.ask(Call(method="GET", route="/api/v1/sessions", query=query))
    return page["sessions"], page.get("next_cursor", "")


def asked_by(arguments: dict[str, str]) -> tuple[str, JsonObject]:
    """A prompt's arguments, which are all texts: the session, and what is asked of its context.

    Raises Refusal.
    """
    session_id = arguments.get("session_id", "").strip()
    if not session_id:
        raise refused(refuse("session_id", "is required"))
    asked: JsonObject = {"since": arguments.get("since", "").strip()}
    budget = arguments.get("max_tokens", "").strip()
    if budget:
        asked["max_tokens"] = _number(budget)
    return session_id, asked


def shown_by_prompt(story: ContextTold) -> str:
    """The context, of which a prompt cannot do without. Raises Refusal where nothing fits the budget."""
    if not story.context:
        raise refused(refuse("max_tokens", "is too small for any of the context"))
    return story.context


def _number(text: str) -> int:
    error: InvalidRequest = refuse("max_tokens", "must be a whole number")
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise refused(error)
    return int(text)
