"""The files of a place, for a backup: out of it while others append and merge, and back into one.

Blocking: for a process of its own.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

from core.adapters.events.durable import make_root, reachable, remove, sync_folder
from core.adapters.events.layout import Place, place_of
from core.adapters.events.partitions import Partitions
from core.adapters.events.writing import unique
from core.model.backup import PlaceName
from core.model.errors import StoreUnreachable
from core.model.memory import Micros, Span
from core.model.tenant import Binding
from core.model.timewindow import EARLIEST, LATEST
from core.ports import Clock
from core.ports.backup import Bound, Take

_ALWAYS: Final = Span(EARLIEST, LATEST)
_ROUNDS: Final = 10
_SLOW: Final = 20.0
"""Seconds. A day listed for longer may have shown neither a merged file nor what it stands for; sources
of a merge stay for three times as long."""
_CHUNK: Final = 1 << 20
_SPARE: Final = 64 << 20
"""Bytes that are to be left on a disk."""


class PlaceFiles:
    """Implements `StoreFiles`. One instance for one backup or one restore."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._partitions = Partitions(clock)
        self._changed: set[Path] = set()

    def place(self, bound: Bound) -> PlaceName:
        """Where an embedded binding's memories live. Raises StoreRefused."""
        place = place_of(Binding("", bound.org_id, bound.url, bound.database, bound.measurement, created=0))
        return PlaceName(str(place.root), place.database, place.measurement)

    # --- out

    def copy_out(self, name: PlaceName, take: Take) -> frozenset[str]:
        """Day by day, as no merge goes beyond one."""
        place = Place(Path(name.root), name.database, name.measurement)
        stale: set[str] = set()
        with reachable(place.root):
            os.stat(place.root)
            for day in list(self._partitions.days(place, _ALWAYS, fresh=True)):
                stale |= self._copy_day(place, day, take)
        return frozenset(stale)

    def _copy_day(self, place: Place, day: Micros, take: Take) -> set[str]:
        """All the files of one listing, which together hold the day as it was when this began.

        A file that a merge took away in between is in a larger one by now: so the day is listed
        again. What the last listing does not show has been replaced, or deleted.
        """
        taken: set[str] = set()
        for _ in range(_ROUNDS):
            listed = self._listed(place, day)
            missing = False
            for path in sorted(listed - taken):
                if _hand_over(place, path, take):
                    taken.add(path)
                else:
                    missing = True
            if not missing:
                return taken - listed
        raise StoreUnreachable(f"files of {place.folder} were replaced faster than they could be copied")

    def _listed(self, place: Place, day: Micros) -> set[str]:
        """What readers would read now, by path below the place's folder."""
        for _ in range(_ROUNDS):
            begun = self._clock.monotonic()
            units = list(self._partitions.day_units(place, day, _ALWAYS, fresh=True))
            if self._clock.monotonic() - begun < _SLOW:
                return {os.path.relpath(file.path, place.folder) for unit in units for file in unit.files}
        raise StoreUnreachable(f"the folders of {place.folder} take too long to list")

    # --- back

    def prepare(self, roots: Iterable[str], size: int) -> None:
        for root in map(Path, roots):
            with reachable(root):
                make_root(root)
                if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
                    raise StoreUnreachable(
                        f"the store's folder {root} may not be written by this user",
                        hint="change its owner or its permissions, or choose another one with --store-root",
                    )
                if shutil.disk_usage(root).free < size + _SPARE:
                    raise StoreUnreachable(
                        f"there is no room for the files of the backup in {root}",
                        hint="free some space, or choose another folder with --store-root",
                    )

    def put_back(self, name: PlaceName, path: str, content: BinaryIO) -> bool | str:
        place = Place(Path(name.root), name.database, name.measurement)
        target = place.folder / path
        staged = place.staging / f"{target.name}.{unique()}.tmp"
        with reachable(place.root):
            place.staging.mkdir(exist_ok=True)
            try:
                _write(staged, content)
                return self._publish(staged, target, place.root)
            finally:
                remove(staged)

    def _publish(self, staged: Path, target: Path, root: Path) -> bool | str:
        target.parent.mkdir(parents=True, exist_ok=True)
        self._note(target.parent, root)
        try:
            os.link(staged, target)
        except FileExistsError:
            if _digest(staged) == _digest(target):
                return False
            beside = target.with_name(f"{target.name}.replaced-{unique()}")
            os.link(target, beside)
            os.replace(staged, target)
            return str(beside)
        return True

    def _note(self, folder: Path, root: Path) -> None:
        while folder not in self._changed:
            self._changed.add(folder)
            if folder == root:
                break
            folder = folder.parent

    def finish(self) -> None:
        """The deepest folders first."""
        for folder in sorted(self._changed, key=lambda f: len(f.parts), reverse=True):
            with reachable(folder):
                sync_folder(folder)
        self._changed.clear()


def _hand_over(place: Place, path: str, take: Take) -> bool:
    """False where the file is gone. One that was opened can be read to its end, whatever becomes of it."""
    try:
        file = open(place.folder / path, "rb")
    except FileNotFoundError:
        return False
    with file:
        take(path, os.fstat(file.fileno()).st_size, file)
    return True


def _write(path: Path, content: BinaryIO) -> None:
    with open(path, "xb") as file:
        shutil.copyfileobj(content, file, _CHUNK)
        file.flush()
        os.fsync(file.fileno())


def _digest(path: Path) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
