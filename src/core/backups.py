"""Makes a backup of a running installation: the database first, then the files of its stores.

In this order a memory that settles in between is in both, and shown once; in the other one it
would be in neither.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from core.model.backup import (
    DATABASE,
    FORMAT,
    ArchivedFile,
    ArchivedOrg,
    ArchivedPlace,
    Manifest,
    PlaceName,
    decode_manifest,
    encode_manifest,
)
from core.model.errors import BackupUnusable
from core.ports import Clock
from core.ports.backup import ArchiveReader, ArchiveWriter, DatabaseContents, DatabaseCopier, StoreFiles
from core.version import VERSION

_COPY: Final = "copy.db"
Seen = Callable[[int], None]
"""Told how many more bytes were dealt with."""


class Backups:
    """Blocks from beginning to end; several may be made at a time."""

    def __init__(self, *, database: DatabaseCopier, files: StoreFiles, clock: Clock) -> None:
        self._database = database
        self._files = files
        self._clock = clock

    def write(self, source: Path, archive: ArchiveWriter, work: Path, seen: Seen) -> Manifest:
        """Everything that was acknowledged before the call is in the archive when this returns.

        `work` is a folder for the copy of the database. Raises DatabaseError, StoreError or
        BackupUnusable; the archive is of no use then.
        """
        made_at = self._clock.micros()
        copy = work / _COPY
        self._database.copy(source, copy)
        contents = self._database.describe(copy)
        with copy.open("rb") as file:
            database = archive.add(DATABASE, copy.stat().st_size, file)
        copy.unlink()
        seen(database.size)
        places = {self._files.place(one) for one in contents.bound if one.is_embedded}
        manifest = Manifest(
            format=FORMAT,
            memtrace=VERSION,
            made_at=made_at,
            migrations=contents.migrations,
            database=database,
            counts=contents.counts,
            orgs=_orgs(contents),
            places=self._stores(sorted(places), archive, seen),
        )
        archive.finish(encode_manifest(manifest))
        return manifest

    def _stores(self, names: Sequence[PlaceName], archive: ArchiveWriter, seen: Seen) -> list[ArchivedPlace]:
        return [self._store(number, name, archive, seen) for number, name in enumerate(names)]

    def _store(self, number: int, name: PlaceName, archive: ArchiveWriter, seen: Seen) -> ArchivedPlace:
        place = ArchivedPlace(*name, files=[])
        taken: list[ArchivedFile] = []

        def take(path: str, size: int, content: BinaryIO) -> None:
            member = archive.add(place.member(number, path), size, content)
            taken.append(ArchivedFile(path, size, member.sha256))
            seen(size)

        stale = self._files.copy_out(name, take)
        files = [ArchivedFile(f.path, f.size, f.sha256, superseded=f.path in stale) for f in taken]
        return ArchivedPlace(*name, files=files)


def verified(archive: ArchiveReader, seen: Seen) -> Manifest:
    """The manifest of an archive of which every byte was checked. Raises BackupUnusable.

    Where the whole is damaged, the member that is gets named.
    """
    damage: BackupUnusable | None = None
    try:
        archive.verify(seen)
    except BackupUnusable as e:
        damage = e
    manifest = decode_manifest(archive.manifest())
    for name, expected in manifest.members().items():
        archive.verify_member(name, expected)
    if damage is not None:
        raise damage
    return manifest


def _orgs(contents: DatabaseContents) -> list[ArchivedOrg]:
    bound = {one.org_id: one for one in contents.bound}
    orgs = []
    for org_id, name in contents.names.items():
        one = bound.get(org_id)
        if one is None:
            orgs.append(ArchivedOrg(org_id, name, "none"))
        else:
            orgs.append(ArchivedOrg(org_id, name, "included" if one.is_embedded else "elsewhere", one.url))
    return orgs
