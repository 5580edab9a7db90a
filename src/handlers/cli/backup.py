"""`memtrace backup`: copies an installation into one file, while it runs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.model.backup import Manifest
from core.model.errors import InvalidRequest
from core.model.timewindow import rfc3339
from handlers.cli.calls import AsJson, call_of
from handlers.cli.output import clean, record, size_of
from handlers.cli.progress import bytes_seen

if TYPE_CHECKING:
    from core.settings import Settings

_STDOUT = Path("-")
KEY_IS_NEEDED = "The master key is not in it: without that key, kept elsewhere, no Arc key in it opens."


def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="- is standard output.")],
    check: Annotated[bool, typer.Option("--check", help="Verify FILE instead of making it.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE where it is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Copy the installation into one file.

    The database with its journal, and the files of all embedded stores, while server and flusher
    run. Not the master key, and not what an Arc keeps.
    """
    from core.bootstrap.backup import check_backup

    if check:
        total = file.stat().st_size if file.is_file() else 0
        with bytes_seen("checking", total) as seen:
            manifest = check_backup(file, seen)
        _tell(manifest, f"{file} is whole", as_json=as_json, told=sys.stdout)
        return
    if file == _STDOUT and (as_json or sys.stdout.isatty()):
        raise InvalidRequest("the archive goes to standard output, which is to be a file or a pipe")
    manifest = _made(call_of(ctx).file_settings(), file, force)
    told = sys.stderr if file == _STDOUT else sys.stdout
    _tell(manifest, f"wrote {file}", as_json=as_json, told=told)


def _made(settings: "Settings", file: Path, force: bool) -> Manifest:
    from core.bootstrap.backup import stream_backup, write_backup

    with bytes_seen("copying") as seen:
        if file == _STDOUT:
            return stream_backup(settings, seen)
        return write_backup(settings, file, replace=force, seen=seen)


def _tell(manifest: Manifest, what: str, *, as_json: bool, told: Any) -> None:
    if as_json:
        record(summary(manifest), as_json_=True)
        return
    counts = manifest.counts
    print(
        f"{clean(what)}: made {rfc3339(manifest.made_at)} by Memtrace {manifest.memtrace}\n"
        f"{counts.orgs} organizations, {counts.unsettled} memories in the journal,"
        f" {manifest.stored_files} files of stores ({size_of(manifest.stored_bytes)})",
        file=told,
    )
    for org in manifest.elsewhere():
        print(
            f"not in it: the memories of {org.org_id}, which an Arc keeps",
            file=told,
        )
    print(KEY_IS_NEEDED, file=told, flush=True)


def summary(manifest: Manifest) -> dict[str, Any]:
    """For scripts: all but the list of files."""
    return {
        "format": manifest.format,
        "memtrace": manifest.memtrace,
        "made_at": rfc3339(manifest.made_at),
        "migrations": manifest.migrations,
        "database_bytes": manifest.database.size,
        "files": manifest.stored_files,
        "bytes": manifest.stored_bytes,
        "counts": {name: getattr(manifest.counts, name) for name in manifest.counts.__struct_fields__},
        "orgs": [
            {"org_id": org.org_id, "name": org.name, "store": org.store, "url": org.url or None}
            for org in manifest.orgs
        ],
    }
