"""The database file itself, for commands that look at it or bring it up to date."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from core import telemetry
from core.adapters.sqlite.inspection import inspect
from core.adapters.sqlite.migrate import summary, unwritable
from core.adapters.sqlite.rehearsal import rehearse
from core.adapters.sqlite.upgrading import SPARE, Upgraded, lacking_room, room_needed, upgrade
from core.bootstrap.master_keys import vault_of
from core.model.errors import DatabaseError, MasterKeyError
from core.model.tenant import SealedBinding
from core.model.upgrade import Rehearsal
from core.ports import DatabaseReport
from core.settings import Settings

_FOLDER: Final = "memtrace-check-"


@dataclass(frozen=True, slots=True)
class UpgradeCheck:
    """What `memtrace migrate` would find, do and come to."""

    database: Path
    rehearsal: Rehearsal
    about: Mapping[str, str]
    """Of each migration to be applied, what it is about."""
    locked: Mapping[str, str]
    """Orgs whose Arc key does not open with the master key in force, and why."""
    key_problem: str | None
    """Why no Arc key was tried."""
    copy_bytes: int
    free_bytes: int
    no_room: str | None
    """Why there is no room for a copy."""
    unwritable: Path | None
    """What this user may not write: the file or its folder."""

    @property
    def is_needed(self) -> bool:
        return bool(self.rehearsal.missing)

    @property
    def would_work(self) -> bool:
        """Whether the upgrade would, and a start after it."""
        can_be_done = self.no_room is None and self.unwritable is None
        return self.rehearsal.is_sound and not self.locked and (not self.is_needed or can_be_done)


def inspect_database(settings: Settings) -> DatabaseReport | None:
    """What a look at it found; changes nothing. None when there is none. Blocks. Raises DatabaseError."""
    return inspect(Path(settings.auth.db_path))


def upgraded_database(
    settings: Settings,
    *,
    keep_copy: bool = True,
    copy_folder: Path | None = None,
    for_serving: bool = False,
) -> Upgraded:
    """Brings it up to date, keeping a copy first where it has any content; says so in the log.

    `for_serving` asks first whether every Arc key opens. Blocks. Raises DatabaseError, HeldByOther
    or MasterKeyError, and then it is as it was.
    """
    approve = partial(_refuse_locked, settings) if for_serving else _approve
    done = upgrade(
        Path(settings.auth.db_path),
        datetime.now(UTC),
        keep_copy=keep_copy,
        copy_folder=copy_folder,
        approve=approve,
    )
    if done.copy is not None:
        telemetry.info("database_copied", path=str(done.copy))
        telemetry.info("database_upgraded", applied=done.applied)
    return done


def check_upgrade(settings: Settings, copy_folder: Path | None = None) -> UpgradeCheck | None:
    """Rehearses the upgrade on a copy in the temporary folder. None when there is no database.

    Changes nothing beside the database and in it. Blocks. Raises DatabaseError.
    """
    path = Path(settings.auth.db_path)
    if not path.is_file():
        return None
    _refuse_to_rehearse_without_room(path)
    with tempfile.TemporaryDirectory(prefix=_FOLDER) as work:
        rehearsal = rehearse(path, Path(work))
    locked, key_problem = _opened(settings, rehearsal.bindings)
    folder = copy_folder or path.parent
    return UpgradeCheck(
        database=path,
        rehearsal=rehearsal,
        about={name: summary(name) for name in rehearsal.missing},
        locked=locked,
        key_problem=key_problem,
        copy_bytes=room_needed(path),
        free_bytes=shutil.disk_usage(folder).free,
        no_room=lacking_room(path, folder),
        unwritable=unwritable(path),
    )


def _refuse_to_rehearse_without_room(path: Path) -> None:
    temporary = tempfile.gettempdir()
    if shutil.disk_usage(temporary).free < 2 * room_needed(path) + SPARE:
        raise DatabaseError(
            f"there is no room in {temporary} for a copy to try the upgrade on",
            hint="set TMPDIR to a folder with room",
        )


def _approve(bindings: list[SealedBinding]) -> None:
    """A command may be what gives the keys anew."""


def _refuse_locked(settings: Settings, bindings: list[SealedBinding]) -> None:
    vault = vault_of(settings)
    for sealed in bindings:
        vault.binding(sealed)


def _opened(settings: Settings, bindings: Sequence[SealedBinding]) -> tuple[dict[str, str], str | None]:
    """Which Arc keys do not open and why, or why none was tried."""
    try:
        vault = vault_of(settings)
    except MasterKeyError as e:
        return {}, e.message
    locked = {}
    for sealed in bindings:
        try:
            vault.binding(sealed)
            vault.admin_key(sealed)
        except MasterKeyError as e:
            locked[str(sealed.org_id)] = e.message
    return locked, None
