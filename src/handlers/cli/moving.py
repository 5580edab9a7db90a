"""`memtrace org move`: another store for an organization, with everything that the old one holds."""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from core.bindings import DEFAULT_MEASUREMENT
from core.model.errors import InvalidRequest, NotFound
from core.model.memory import OrgId
from core.model.tenant import Binding
from core.moving import Comparison, Moved, Mover, Progress
from handlers.cli.calls import AsJson, Yes, call_of, secret
from handlers.cli.orgs import AdminKey, OrgArgument
from handlers.cli.output import confirmed, record

if TYPE_CHECKING:
    from core.bootstrap.admin import Admin

_NEARLY: Final = 0.8
"""Of the org's share of the journal: beyond it a move makes room again by ending."""
_TELL_EVERY: Final = 1.0


def move(
    ctx: typer.Context,
    org_id: OrgArgument,
    url: Annotated[
        str, typer.Option(help="https://… of an Arc, or file:/absolute/folder.", show_default=False)
    ],
    database: Annotated[str, typer.Option(show_default=False)] = "memory",
    api_key: Annotated[
        str, typer.Option(help="The Arc's API key; `-` reads it from standard input. Not for file:.")
    ] = "",
    admin_key: AdminKey = "",
    measurement: Annotated[str, typer.Option()] = DEFAULT_MEASUREMENT,
    compare: Annotated[
        bool, typer.Option("--compare", help="Only say what is missing in the new store.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Move an organization to another store, with its memories.

    Copies what the old store holds, compares both stores from end to end, and switches the binding
    once the new one shows everything. Reads and writes go on meanwhile. The old store is left as it is.
    """
    arc_key, deleting = secret(api_key, "--api-key"), secret(admin_key, "--admin-key")
    if not (compare or confirmed(f"Move all memories of {org_id} to {url}?", yes=yes)):
        raise InvalidRequest(f"{org_id} was not moved: not confirmed", hint="use --yes")

    async def work(admin: "Admin") -> dict[str, Any]:
        sealed = await admin.tenants.new_binding(
            OrgId(org_id),
            url=url,
            arc_key=arc_key,
            admin_key=deleting,
            database=database,
            measurement=measurement,
        )
        old, new = await _binding(admin, OrgId(org_id)), admin.vault.binding(sealed)
        if _place(old) == _place(new):
            raise InvalidRequest(
                f"{org_id} is there already", hint="name another url, database or measurement"
            )
        mover = _mover(admin)
        if compare:
            return _compared(org_id, await mover.compare(old, new))
        return _moved(org_id, await mover.move(old, new, sealed))

    record(call_of(ctx).admin(work), as_json_=as_json)


async def _binding(admin: "Admin", org_id: OrgId) -> Binding:
    sealed = await admin.bindings.find_binding(org_id)
    if sealed is None:
        raise NotFound(f"{org_id} has no arc instance", hint=f"bind it: `memtrace org add-arc {org_id}`")
    return admin.vault.binding(sealed)


def _place(binding: Binding) -> tuple[str, str, str]:
    return binding.url, binding.database, binding.measurement


def _mover(admin: "Admin") -> Mover:
    limits = admin.settings.journal

    async def is_filling(org_id: OrgId) -> bool:
        for backlog in await admin.ledger.backlogs():
            if backlog.org_id == org_id:
                rows = backlog.owed + backlog.delivered + backlog.dead
                return (
                    rows > _NEARLY * limits.max_memories_per_org
                    or backlog.bytes > _NEARLY * limits.max_bytes_per_org
                )
        return False

    return Mover(
        store_for=admin.store_for,
        moves=admin.moves,
        is_filling=is_filling,
        clock=admin.clock,
        pause=asyncio.sleep,
        tell=_teller(),
    )


def _teller() -> Callable[[Progress], None]:
    """Says how far it is, a line a second, to a person who looks."""
    if not sys.stderr.isatty():
        return lambda _: None
    said_at = 0.0

    def tell(progress: Progress) -> None:
        nonlocal said_at
        if time.monotonic() - said_at < _TELL_EVERY:
            return
        said_at = time.monotonic()
        line = f"{progress.phase}: {progress.memories:,} compared, {progress.copied:,} copied"
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)

    return tell


def _compared(org_id: str, found: Comparison) -> dict[str, Any]:
    return {
        "org_id": org_id,
        "memories": found.memories,
        "missing": found.missing,
        "extra": found.extra,
    }


def _moved(org_id: str, moved: Moved) -> dict[str, Any]:
    return {
        "org_id": org_id,
        "moved": True,
        "memories": moved.comparison.memories,
        "copied": moved.copied,
    }
