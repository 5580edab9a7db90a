"""`memtrace forget`: an organization's memories deleted for good, counted first; `memtrace deletions …`."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from core.model.errors import InvalidRequest
from core.model.memory import Exclusion, OrgId
from core.model.timewindow import parse_time
from handlers.cli.calls import AsJson, Yes, call_of, logged
from handlers.cli.output import confirmed, record, records, say, warn

if TYPE_CHECKING:
    from core.bootstrap.forgetting import ForgettingDesk
    from core.deletions import Affected
    from core.model.receipt import DeletionReceipt
    from core.model.tenant import Principal

_LOOK_EVERY: Final = 0.5
pause: Final = asyncio.sleep
_COLUMNS: Final = {
    "deletion_id": "ID",
    "org_id": "ORG",
    "requested_at": "REQUESTED",
    "state": "STATE",
    "what": "WHAT",
    "removed": "REMOVED",
    "reason": "REASON",
}
deletions = typer.Typer(help="Deletions, and how far they are.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked to be deleted: a memory, or a session or agent and everything before a time."""

    org_id: OrgId
    agent: str
    session: str
    before: str
    memory: str

    def check(self) -> None:
        """Raises InvalidRequest where that names nothing, or two different things."""
        named = [name for name in ("agent", "session", "memory") if getattr(self, name)]
        if not named and not self.before:
            raise InvalidRequest(
                "say what to forget", hint="--agent, --session, --before or --memory; see `--help`"
            )
        if len(named) > 1 or (self.memory and self.before):
            raise InvalidRequest(
                "--agent, --session and --memory do not go together, nor --memory and --before"
            )


