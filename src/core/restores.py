"""Puts a backup in the place of what is there, in an order in which a crash at any point is harmless.

Until the one step that swaps the databases the old installation is in force: what was done before
has only added files to its stores, whose memories collapse with their equals. After it the new one
is. A restore that was killed is simply run again.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from core.backups import Seen
from core.model.backup import DATABASE, Manifest, PlaceName, Restored, roots_under
from core.model.errors import DatabaseError, MasterKeyError
from core.model.memory import Micros, OrgId
from core.model.tenant import SealedBinding
from core.model.timewindow import moment_of
from core.ports import Clock
from core.ports.backup import ArchiveReader, DatabaseCopier, DatabaseSwap, StoreFiles
from core.vault import Vault

_STAGED: Final = "staged.db"
Probe = Callable[[str], None]
"""Called at named points, so that a test can end the process there."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a backup goes to."""

    database: Path
    store_root: Path | None
    """Instead of the folders that the bindings name."""
    any_key: bool = False
    """Also where stored Arc keys do not open with this master key."""


class Restores:
    """Blocks from beginning to end. Call it with the installation held and its archive verified."""

    def __init__(
        self,
        *,
        database: DatabaseCopier,
        files: StoreFiles,
        vault: Vault,
        clock: Clock,
        probe: Probe = lambda _: None,
    ) -> None:
        self._database = database
        self._files = files
        self._vault = vault
        self._clock = clock
        self._probe = probe

    def put_back(
        self,
        archive: ArchiveReader,
        manifest: Manifest,
        target: Target,
        old: DatabaseSwap,
        work: Path,
        seen: Seen,
    ) -> Restored:
        """The installation as the backup has it, in force and on disk when this returns.

        `work` is a folder beside the database. Raises before anything is changed: BackupUnusable,
        MasterKeyError, StoreUnreachable, DatabaseError; later only what the disk refuses.
        """
        staged = work / _STAGED
        unopened = self._staged(archive, staged)
        if unopened and not target.any_key:
            raise _wrong_key(unopened)
        compared = old.compare(staged)
        moved = _moved(manifest, target.store_root)
        self._files.prepare(_filled(manifest, moved), manifest.stored_bytes)
        now = self._clock.micros()
        self._database.make_ready(staged, self._rebound(staged, moved), now)
        self._probe("restore.staged")
        old.hand_over_deletions(staged, now)
        with _written(staged):
            _sync(staged)
        self._probe("restore.deletions")
        put, replaced = self._fill(archive, manifest, moved, seen)
        self._probe("restore.files")
        unreadable = old.is_unreadable
        aside = self._swap(old, staged, _aside(target.database, now))
        return Restored(
            manifest=manifest,
            database=str(target.database),
            aside=aside,
            roots=moved,
            files=put,
            replaced=replaced,
            unopened=unopened,
            compared=compared,
            unreadable=unreadable,
        )

    def _swap(self, old: DatabaseSwap, staged: Path, aside: Path) -> str | None:
        is_old = old.keep_aside(aside)
        self._probe("restore.aside")
        old.swap(staged)
        self._probe("restore.swapped")
        return str(aside) if is_old else None

    def _staged(self, archive: ArchiveReader, staged: Path) -> list[OrgId]:
        """The backup's database, up to date; the orgs whose Arc keys do not open."""
        with _written(staged), archive.open(DATABASE) as source, _private(staged) as copy:
            shutil.copyfileobj(source, copy)
        self._database.check(staged)
        return self._unopened(self._database.bring_up_to_date(staged))

    def _unopened(self, bindings: list[SealedBinding]) -> list[OrgId]:
        failed = []
        for sealed in bindings:
            try:
                self._vault.binding(sealed)
                self._vault.admin_key(sealed)
            except MasterKeyError:
                failed.append(sealed.org_id)
        return failed

    def _rebound(self, staged: Path, moved: Mapping[str, str]) -> dict[OrgId, str]:
        """The orgs whose folder is another one now."""
        rebound = {}
        for bound in self._database.describe(staged).bound:
            if bound.is_embedded:
                root = self._files.place(bound).root
                if moved.get(root, root) != root:
                    rebound[bound.org_id] = moved[root]
        return rebound

    def _fill(
        self, archive: ArchiveReader, manifest: Manifest, moved: Mapping[str, str], seen: Seen
    ) -> tuple[int, list[str]]:
        """How many files were put there, and what had the names of some of them."""
        put, replaced = 0, []
        for number, place in enumerate(manifest.places):
            name = PlaceName(moved[place.root], place.database, place.measurement)
            for file in place.files:
                if not file.superseded:
                    with archive.open(place.member(number, file.path)) as content:
                        was = self._files.put_back(name, file.path, content)
                    put += was is not False
                    replaced += [was] if isinstance(was, str) else []
                    self._probe("restore.file")
                seen(file.size)
        self._files.finish()
        return put, replaced


def _moved(manifest: Manifest, store_root: Path | None) -> dict[str, str]:
    """Root in the backup → root to fill."""
    roots = sorted({place.root for place in manifest.places})
    if store_root is None:
        return {root: root for root in roots}
    return roots_under(str(store_root), roots)


def _filled(manifest: Manifest, moved: Mapping[str, str]) -> list[str]:
    return sorted({moved[place.root] for place in manifest.places})


def _aside(database: Path, now: Micros) -> Path:
    """A name that is free."""
    stamp = moment_of(now).strftime("%Y%m%dT%H%M%S")
    name = f"{database.name}.before-restore-{stamp}"
    number, free = 2, database.with_name(name)
    while os.path.lexists(free):
        free = database.with_name(f"{name}-{number}")
        number += 1
    return free


@contextlib.contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise DatabaseError(
            f"{path} cannot be written: {e.strerror or type(e).__name__}",
            hint="check the rights of its folder and the room on its disk",
        ) from e


def _private(path: Path) -> BinaryIO:
    """A new file that only its owner may read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _wrong_key(orgs: list[OrgId]) -> MasterKeyError:
    return MasterKeyError(
        f"the Arc keys in the backup do not open with this master key: {', '.join(orgs[:10])}",
        hint="set MEMTRACE_MASTER_KEY to the key of the installation that was backed up;"
        " with --force it is restored all the same, and `memtrace org add-arc` gives each binding again",
    )
