"""What `memtrace migrate --check` found, for people and for scripts."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.model.upgrade import CHANGES, WORTH_KNOWING, Rehearsal
from handlers.cli.output import clean, size_of

if TYPE_CHECKING:
    from core.bootstrap.database import UpgradeCheck

_NAMES: Final = {
    "orgs": "organizations",
    "keys": "API keys",
    "bindings": "bindings",
    "agents": "agents",
    "sessions": "sessions",
}
_SHOWN: Final = 5


def as_record(database: Path, found: "UpgradeCheck | None") -> dict[str, Any]:
    """For scripts; `found` is None where there is no database."""
    if found is None:
        return {"database": str(database), "exists": False, "needed": True, "would_work": True}
    rehearsal = found.rehearsal
    opens = {str(b.org_id): str(b.org_id) not in found.locked for b in rehearsal.bindings}
    return {
        "database": str(database),
        "exists": True,
        "needed": found.is_needed,
        "would_work": found.would_work,
        "original": rehearsal.is_original,
        "migrations": [{"name": name, "about": about} for name, about in found.about.items()],
        "newer": list(rehearsal.unknown),
        "damage": list(rehearsal.damage),
        "failure": rehearsal.failure,
        "rows": dict(rehearsal.counts),
        "findings": dict(rehearsal.findings),
        "lost": list(rehearsal.lost),
        "kept": list(rehearsal.kept),
        "dangling": rehearsal.dangling,
        "arc_keys_open": opens if found.key_problem is None else None,
        "unseeded": rehearsal.unseeded,
        "copy_bytes": found.copy_bytes,
        "free_bytes": found.free_bytes,
        "no_room": found.no_room,
        "unwritable": str(found.unwritable) if found.unwritable else None,
    }


def as_words(database: Path, found: "UpgradeCheck | None") -> Iterator[str]:
    """For people, line by line."""
    if found is None:
        yield clean(f"{database} is not there: a start makes it")
        return
    yield clean(f"{database}: {_state(found)}")
    for name, about in found.about.items():
        yield f"  {name:<16} {about}"
    yield from _rows(found.rehearsal)
    yield from _keys(found)
    if found.is_needed and found.rehearsal.is_sound:
        yield from _plan(found)
    yield from _in_the_way(found)
    yield "Nothing was changed."


def _state(found: "UpgradeCheck") -> str:
    rehearsal = found.rehearsal
    if rehearsal.unknown:
        return f"made by a newer Memtrace ({rehearsal.unknown[-1]})"
    if not rehearsal.missing:
        return "up to date"
    was = "made by Memtrace 0.2.0" if rehearsal.is_original else "empty" if rehearsal.is_empty else "in use"
    return f"{was}; {len(rehearsal.missing)} migrations are to be applied, all of them or none"


def _rows(rehearsal: Rehearsal) -> Iterator[str]:
    if rehearsal.counts:
        yield "holds " + ", ".join(f"{rehearsal.counts.get(key, 0)} {name}" for key, name in _NAMES.items())
    if not rehearsal.missing:
        return
    for told in (CHANGES, WORTH_KNOWING):
        for name, what in told.items():
            if count := rehearsal.findings.get(name, 0):
                yield f"  {count} {what}"
    if rehearsal.dangling:
        yield f"  {rehearsal.dangling} rows refer to something that is gone; they stay as they are"
    if rehearsal.kept:
        yield clean(f"  added by others, stays: {_some(rehearsal.kept)}")
    if rehearsal.lost:
        yield clean(f"  added by others, only in the copy from then on: {_some(rehearsal.lost)}")


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _keys(found: "UpgradeCheck") -> Iterator[str]:
    if found.key_problem is not None:
        yield f"Arc keys were not tried: {found.key_problem}"
    elif found.rehearsal.bindings:
        opened = [b for b in found.rehearsal.bindings if str(b.org_id) not in found.locked]
        yield f"Arc keys that open with this master key: {len(opened)} of {len(found.rehearsal.bindings)}"


def _plan(found: "UpgradeCheck") -> Iterator[str]:
    rehearsal = found.rehearsal
    if rehearsal.unseeded:
        yield (
            "the next start reads what was stored within the dedup window from the stores of"
            f" {rehearsal.unseeded} organizations, so that equal memories are found"
        )
    if not rehearsal.is_empty:
        room = f"{size_of(found.copy_bytes)}; {size_of(found.free_bytes)} are free there"
        yield f"a copy of the database is kept first ({room})"
    yield "tried on a copy: works"


def _in_the_way(found: "UpgradeCheck") -> Iterator[str]:
    rehearsal = found.rehearsal
    yield from (clean(f"IN THE WAY: damaged: {line}") for line in rehearsal.damage)
    if rehearsal.unknown:
        yield "IN THE WAY: run that version, or restore a backup made before it"
    if rehearsal.failure is not None:
        yield clean(f"IN THE WAY: tried on a copy: {rehearsal.failure}")
    if found.is_needed and found.no_room is not None:
        yield clean(f"IN THE WAY: {found.no_room}")
    if found.is_needed and found.unwritable is not None:
        yield clean(f"IN THE WAY: {found.unwritable} may not be written by this user")
    yield from (clean(f"IN THE WAY of a start: {why}") for why in found.locked.values())
