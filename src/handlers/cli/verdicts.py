"""What a doctor makes of what it saw: pure judgement, each with what to do about it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from core.model.errors import MemtraceError
from core.model.memory import Micros, OrgId
from core.model.timewindow import moment_of
from core.ports import Backlog, DatabaseReport

if TYPE_CHECKING:
    from core.rekeying import Row
    from core.settings import JournalSettings

Verdict = Literal["ok", "warn", "fail"]
_SHOWN: Final = 10
_MICROS: Final = 1_000_000
_SANE_SINCE: Final = 2026
_LEAD: Final = 2 * _MICROS
_OLD_SECONDS: Final = 300
_NEARLY_FULL: Final = 0.8
_GIB: Final = 1024**3
_LOW_DISK: Final = 2 * _GIB
_NO_DISK: Final = 200 * 1024**2


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the diagnosis; `advice` is what to do where it is not ok."""

    what: str
    verdict: Verdict
    told: str
    advice: str = ""


def failure(what: str, error: MemtraceError) -> Finding:
    return Finding(what, "fail", error.message, error.hint or "")


def configuration(file: Path | None, warnings: tuple[str, ...]) -> Finding:
    is_read = file is not None and str(file) != os.devnull
    told = f"read from {file}" if is_read else "no file: defaults and environment"
    if warnings:
        return Finding("configuration", "warn", told, "; ".join(warnings))
    return Finding("configuration", "ok", told)


def sealing(rows: "Sequence[Row]") -> Finding | None:
    """With which master key the stored keys are sealed; what opens with none is told with its store."""
    behind = sum(row.outcome == "resealed" for row in rows)
    if behind:
        told = f"{behind} of {len(rows)} with an earlier master key"
        return Finding("sealing", "warn", told, "`memtrace rekey` seals them with the one in force")
    if rows and all(row.outcome == "current" for row in rows):
        return Finding("sealing", "ok", "all with the master key in force")
    return None


def access(*, asks_for_keys: bool, host: str, is_loopback: bool) -> Finding:
    if asks_for_keys:
        return Finding("access", "ok", "API keys are asked for")
    told = f"no authentication, on {host or 'every address'}"
    if is_loopback:
        return Finding("access", "warn", told, "fine for trying out only")
    return Finding("access", "fail", told, "set auth.enabled, or server.host to 127.0.0.1")


def clock(now: Micros, newest: Micros | None) -> Finding:
    """`newest` is the newest time that the journal knows of."""
    moment: datetime = moment_of(now)
    if moment.year < _SANE_SINCE:
        return Finding("clock", "fail", f"it says {moment:%Y-%m-%d %H:%M} UTC", "set the clock; run NTP")
    ahead = (newest or 0) - now
    if ahead > _LEAD:
        told = f"the newest memory is {ahead / _MICROS:.0f} s in the future"
        return Finding("clock", "fail", told, "it stepped back: writes wait until it caught up; check NTP")
    return Finding("clock", "ok", f"{moment:%Y-%m-%d %H:%M:%S} UTC")


def database(path: Path, report: DatabaseReport | None) -> Finding:
    """Only an `ok` one may be opened without changing it."""
    if report is None:
        return Finding("database", "warn", f"{path} is not there", "the first start makes it")
    if report.damage:
        told = f"{path} is damaged: {report.damage[0]}"
        return Finding("database", "fail", told, "stop the server and restore a backup of it")
    if report.unknown:
        told = f"{path} was made by a newer Memtrace ({report.unknown[-1]})"
        return Finding("database", "fail", told, "run that version, or restore a backup made before it")
    if report.missing:
        told = f"{path} is sound; {len(report.missing)} migrations are to be applied"
        advice = (
            "the next start applies them, or `memtrace migrate`; with --check it tells what that would do"
        )
        return Finding("database", "warn", told, advice)
    return Finding("database", "ok", f"{path} is sound and up to date")


def journal(total: Backlog, limits: "JournalSettings", now: Micros) -> Finding:
    waiting = total.owed + total.delivered
    told = f"{waiting} memories unsettled, {total.bytes} bytes, {total.dead} dead, {total.claims} claims"
    age = 0.0 if total.oldest is None else (now - total.oldest) / _MICROS
    fill = max((waiting + total.dead) / limits.max_memories, total.bytes / limits.max_bytes)
    if fill >= _NEARLY_FULL:
        told += f": {fill:.0%} full"
        return Finding("journal", "fail", told, "`memtrace status` shows whose store fails")
    if age > _OLD_SECONDS:
        told += f"; the oldest is owed for {age:.0f} s"
        return Finding("journal", "warn", told, "`memtrace status` shows whose store fails")
    if total.dead:
        return Finding("journal", "warn", told, "`memtrace dead list` shows the dead ones")
    return Finding("journal", "ok", told)


def claims(unread: Sequence[OrgId]) -> Finding:
    """`unread` are the orgs whose stores were not read for what others wrote there."""
    if not unread:
        return Finding("claims", "ok", "known for what every store holds")
    told = f"not known yet for the stores of {', '.join(unread[:_SHOWN])}"
    if len(unread) > _SHOWN:
        told += f" and {len(unread) - _SHOWN} more"
    advice = "equal memories may be accepted again until a flusher runs and these stores answer"
    return Finding("claims", "warn", told, advice)


def processes(server: str | None, flusher: str | None, total: Backlog) -> Finding:
    told = f"server {server or 'none'}, flusher {flusher or 'none'}"
    if flusher is None and (server or total.owed):
        advice = "start `memtrace serve` with flusher.embedded, or `memtrace flusher`"
        return Finding("processes", "warn", f"{told}: what is owed is not delivered", advice)
    return Finding("processes", "ok", told)


def unbound(org_id: str) -> Finding:
    advice = f"`memtrace org add-arc {org_id}` binds it; until then its reads and writes answer 503"
    return Finding(f"store of {org_id}", "warn", "not bound", advice)


def disk(what: str, folder: Path, free: int) -> Finding:
    """`free` bytes are left where the folder is."""
    told = f"{free / _GIB:.1f} GiB free at {folder}"
    if free < _NO_DISK:
        return Finding(what, "fail", told, "free some space: writes will be refused")
    if free < _LOW_DISK:
        return Finding(what, "warn", told, "free some space soon")
    return Finding(what, "ok", told)
