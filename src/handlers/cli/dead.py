"""`memtrace dead …`: memories that no store would take, and messages that nobody could read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.model.errors import InvalidRequest, NotFound, QueueError
from core.model.memory import Memory, OrgId, metadata_of
from core.model.timewindow import rfc3339
from core.ports import DeadLetter, DeadMessage
from handlers.cli import dead_messages
from handlers.cli.calls import AsJson, Yes, call_of
from handlers.cli.output import clean, confirmed, record, records, say

if TYPE_CHECKING:
    from core.bootstrap.admin import Admin

app = typer.Typer(help="Dead letters: memories that no store would take.", no_args_is_help=True)
OrgOption = Annotated[str, typer.Option("--org", metavar="ORG_ID", help="Only this organization's.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[MEMORY_ID]...", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="All of them (of --org, if given).")]
Messages = Annotated[
    bool, typer.Option("--messages", help="Not memories: the messages that nobody could read.")
]
_COLUMNS = {
    "id": "ID",
    "org_id": "ORG",
    "agent_id": "AGENT",
    "event_type": "EVENT",
    "died_at": "DIED",
    "reason": "REASON",
}


@app.command("list")
def list_(
    ctx: typer.Context,
    org: OrgOption = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    messages: Messages = False,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest first, and below them the messages that nobody could read."""
    if messages:
        _check_alone(None, False, org)
        dead_messages.shown(call_of(ctx), limit, as_json)
        return
    with_messages = not as_json and not org

    async def find(admin: "Admin") -> tuple[Sequence[DeadLetter], Sequence[DeadMessage] | QueueError]:
        letters = await admin.dead_letters.list_dead(_org(org), limit)
        return letters, await dead_messages.found(admin.dead_messages if with_messages else None, limit)

    letters, below = call_of(ctx).admin(find)
    records([_summary(one) for one in letters], _COLUMNS, as_json_=as_json, empty="no dead letters")
    dead_messages.show_below(below)


@app.command("show")
def show(
    ctx: typer.Context,
    memory_id: Annotated[str, typer.Argument(metavar="MEMORY_ID", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show one dead letter with its content."""
    letter = call_of(ctx).admin(lambda admin: admin.dead_letters.find_dead(memory_id))
    if letter is None:
        raise NotFound(f"no dead letter has the id {memory_id}", hint="`memtrace dead list` shows them")
    whole = _whole(letter)
    if as_json:
        record(whole, as_json_=True)
        return
    content = whole.pop("content")
    record(whole, as_json_=False)
    say("\n" + clean(content, kept="\n\t"))


@app.command("retry")
def retry(
    ctx: typer.Context,
    ids: Ids = None,
    all_: All = False,
    org: OrgOption = "",
    messages: Messages = False,
    as_json: AsJson = False,
) -> None:
    """Deliver them again, at once."""
    if messages:
        _check_alone(ids, all_, org)
        dead_messages.replayed(call_of(ctx), as_json)
        return
    chosen = _chosen(ids, all_)
    count = call_of(ctx).admin(lambda admin: admin.dead_letters.retry_dead(_org(org), chosen))
    _check_known(chosen, count)
    _told("retried", count, as_json, "will be delivered again")


@app.command("purge")
def purge(
    ctx: typer.Context,
    ids: Ids = None,
    all_: All = False,
    org: OrgOption = "",
    messages: Messages = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Give them up for good; equal memories may then be written again."""
    if messages:
        _check_alone(ids, all_, org)
        dead_messages.purged(call_of(ctx), yes, as_json)
        return
    chosen = _chosen(ids, all_)
    what = (
        f"{len(chosen)} dead letters"
        if chosen is not None
        else f"all dead letters{f' of {org}' if org else ''}"
    )
    if not confirmed(f"Purge {what} for good?", yes=yes):
        raise InvalidRequest("nothing was purged: not confirmed", hint="use --yes")
    count = call_of(ctx).admin(lambda admin: admin.dead_letters.purge_dead(_org(org), chosen))
    _check_known(chosen, count)
    _told("purged", count, as_json, "are gone")


def _told(word: str, count: int, as_json: bool, then: str) -> None:
    if as_json:
        record({word: count}, as_json_=True)
    else:
        say(f"{count} dead letters {then}")


def _check_known(chosen: list[str] | None, count: int) -> None:
    """Raises NotFound where ids were given and none of them is a dead letter's."""
    if chosen and not count:
        raise NotFound("none of these ids is a dead letter's", hint="`memtrace dead list` shows them")


def _check_alone(ids: list[str] | None, all_: bool, org: str) -> None:
    if ids or all_ or org:
        raise InvalidRequest(
            "--messages means all of them, and stands alone", hint="they are nobody's memories"
        )


def _org(org: str) -> OrgId | None:
    return OrgId(org) if org else None


def _chosen(ids: list[str] | None, all_: bool) -> list[str] | None:
    if bool(ids) == all_:
        raise InvalidRequest("give ids of dead letters, or --all", hint="`memtrace dead list` shows them")
    return ids or None


def _summary(letter: DeadLetter) -> dict[str, Any]:
    memory = letter.memory
    return {
        "id": memory.id,
        "org_id": memory.org_id,
        "agent_id": memory.agent_id,
        "event_type": memory.event_type,
        "died_at": rfc3339(letter.died_at),
        "reason": letter.reason,
    }


def _whole(letter: DeadLetter) -> dict[str, Any]:
    memory: Memory = letter.memory
    return {
        **_summary(letter),
        "time": rfc3339(memory.time),
        "session_id": memory.session_id,
        "memory_type": memory.memory_type,
        "tags": list(memory.tags),
        "metadata": metadata_of(memory),
        "dedup_key": memory.dedup_key,
        "importance": memory.importance,
        "parent_id": memory.parent_id,
        "content": memory.content,
    }
