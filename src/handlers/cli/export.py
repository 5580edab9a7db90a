"""`memtrace export`: an organization's memories as JSON lines."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from core.model.errors import InvalidRequest
from core.model.memory import MemoryFilter, Micros, OrgId, Position, Span
from core.model.timewindow import LATEST
from handlers.cli.calls import AsJson, call_of, logged
from handlers.cli.lines import end_of, lines_of, written_to
from handlers.cli.output import record, say, warn
from handlers.cli.progress import items_seen

if TYPE_CHECKING:
    from core.bootstrap.transfer import Transfer
    from core.settings import Settings

_STDOUT: Final = Path("-")
_LEAD: Final = 1_000_001
"""Microseconds by which a stamp may lead the clock, and one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked to be exported, not checked yet."""

    org_id: OrgId
    agent: str
    given: dict[str, Any]


def export(
    ctx: typer.Context,
    org: Annotated[str, typer.Option("--org", metavar="ORG_ID", show_default=False)],
    agent: Annotated[str, typer.Option("--agent", help="Of this agent, by id or name.")] = "",
    session: Annotated[str, typer.Option("--session", help="Of this session.")] = "",
    type_: Annotated[list[str] | None, typer.Option("--type", help="Of these memory types.")] = None,
    event: Annotated[list[str] | None, typer.Option("--event", help="Of these event types.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="With all of these tags.")] = None,
    since: Annotated[str, typer.Option("--since", help="2h, 7d, … before now, or ISO 8601.")] = "",
    until: Annotated[str, typer.Option("--until", help="The same; memories before it.")] = "",
    contains: Annotated[str, typer.Option("--contains", help="With this text in their content.")] = "",
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="- is standard output.")] = _STDOUT,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with FILE where it ends.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write an organization's memories as JSON lines, the oldest first.

    One line a memory, as the API answers it; each once, whether a store has it yet or not.
    """
    given = {
        "session_id": session,
        "memory_types": type_ or [],
        "event_types": event or [],
        "tags": tag or [],
        "content_contains": contains,
        "since": since,
        "until": until,
    }
    file = None if out == _STDOUT else out
    if file is None and (resume or as_json):
        raise InvalidRequest("the memories go to standard output", hint="name a file with --out")
    settings = call_of(ctx).settings()
    logged(settings, "command")
    count = asyncio.run(_export(settings, Asked(OrgId(org), agent, given), file, resume))
    if as_json:
        record({"exported": count, "file": str(out)}, as_json_=True)
    elif file is None:
        warn(f"{count} memories exported")
    else:
        say(f"{count} memories exported to {out}")


async def _export(settings: "Settings", asked: Asked, file: Path | None, resume: bool) -> int:
    from core.bootstrap.transfer import open_transfer, operator

    async with open_transfer(settings) as transfer:
        principal = await operator(transfer.admin, asked.org_id)
        filter, span = await _question(transfer, asked)
        after: Position | None = end_of(file, asked.org_id) if file is not None and resume else None
        count = 0
        with written_to(file, goes_on=resume) as target, items_seen("exporting") as seen:
            async for page in transfer.exporter.pages(principal, filter, span, after):
                target.write(lines_of(page))
                count += len(page)
                seen(len(page))
        return count


async def _question(transfer: "Transfer", asked: Asked) -> tuple[MemoryFilter, Span]:
    """Checked as a search's is. What was acknowledged up to now is meant, and not what comes after."""
    from handlers.http.given import SearchInput
    from handlers.http.queries import searched

    now: Micros = transfer.admin.clock.micros()
    try:
        query = searched(msgspec.convert(asked.given, SearchInput), now)
    except msgspec.ValidationError as e:
        raise InvalidRequest(f"this cannot be asked for: {e}") from None
    filter = query.filter
    if asked.agent:
        names = await transfer.agents.names(asked.org_id, asked.agent)
        filter = msgspec.structs.replace(filter, agent_ids=names)
    until = now + _LEAD if query.until is None else query.until
    return filter, Span(query.since or 0, min(until, LATEST + 1))
