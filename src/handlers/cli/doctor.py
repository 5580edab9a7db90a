"""`memtrace doctor`: looks at everything a server needs, and says what to do about what is wrong."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import typer

from core.model.errors import ConfigurationError, MasterKeyError, MemtraceError, StoreError
from core.model.memory import Micros
from core.model.tenant import FILE_SCHEME, SealedBinding
from core.model.timewindow import micros_of
from core.ports import Backlog
from handlers.cli.calls import AsJson, Call, call_of, opened
from handlers.cli.output import as_json, clean, say
from handlers.holding import holder_of
from handlers.listening import is_loopback

if TYPE_CHECKING:
    from core.bootstrap.admin import Admin
    from core.settings import Settings

Verdict = Literal["ok", "warn", "fail"]
_MICROS: Final = 1_000_000
_SANE_SINCE: Final = micros_of(datetime(2026, 1, 1, tzinfo=UTC))
_LEAD: Final = 2 * _MICROS
_OLD_SECONDS: Final = 300
_NEARLY_FULL: Final = 0.8
_LOW_DISK: Final = 2 * 1024**3
_NO_DISK: Final = 200 * 1024**2
_CHECK_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the diagnosis; `advice` is what to do where it is not ok."""

    what: str
    verdict: Verdict
    told: str
    advice: str = ""


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
        advice = f"\n{'':<{width + 7}} → {clean(finding.advice)}" if finding.advice else ""
        say(f"{finding.verdict:<4}  {finding.what:<{width}}  {clean(finding.told)}{advice}")


async def _all(call: Call) -> list[Finding]:
    try:
        settings = call.settings()
    except MemtraceError as e:
        return [_failed("configuration", e)]
    return [finding async for finding in examine(settings)]


async def examine(settings: "Settings") -> AsyncIterator[Finding]:
    """Everything, in the order in which a start needs it; goes on as far as makes sense."""
    for finding in (_configuration(settings), _openness(settings), _master_key(settings), _clock()):
        yield finding
    database = await asyncio.to_thread(lambda: list(_database(settings)))
    for finding in database:
        yield finding
    if any(finding.verdict == "fail" for finding in database) or not _exists(settings):
        return
    try:
        async with opened(settings) as admin:
            async for finding in _inside(settings, admin):
                yield finding
    except ConfigurationError as e:
        yield _failed("database", e)


async def _inside(settings: "Settings", admin: "Admin") -> AsyncIterator[Finding]:
    """What only an opened installation tells."""
    total = await admin.ledger.total()
    yield _journal(total, settings)
    yield await _processes(settings, admin, total)
    bindings = {b.org_id: b for b in await admin.bindings.list_bindings()}
    orgs = await admin.tenants.list_orgs()
    if not orgs:
        yield Finding(
            "orgs", "warn", "there are none", "start the server once, or `memtrace org create NAME`"
        )
    for org in orgs:
        if org.id in bindings:
            async for finding in _binding(admin, bindings[org.id]):
                yield finding
        else:
            advice = f"`memtrace org add-arc {org.id}` binds it; until then its reads and writes answer 503"
            yield Finding(f"store of {org.id}", "warn", "not bound", advice)


def _failed(what: str, error: MemtraceError) -> Finding:
    return Finding(what, "fail", error.message, error.hint or "")


def _configuration(settings: "Settings") -> Finding:
    told = f"read from {settings.file}" if settings.file else "no file: defaults and environment"
    if settings.warnings:
        return Finding("configuration", "warn", told, "; ".join(settings.warnings))
    return Finding("configuration", "ok", told)


def _openness(settings: "Settings") -> Finding:
    host = settings.server.host
    if settings.auth.enabled:
        return Finding("access", "ok", "API keys are asked for")
    if is_loopback(host):
        return Finding("access", "warn", f"no authentication, on {host}", "fine for trying out only")
    return Finding("access", "fail", f"no authentication, on {host}", "set auth.enabled, or host 127.0.0.1")


def _master_key(settings: "Settings") -> Finding:
    from core.vault import parse_master_key

    try:
        parse_master_key(settings.master_key)
    except MasterKeyError as e:
        return _failed("master key", e)
    return Finding("master key", "ok", "well formed")


