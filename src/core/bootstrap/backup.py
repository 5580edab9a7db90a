"""Backups and restores, built of the adapters. Everything here blocks."""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from core.adapters.archive.reading import TarReader, opened
from core.adapters.archive.workspace import put_in_place, refuse_existing, workspace, writable
from core.adapters.archive.writing import TarWriter
from core.adapters.clock import SystemClock
from core.adapters.events.copying import PlaceFiles
from core.adapters.sqlite.copying import SqliteCopier
from core.adapters.sqlite.seizing import seized
from core.backups import Backups, Seen, verified
from core.bootstrap.master_keys import vault_of
from core.model.backup import DATABASE, Manifest, Restored
from core.restores import Probe, Restores, Target
from core.settings import Settings

_MICROS: Final = 1_000_000


def write_backup(settings: Settings, target: Path, *, replace: bool, seen: Seen) -> Manifest:
    """A whole archive at `target` (mode 0600), or none. Raises BackupUnusable where one is there."""
    refuse_existing(target, replace=replace)
    with workspace(target) as work:
        made = work / "archive"
        with _new(made, target) as file:
            manifest = _write(settings, file, target, work, seen)
        put_in_place(made, target, replace=replace)
    return manifest


def stream_backup(settings: Settings, seen: Seen) -> Manifest:
    """The archive to standard output; it is whole only if this returns."""
    with workspace(settings.auth.db_path) as work:
        return _write(settings, sys.stdout.buffer, Path("standard output"), work, seen)


def _write(settings: Settings, file: BinaryIO, told: Path, work: Path, seen: Seen) -> Manifest:
    clock = SystemClock()
    archive = TarWriter(file, told, clock.micros() // _MICROS)
    backups = Backups(database=SqliteCopier(), files=PlaceFiles(clock), clock=clock)
    return backups.write(settings.auth.db_path, archive, work, seen)


def check_backup(path: Path, seen: Seen) -> Manifest:
    """Every byte of it, and the database in it. Raises BackupUnusable. Needs room for that database."""
    with opened(path) as archive:
        manifest = verified(archive, seen)
        with workspace(Path(tempfile.gettempdir()) / DATABASE) as work, writable(work):
            copy = work / DATABASE
            with archive.open(DATABASE) as source, copy.open("xb") as target:
                shutil.copyfileobj(source, target)
            SqliteCopier().check(copy)
    return manifest


@contextlib.contextmanager
def opened_backup(path: Path, seen: Seen) -> Iterator[tuple[TarReader, Manifest]]:
    """A backup of which every byte was checked. Raises BackupUnusable."""
    with opened(path) as archive:
        yield archive, verified(archive, seen)


def restore_backup(
    settings: Settings,
    archive: TarReader,
    manifest: Manifest,
    target: Target,
    seen: Seen,
    probe: Probe = lambda _: None,
) -> Restored:
    """Call it with the installation held. Raises HeldByOther while another process uses its database."""
    clock = SystemClock()
    restores = Restores(
        database=SqliteCopier(),
        files=PlaceFiles(clock),
        vault=vault_of(settings),
        clock=clock,
        probe=probe,
    )
    with workspace(target.database) as work, seized(target.database) as old:
        return restores.put_back(archive, manifest, target, old, work, seen)


@contextlib.contextmanager
def _new(path: Path, told: Path) -> Iterator[BinaryIO]:
    with writable(told):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        yield file
