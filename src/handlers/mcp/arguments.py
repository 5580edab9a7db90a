"""What a model may send to each tool: decoded as these types, and described from them.

A type says what a model has to know to call right. What Memtrace checks anyway is not checked here.
"""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from core.model.errors import InvalidRequest
from core.model.memory import MemoryType
from handlers.http.checks import MAX_LIMIT, refuse
from handlers.http.wire import parse_body

A = TypeVar("A", bound=Struct)

ID_PATTERN: Final = "^[a-zA-Z][a-zA-Z0-9_-]{0,127}$"
_ID: Final = {"pattern": ID_PATTERN}
_LONGEST_SHOWN: Final = 64
_SINCE: Final = "How far back: `30m`, `2h`, `7d`, `4w` before now, or a time in ISO 8601."

Agent = Annotated[
    str,
    Meta(
        description="The agent: its name or id. A letter, then letters, digits, `_` or `-`.",
        extra_json_schema=_ID,
    ),
]
Session = Annotated[
    str,
    Meta(description="The session, as `memtrace_session_create` answered its id.", extra_json_schema=_ID),
]
Tag = Annotated[str, Meta(extra_json_schema={"pattern": r"^[a-zA-Z0-9_.\-]{1,64}$"})]
Share = Annotated[float, Meta(ge=0, le=1)]
Limit = Annotated[
    int, Meta(ge=1, le=MAX_LIMIT, description="At most so many memories; fewer when they are long.")
]
Cursor = Annotated[
    str,
    Meta(description="The `next_cursor` of the page before, with the same other arguments: the next page."),
]


class Remember(Struct, frozen=True, kw_only=True):
    """Arguments of `memtrace_remember`."""

    agent_id: Agent
    content: Annotated[
        str,
        Meta(
            description="What is to be remembered, in plain words; at most 256 KB.",
            extra_json_schema={"minLength": 1},
        ),
    ]
    memory_type: Annotated[
        MemoryType,
        Meta(
            description="`episodic` (the default): something that happened; `decision`: what was decided;"
            " `entity`: a lasting fact about somebody or something; `session`: a note about the session."
        ),
    ] | None = None  # fmt: skip
    event_type: Annotated[
        str,
        Meta(
            description="What kind of event, such as `page_crawled`; `general` by default."
            " `error` marks what went wrong.",
            extra_json_schema={"pattern": "^[a-zA-Z][a-zA-Z0-9_]{0,63}$"},
        ),
    ] | None = None  # fmt: skip
    session_id: Session | None = None
    tags: Annotated[list[Tag], Meta(description="Words to find it by.")] | None = None
    importance: Annotated[Share, Meta(description="0.0 to 1.0.")] | None = None
    metadata: Annotated[dict[str, Any], Meta(description="An object of your own.")] | None = None


class Recall(Struct, frozen=True, kw_only=True):
    """Arguments of `memtrace_recall`."""

    agent_id: Agent
    since: Annotated[str, Meta(description=_SINCE)] = "24h"
    session_id: Session | None = None
    memory_type: Annotated[MemoryType, Meta(description="Only memories of this type.")] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class Search(Struct, frozen=True, kw_only=True):
    """Arguments of `memtrace_search`."""

    agent_id: Agent | None = None
    content_contains: Annotated[
        str, Meta(description="A literal, case-sensitive part of the content. Not a pattern, not a question.")
    ] | None = None  # fmt: skip
    memory_types: Annotated[list[MemoryType], Meta(description="Any of these types.")] | None = None
    tags: Annotated[list[Tag], Meta(description="All of these tags.")] | None = None
    since: Annotated[str, Meta(description=f"{_SINCE} All time by default.")] | None = None
    min_importance: Annotated[Share, Meta(description="0.0 to 1.0.")] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class Decide(Struct, frozen=True, kw_only=True):
    """Arguments of `memtrace_decide`."""

    agent_id: Agent
    decision: Annotated[str, Meta(description="What was decided.", extra_json_schema={"minLength": 1})]
    reasoning: Annotated[str, Meta(description="Why, and what else was considered.")]


class SessionCreate(Struct, frozen=True, kw_only=True):
    """Arguments of `memtrace_session_create`."""

    agent_id: Agent
    metadata: Annotated[
        dict[str, Any], Meta(description="What the session is about, as an object.")
    ] | None = None  # fmt: skip


class SessionContext(Struct, frozen=True, kw_only=True):
    """Arguments of `memtrace_session_context`."""

    session_id: Session
    since: Annotated[str, Meta(description=f"{_SINCE} `24h` by default.")] | None = None
    include_types: Annotated[list[MemoryType], Meta(description="Only these types.")] | None = None
    max_tokens: Annotated[
        int, Meta(ge=0, description="The most tokens that the context may take; it is never above 11000.")
    ] | None = None  # fmt: skip


class AgentRegister(Struct, frozen=True, kw_only=True):
    """Arguments of `memtrace_agent_register`."""

    name: Annotated[
        str,
        Meta(
            description="What memories of this agent carry as `agent_id`. Use a letter, then letters, digits,"
            " `_` or `-`.",
            extra_json_schema={"minLength": 1},
        ),
    ]
    description: Annotated[str, Meta(description="What it does.")] | None = None


def parsed(given: Mapping[str, Any], kind: type[A]) -> A:
    """The arguments as a value of this type. Raises InvalidRequest naming the argument.

    `null` and "" mean absent, as in the REST API: some models fill in every argument that they see.
    """
    known = [field.encode_name for field in msgspec.structs.fields(kind)]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name[:_LONGEST_SHOWN], known, 1)
            meant = f"did you mean `{near[0]}`? " if near else ""
            raise refuse(
                name[:_LONGEST_SHOWN], "is not known", hint=f"{meant}the tool takes {', '.join(known)}"
            )
    present = {name: _whole(value) for name, value in given.items() if value is not None and value != ""}
    try:
        body = msgspec.json.encode(present)
    except (UnicodeEncodeError, RecursionError):
        raise InvalidRequest("the arguments are no JSON that can be sent on") from None
    return parse_body(body, kind)


def _whole(value: Any) -> Any:
    """JSON has one kind of number, and to its schemas 50.0 is an integer: some clients write it so."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def sent(value: Struct, *names: str) -> dict[str, Any]:
    """Those of the arguments that were given, by their names."""
    found = {name: getattr(value, name) for name in names}
    return {name: one for name, one in found.items() if one is not None}