def _clock() -> Finding:
    now = datetime.now(UTC)
    if micros_of(now) < _SANE_SINCE:
        return Finding("clock", "fail", f"it says {now:%Y-%m-%d %H:%M} UTC", "set the clock; run NTP")
    return Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _database(settings: "Settings") -> Iterator[Finding]:
    from core.bootstrap.database import inspect_database

    path = settings.auth.db_path
    folder = next(p for p in path.absolute().parents if p.exists())
    if not os.access(folder, os.W_OK):
        yield Finding(
            "database", "fail", f"{folder} cannot be written", "check its rights, or set auth.db_path"
        )
        return
    try:
        report = inspect_database(settings)
    except ConfigurationError as e:
        yield _failed("database", e)
        return
    if report is None:
        yield Finding("database", "warn", f"{path} is not there", "the first start makes it")
    elif report.damage:
        yield Finding("database", "fail", f"{path} is damaged: {report.damage[0]}", "restore a backup of it")
    elif report.unknown:
        told = f"{path} was made by a newer Memtrace ({report.unknown[-1]})"
        yield Finding("database", "fail", told, "run that version, or restore a backup made before it")
    elif report.missing:
        told = f"{path} is sound; {len(report.missing)} migrations are to be applied"
        yield Finding("database", "warn", told, "the next start applies them, or `memtrace migrate` now")
    else:
        yield Finding("database", "ok", f"{path} is sound and up to date")
    yield from _stamps(report.newest if report else None)
    yield _disk("disk", path.absolute().parent)


def _exists(settings: "Settings") -> bool:
    return settings.auth.db_path.exists()


def _stamps(newest: Micros | None) -> Iterator[Finding]:
    ahead = (newest or 0) - micros_of(datetime.now(UTC))
    if ahead > _LEAD:
        told = f"the newest memory is {ahead / _MICROS:.0f} s in the future"
        yield Finding(
            "stamps", "fail", told, "the clock stepped back: writes wait until it caught up; check NTP"
        )


def _journal(total: Backlog, settings: "Settings") -> Finding:
    waiting, limits = total.owed + total.delivered, settings.journal
    told = f"{waiting} memories unsettled, {total.bytes} bytes, {total.dead} dead, {total.claims} claims"
    age = 0.0 if total.oldest is None else (micros_of(datetime.now(UTC)) - total.oldest) / _MICROS
    fill = max(waiting / limits.max_memories, total.bytes / limits.max_bytes)
    if fill >= _NEARLY_FULL:
        return Finding(
            "journal", "fail", f"{told}: {fill:.0%} full", "`memtrace status` shows whose store fails"
        )
    if age > _OLD_SECONDS:
        told += f"; the oldest is owed for {age:.0f} s"
        return Finding("journal", "warn", told, "`memtrace status` shows whose store fails")
    if total.dead:
        return Finding("journal", "warn", told, "`memtrace dead list` shows the dead ones")
    return Finding("journal", "ok", told)


async def _processes(settings: "Settings", admin: "Admin", total: Backlog) -> Finding:
    server, flusher = holder_of(settings.auth.db_path), await admin.leases.holder()
    told = f"server {server.url if server and server.pid else 'none'}, flusher {flusher or 'none'}"
    if flusher is None and (server or total.owed):
        advice = "start `memtrace serve` with flusher.embedded, or `memtrace flusher`"
        return Finding("processes", "warn", f"{told}: what is owed is not delivered", advice)
    return Finding("processes", "ok", told)


async def _binding(admin: "Admin", sealed: SealedBinding) -> AsyncIterator[Finding]:
    """Reachability and rights, by asking the store; for a folder the room on its disk too."""
    what = f"store of {sealed.org_id}"
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await admin.store.check(admin.vault.binding(sealed))
    except (StoreError, ConfigurationError) as e:
        yield Finding(what, "fail", f"{sealed.url}: {e.message}", e.hint or "")
    except TimeoutError:
        yield Finding(what, "fail", f"{sealed.url}: no answer within {_CHECK_SECONDS:.0f} s", "is it up?")
    else:
        yield Finding(what, "ok", f"{sealed.url} answers")
    if sealed.url.startswith(FILE_SCHEME):
        yield _disk(f"disk of {sealed.org_id}", Path(sealed.url.removeprefix(FILE_SCHEME)))


def _disk(what: str, folder: Path) -> Finding:
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(there).free
    told = f"{free / 1024**3:.1f} GiB free at {there}"
    if free < _NO_DISK:
        return Finding(what, "fail", told, "free some space: writes will be refused")
    if free < _LOW_DISK:
        return Finding(what, "warn", told, "free some space soon")
    return Finding(what, "ok", told)
