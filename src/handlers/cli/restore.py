"""`memtrace restore`: puts a backup in the place of what is there, and says what that brings back."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from core.model.backup import Comparison, Difference, Manifest, Named, Restored
from core.model.errors import HeldByOther, InvalidRequest
from core.model.timewindow import rfc3339
from handlers.cli.backup import summary
from handlers.cli.calls import AsJson, Yes, call_of
from handlers.cli.output import clean, confirmed, record, say, size_of
from handlers.cli.progress import bytes_seen
from handlers.holding import held, holder_of

_TOLD = {
    "revived_keys": "API keys are valid again that had been revoked",
    "revived_orgs": "organizations are back that had been deleted",
    "revived_agents": "agents are back that had been deleted",
    "revived_sessions": "sessions are open again that had been closed or deleted",
    "changed_bindings": "bindings are as they were then",
    "lost_keys": "API keys are not known any more: they were made since",
    "lost_orgs": "organizations are not known any more: they were made since",
    "lost_agents": "agents are not known any more: they were made since",
    "lost_sessions": "sessions are not known any more: they were made since",
}


def restore(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    db_path: Annotated[Path | None, typer.Option("--db-path", help="Instead of auth.db_path.")] = None,
    store_root: Annotated[
        Path | None, typer.Option("--store-root", help="A folder for the stores, instead of their own.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also where the master key does not open what is in it.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Put a backup in the place of what is there.

    Everything is verified before anything is changed. A database that is there is moved aside,
    files that are there stay.
    """
    from core.bootstrap.backup import opened_backup, restore_backup
    from core.restores import Target

    call = call_of(ctx)
    settings = call.settings(flags={"auth.db_path": str(db_path)}) if db_path else call.file_settings()
    database = settings.auth.db_path.absolute()
    _refuse_while_served(database)
    total = 2 * file.stat().st_size if file.is_file() else 0
    with bytes_seen("verifying", total) as seen, opened_backup(file, seen) as (archive, manifest):
        _ask(database, manifest, yes)
        database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = Target(database, store_root.absolute() if store_root else None, any_key=force)
        with held(database), bytes_seen("restoring", manifest.stored_bytes) as put:
            restored = restore_backup(settings, archive, manifest, target, put)
    if as_json:
        record(_record(restored), as_json_=True)
    else:
        _tell(restored)


def _refuse_while_served(database: Path) -> None:
    """Before a large file is read in vain; the lock itself is taken later."""
    server = holder_of(database)
    if server is not None:
        raise HeldByOther(f"{database} is served ({server.told})", hint="stop that server first")


def _ask(database: Path, manifest: Manifest, yes: bool) -> None:
    if not database.exists():
        return
    question = f"Put the backup of {rfc3339(manifest.made_at)} in the place of {database}?"
    if not confirmed(question, yes=yes):
        raise InvalidRequest("nothing was restored: not confirmed", hint="use --yes")


def _record(restored: Restored) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(restored)
    return {**told, "manifest": summary(restored.manifest)}


def _tell(restored: Restored) -> None:
    manifest = restored.manifest
    say(f"restored {clean(restored.database)}: everything acknowledged before {rfc3339(manifest.made_at)}")
    if restored.aside:
        say(f"the database that was there is now {clean(restored.aside)}")
    for old, new in restored.roots.items():
        say(f"store {clean(new)}" + (f", which was {clean(old)}" if new != old else ""))
    size = size_of(manifest.stored_bytes)
    say(f"{restored.files} of {manifest.stored_files} files ({size} in all) put there")
    for path in restored.replaced:
        say(f"another file had the name of one of them; it is kept as {clean(path)}")
    for org in manifest.elsewhere():
        say(f"not touched: the memories of {org.org_id}, which an Arc keeps")
    for org_id in restored.unopened:
        say(f"the Arc key of {org_id} does not open with this master key: `memtrace org add-arc {org_id}`")
    _tell_differences(restored)


def _tell_differences(restored: Restored) -> None:
    if restored.unreadable:
        say("The database that was there could not be read: look at `memtrace key list` for revoked keys.")
    elif restored.compared is None:
        say("No database was there. Keys that were revoked since the backup are valid again: revoke them.")
    elif not restored.compared.differs:
        say("nothing differs from the database that was there")
    else:
        _tell_compared(restored.compared)


def _tell_compared(compared: Comparison) -> None:
    for name, words in _TOLD.items():
        difference: Difference = getattr(compared, name)
        if difference.count:
            more = ", …" if difference.count > len(difference.first) else ""
            say(f"{difference.count} {words}: {', '.join(map(_named, difference.first))}{more}")
    if compared.lost_memories:
        say(f"{compared.lost_memories} memories that no store had yet are in the old database only")
    if compared.repeated_deletions:
        say(f"{compared.repeated_deletions} deletions made since are in force again, and carried out again")


def _named(one: Named) -> str:
    whose = f" of {one.org_id}" if one.org_id != one.id else ""
    return clean(f"{one.id} ({one.name}){whose}" if one.name else f"{one.id}{whose}")