def forget(
    ctx: typer.Context,
    org: Annotated[str, typer.Option("--org", metavar="ORG_ID", show_default=False)],
    agent: Annotated[
        str, typer.Option("--agent", help="All that this agent wrote, under its id or name.")
    ] = "",
    session: Annotated[str, typer.Option("--session", help="This session and all written in it.")] = "",
    before: Annotated[
        str, typer.Option("--before", metavar="TIME", help="All written before: 90d, or ISO 8601.")
    ] = "",
    memory: Annotated[str, typer.Option("--memory", metavar="MEMORY_ID", help="This one memory.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be deleted.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the store has it no more.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete memories for good, and print a receipt.

    No read shows them from then on; the flusher takes them out of the store. --before goes with
    --agent or --session as well.
    """
    asked = Asked(OrgId(org), agent, session, before, memory)
    asked.check()
    settings = call_of(ctx).settings()
    logged(settings, "command")

    async def work() -> None:
        from core.bootstrap.forgetting import caller, open_desk

        async with open_desk(settings) as desk:
            principal = await caller(desk.admin, asked.org_id)
            if dry_run:
                record(await _counted(desk, principal, asked), as_json_=as_json)
                return
            await _confirm(desk, principal, asked, yes=yes)
            receipt = await _forget(desk, principal, asked)
            await desk.clean()
            _show(await _waited(desk, receipt) if wait else receipt, as_json)

    asyncio.run(work())


async def _counted(desk: "ForgettingDesk", principal: "Principal", asked: Asked) -> dict[str, Any]:
    """What a dry run says: memories that are not settled yet, and those that only the store has."""
    if asked.memory:
        return {"memory_id": (await desk.forgetting.find(principal, asked.memory)).id}
    affected = await desk.forgetting.affected(principal, await _rule(desk, asked))
    return {"org_id": asked.org_id, "journal": affected.journal, "store": affected.store}


async def _confirm(desk: "ForgettingDesk", principal: "Principal", asked: Asked, *, yes: bool) -> None:
    if asked.memory:
        what = f"the memory {asked.memory}"
    else:
        what = "" if yes else _in_words(await desk.forgetting.affected(principal, await _rule(desk, asked)))
    if not confirmed(f"Delete {what} of {asked.org_id} for good?", yes=yes):
        raise InvalidRequest("nothing was deleted: not confirmed", hint="use --yes, or --dry-run to count")


def _in_words(affected: "Affected") -> str:
    if affected.store is None:
        return f"{affected.journal} memories that wait, and all in the store, which does not answer,"
    return f"{affected.journal + affected.store} memories"


async def _forget(desk: "ForgettingDesk", principal: "Principal", asked: Asked) -> "DeletionReceipt":
    if asked.memory:
        return await desk.forgetting.forget_memory(principal, asked.memory)
    if asked.session and not asked.before:
        deleted = await desk.forgetting.forget_session(principal, asked.session, memories=True)
        assert deleted.receipt is not None
        return deleted.receipt
    return await desk.forgetting.forget(asked.org_id, await _rule(desk, asked))


async def _rule(desk: "ForgettingDesk", asked: Asked) -> Exclusion:
    from core.deletions import EVER

    until = parse_time(asked.before, desk.admin.clock.micros(), "before") if asked.before else EVER
    names = await desk.agents.names(asked.org_id, asked.agent) if asked.agent else ()
    return Exclusion(until=until, session_id=asked.session, agent_ids=names)


async def _waited(desk: "ForgettingDesk", receipt: "DeletionReceipt") -> "DeletionReceipt":
    """Once it is out of the store, or nobody is there to take it out."""
    told = ""
    while receipt.deletion.state == "pending":
        if await desk.admin.leases.holder() is None:
            warn("no flusher runs: the store is cleaned once one does")
            break
        if receipt.deletion.reason != told:
            told = receipt.deletion.reason
            warn(f"waiting: {told}")
        await pause(_LOOK_EVERY)
        receipt = await desk.forgetting.receipt(receipt.deletion.org_id, receipt.deletion.id)
    return receipt


@deletions.command("list")
def list_(
    ctx: typer.Context,
    org: Annotated[str, typer.Option("--org", metavar="ORG_ID", help="Only this organization's.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    as_json: AsJson = False,
) -> None:
    """List deletions, the newest first."""
    settings = call_of(ctx).settings()
    logged(settings, "command")

    async def work() -> "list[DeletionReceipt]":
        from core.bootstrap.forgetting import open_desk

        async with open_desk(settings) as desk:
            return list(await desk.forgetting.receipts(OrgId(org) if org else None, limit))

    found = asyncio.run(work())
    rows = [_answer(receipt) if as_json else _row(receipt) for receipt in found]
    records(rows, _COLUMNS, as_json_=as_json, empty="no deletions")


@deletions.command("show")
def show(
    ctx: typer.Context,
    deletion_id: Annotated[str, typer.Argument(metavar="DELETION_ID", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show the receipt of a deletion as of now."""
    settings = call_of(ctx).settings()
    logged(settings, "command")

    async def work() -> "DeletionReceipt":
        from core.bootstrap.forgetting import open_desk

        async with open_desk(settings) as desk:
            return await desk.forgetting.receipt(None, deletion_id)

    _show(asyncio.run(work()), as_json)


def _show(receipt: "DeletionReceipt", as_json: bool) -> None:
    if as_json:
        record(_answer(receipt), as_json_=True)
        return
    row = _row(receipt)
    record({name: row[name] for name in _COLUMNS}, as_json_=False)
    say("remains")
    for remainder in _answer(receipt)["remains"]:
        until = f" until {remainder['until']}" if remainder["until"] else ""
        say(f"  {remainder['where']}{until}: {remainder['why']}")


def _answer(receipt: "DeletionReceipt") -> dict[str, Any]:
    """The receipt as the API answers it."""
    from handlers.http.deletions import shown

    answer: dict[str, Any] = msgspec.to_builtins(shown(receipt))
    return answer


def _row(receipt: "DeletionReceipt") -> dict[str, Any]:
    deletion, rule = receipt.deletion, receipt.deletion.exclusion
    what = f"memory {receipt.memory_id}"
    if rule is not None:
        of = f"session {rule.session_id} " if rule.session_id else ""
        by = f"agent {','.join(rule.agent_ids)} " if rule.agent_ids else ""
        what = f"{of}{by}before {_answer(receipt)['before']}"
    return {
        "deletion_id": deletion.id,
        "org_id": deletion.org_id,
        "requested_at": _answer(receipt)["requested_at"],
        "state": deletion.state,
        "what": what,
        "removed": f"{deletion.from_journal} from the journal, {deletion.from_store} from the store",
        "reason": deletion.reason,
    }
