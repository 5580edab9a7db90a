"""What a backup says of itself, and what a restore did."""

import re
from typing import Final, NamedTuple

import msgspec

from core.model.errors import BackupUnusable
from core.model.memory import Micros, OrgId

FORMAT: Final = 1
"""Grows when an older program could not read what a newer one wrote."""
DATABASE: Final = "memtrace.db"
MANIFEST: Final = "manifest.json"
_ROOT_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")
_STORED: Final = re.compile(r"[0-9]{4}/[0-9]{2}/[0-9]{2}/(?:[0-9]{2}/)?[^/\0]+\.parquet")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,127}")


class PlaceName(NamedTuple):
    """One measurement of one embedded store: a folder of Parquet files."""

    root: str
    database: str
    measurement: str


class ArchivedFile(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One file of a store, by its path below `<root>/<database>/<measurement>`."""

    path: str
    size: int
    sha256: str
    superseded: bool = False
    """Whether other files of the archive hold its memories, so that it must not be put back."""


class ArchivedPlace(msgspec.Struct, frozen=True):
    """A place and its files; orgs may share it."""

    root: str
    database: str
    measurement: str
    files: list[ArchivedFile]

    @property
    def name(self) -> PlaceName:
        return PlaceName(self.root, self.database, self.measurement)

    def member(self, number: int, path: str) -> str:
        """The name in the archive of a file of this place, which is the manifest's `number`th."""
        return f"stores/{number}/{self.database}/{self.measurement}/{path}"


class ArchivedOrg(msgspec.Struct, frozen=True):
    """`store`: `included`, `elsewhere` (its memories live in an Arc), or `none` (not bound)."""

    org_id: OrgId
    name: str
    store: str
    url: str = ""


class DatabaseCounts(msgspec.Struct, frozen=True):
    """What the database holds, in numbers."""

    orgs: int = 0
    keys: int = 0
    agents: int = 0
    sessions: int = 0
    bindings: int = 0
    claims: int = 0
    unsettled: int = 0
    """Memories of the journal that no store was seen to serve yet; dead letters too."""
    deletions: int = 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The last but one member of an archive: all that is in it, with sizes and SHA-256."""

    format: int
    memtrace: str
    made_at: Micros
    """Everything acknowledged before this is in the backup."""
    migrations: list[str]
    database: ArchivedFile
    counts: DatabaseCounts
    orgs: list[ArchivedOrg]
    places: list[ArchivedPlace]

    @property
    def stored_files(self) -> int:
        return sum(not file.superseded for place in self.places for file in place.files)

    @property
    def stored_bytes(self) -> int:
        return sum(file.size for place in self.places for file in place.files if not file.superseded)

    def elsewhere(self) -> list[ArchivedOrg]:
        """Orgs whose memories are not in the backup, because an Arc keeps them."""
        return [org for org in self.orgs if org.store == "elsewhere"]

    def members(self) -> dict[str, ArchivedFile]:
        """Every file of the archive by its name there."""
        named = {DATABASE: self.database}
        for number, place in enumerate(self.places):
            for file in place.files:
                named[place.member(number, file.path)] = file
        return named


class _Head(msgspec.Struct):
    format: int


_encoder: Final = msgspec.json.Encoder()
_head: Final = msgspec.json.Decoder(_Head)
_whole: Final = msgspec.json.Decoder(Manifest)


def encode_manifest(manifest: Manifest) -> bytes:
    return msgspec.json.format(_encoder.encode(manifest), indent=1)


def decode_manifest(text: bytes) -> Manifest:
    """Raises BackupUnusable where it is none, is of a newer format, or names what no store has."""
    try:
        head = _head.decode(text)
        if head.format > FORMAT:
            raise BackupUnusable(
                f"the backup has format {head.format}, and this version reads up to {FORMAT}",
                hint="restore it with the Memtrace that made it, or a newer one",
            )
        manifest = _whole.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BackupUnusable("the backup's manifest cannot be read") from None
    for place in manifest.places:
        _check_place(place)
    return manifest


def _check_place(place: ArchivedPlace) -> None:
    """No path made from a manifest leaves the folder that it is meant for."""
    names = (place.database, place.measurement)
    is_fine = all(map(_NAME.fullmatch, names)) and all(_STORED.fullmatch(f.path) for f in place.files)
    if not is_fine or not place.root.startswith("/"):
        raise BackupUnusable("the backup's manifest names a file that no store can have")


def roots_under(folder: str, roots: list[str]) -> dict[str, str]:
    """Where each root goes below another folder: a single one is that folder itself."""
    if len(roots) == 1:
        return {roots[0]: folder}
    taken: dict[str, str] = {}
    for root in roots:
        name = _ROOT_NAME.sub("-", root.rstrip("/").rpartition("/")[2]) or "store"
        number, free = 2, name
        while f"{folder}/{free}" in taken.values():
            free = f"{name}-{number}"
            number += 1
        taken[root] = f"{folder}/{free}"
    return taken


class Named(msgspec.Struct, frozen=True):
    """One thing of an org, for people: a key's or agent's name, a session's id."""

    org_id: str
    id: str
    name: str = ""


class Difference(msgspec.Struct, frozen=True):
    """How many, and the first of them."""

    count: int = 0
    first: list[Named] = []


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The installation that was there, beside the one that took its place."""

    revived_keys: Difference = Difference()
    """Valid again: they had been revoked, or deleted with their org, since the backup."""
    revived_orgs: Difference = Difference()
    revived_agents: Difference = Difference()
    revived_sessions: Difference = Difference()
    """Open again: they had been closed or deleted."""
    changed_bindings: Difference = Difference()
    """As they were then: they had been changed or removed."""
    lost_keys: Difference = Difference()
    """Made since the backup, so that they are not known any more."""
    lost_orgs: Difference = Difference()
    lost_agents: Difference = Difference()
    lost_sessions: Difference = Difference()
    lost_memories: int = 0
    """Unsettled in the journal that was there, and not in the backup's: only the old file has them."""
    repeated_deletions: int = 0
    """Made since the backup: in force again, and carried out again."""

    @property
    def differs(self) -> bool:
        return self != Comparison()


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore did."""

    manifest: Manifest
    database: str
    aside: str | None
    """Where the database that was there is now."""
    roots: dict[str, str]
    """Store folder of the backup → the one that was filled."""
    files: int
    """Put there; the others were there already, byte for byte."""
    replaced: list[str]
    """Files of the same name that held something else: kept beside, under a name no reader takes."""
    unopened: list[OrgId]
    """Orgs whose Arc key does not open with this master key."""
    compared: Comparison | None
    """None when there was no database before, or none that could be read."""
    unreadable: bool = False
    """Whether a database was there that could not be read."""
