"""`memtrace doctor`: looks at everything that a server needs, and changes nothing."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from core.model.errors import ConfigurationError, MemtraceError
from core.model.memory import Micros
from core.model.tenant import FILE_SCHEME, SealedBinding
from core.model.timewindow import micros_of
from handlers.cli import verdicts
from handlers.cli.calls import AsJson, Call, call_of, opened
from handlers.cli.looking import what_is_wrong
from handlers.cli.output import as_json, clean, say
from handlers.cli.verdicts import Finding
from handlers.holding import holder_of
from handlers.listening import is_loopback

if TYPE_CHECKING:
    from core.bootstrap.admin import Admin
    from core.rekeying import Rekeying
    from core.settings import Settings


def doctor(ctx: typer.Context, json_: AsJson = False) -> None:
    """Check everything that a server needs.

    Configuration, master key, database, journal, stores, clock and disk: each line is ok, warn
    or fail, and what is not ok says what to do. The exit code is 1 when anything fails.
    """
    findings = asyncio.run(_all(call_of(ctx)))
    if json_:
        as_json([asdict(finding) for finding in findings])
    else:
        _print(findings)
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)


def _print(findings: list[Finding]) -> None:
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        advice = f"\n{'':<{width + 8}}{clean(finding.advice)}" if finding.advice else ""
        say(f"{finding.verdict:<4}  {finding.what:<{width}}  {clean(finding.told)}{advice}")


async def _all(call: Call) -> list[Finding]:
    try:
        settings = call.settings()
    except MemtraceError as e:
        return [verdicts.failure("configuration", e)]
    return [finding async for finding in _examined(settings)]


async def _examined(settings: "Settings") -> AsyncIterator[Finding]:
    """In the order in which a start needs it, as far as it can be seen without changing anything."""
    yield verdicts.configuration(settings.file, settings.warnings)
    host = settings.server.host
    yield verdicts.access(asks_for_keys=settings.auth.enabled, host=host, is_loopback=is_loopback(host))
    yield await asyncio.to_thread(_master_key, settings)
    is_table = settings.metadata.backend == "dynamodb"
    if not is_table:
        database = await asyncio.to_thread(lambda: list(_database(settings)))
        for finding in database:
            yield finding
        if database[0].verdict != "ok":
            return
    try:
        async with opened(settings) as admin:
            if is_table:
                yield Finding("database", "ok", f"the DynamoDB table {settings.dynamodb.table} answers")
            async for finding in _inside(settings, admin):
                yield finding
    except ConfigurationError as e:
        yield verdicts.failure("database", e)


def _master_key(settings: "Settings") -> Finding:
    from core.bootstrap.master_keys import vault_of

    try:
        vault_of(settings)
    except ConfigurationError as e:
        return verdicts.failure("master key", e)
    secret = settings.master_secret
    return Finding("master key", "ok", f"read from the secret {secret.arn}" if secret else "well formed")


def _database(settings: "Settings") -> Iterator[Finding]:
    """The file first; then, where it can be read, the clock beside it and the room around it."""
    from core.bootstrap.database import inspect_database

    path = settings.auth.db_path.absolute()
    folder = _there(path.parent)
    if not os.access(folder, os.W_OK):
        advice = "check its rights, or set auth.db_path"
        yield Finding("database", "fail", f"{folder} cannot be written", advice)
        return
    try:
        report = inspect_database(settings)
    except ConfigurationError as e:
        yield verdicts.failure("database", e)
        return
    yield verdicts.database(path, report)
    yield verdicts.clock(_now(), report.newest if report else None)
    yield _disk("disk", folder)


async def _inside(settings: "Settings", admin: "Admin") -> AsyncIterator[Finding]:
    """What only an opened installation tells."""
    total = await admin.ledger.total()
    yield verdicts.journal(total, settings.journal, _now())
    server = holder_of(settings.auth.db_path)
    yield verdicts.processes(server.told if server else None, await admin.leases.holder(), total)
    if settings.dedup.enabled:
        unread = [one.org_id for one in await admin.seedings.unseeded() if one.again_at is None]
        yield verdicts.claims(unread)
    if (finding := verdicts.sealing(await _rekeying(admin).run(dry_run=True))) is not None:
        yield finding
    bindings = {b.org_id: b for b in await admin.bindings.list_bindings()}
    orgs = await admin.tenants.list_orgs()
    if not orgs:
        yield Finding("orgs", "warn", "none", "start the server once, or `memtrace org create NAME`")
    for org in orgs:
        if org.id not in bindings:
            yield verdicts.unbound(org.id)
            continue
        yield await _store(admin, bindings[org.id])
        if bindings[org.id].url.startswith(FILE_SCHEME):
            folder = Path(bindings[org.id].url.removeprefix(FILE_SCHEME))
            yield _disk(f"disk of {org.id}", _there(folder))


def _rekeying(admin: "Admin") -> "Rekeying":
    from core.rekeying import Rekeying

    return Rekeying(bindings=admin.bindings, vault=admin.vault)


async def _store(admin: "Admin", sealed: SealedBinding) -> Finding:
    """Reachability and rights, by asking the store itself."""
    what = f"store of {sealed.org_id}"
    trouble, advice = await what_is_wrong(admin, sealed.org_id)
    if trouble:
        return Finding(what, "fail", f"{sealed.url}: {trouble}", advice)
    return Finding(what, "ok", f"{sealed.url} answers")


def _disk(what: str, folder: Path) -> Finding:
    return verdicts.disk(what, folder, shutil.disk_usage(folder).free)


def _there(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return next(p for p in (folder, *folder.parents) if p.exists())


def _now() -> Micros:
    return micros_of(datetime.now(UTC))
