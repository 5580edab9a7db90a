"""`memtrace rekey`: after the master key was changed, seals what is stored with the new one."""

from typing import TYPE_CHECKING, Annotated

import typer

from handlers.cli.calls import AsJson, call_of
from handlers.cli.output import as_json, say, warn
from handlers.cli.progress import items_seen

if TYPE_CHECKING:
    from core.bootstrap.admin import Admin
    from core.rekeying import Row


def rekey(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; say what would be.")] = False,
    json_: AsJson = False,
) -> None:
    """Seal the stored keys of all orgs with the master key in force.

    What is sealed with it already stays as it is, so it may be repeated. The exit code is 1 when
    the keys of an org open with none of the master keys, or were changed by others at every try.
    """

    async def work(admin: "Admin") -> "list[Row]":
        from core.rekeying import Rekeying

        rekeying = Rekeying(bindings=admin.bindings, vault=admin.vault)
        with items_seen("sealing") as advance:
            return await rekeying.run(dry_run=dry_run, seen=lambda _: advance(1))

    rows = call_of(ctx).admin(work)
    count = {
        "resealed": _count(rows, "resealed"),
        "current": _count(rows, "current"),
        "locked": _count(rows, "locked"),
        "changing": _count(rows, "changing"),
    }
    left = [row for row in rows if row.outcome in ("locked", "changing")]
    if json_:
        told = [{"org_id": row.org_id, "outcome": row.outcome, "reason": row.reason} for row in left]
        as_json({**count, "dry_run": dry_run, "left": told})
    else:
        verb = "would be sealed anew" if dry_run else "sealed anew"
        say(f"{count['resealed']} {verb}, {count['current']} sealed with this master key already")
        for row in left:
            warn(f"{row.org_id} is left as it is: {row.reason}")
    if left:
        raise typer.Exit(1)


def _count(rows: "list[Row]", outcome: str) -> int:
    return sum(row.outcome == outcome for row in rows)
