"""Copying a place while others append to it and merge it: every memory is in a file that was copied."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from core.adapters.events.choosing import Policy
from core.adapters.events.copying import PlaceFiles
from core.model.backup import PlaceName
from core.model.errors import StoreUnreachable
from tests.contract.event_stores import HOUR, memory
from tests.events.rig import Rig, query, rigged

EAGER = Policy(alike=2, hour_quiet=0.0, day_delay=0.0, day_quiet=0.0)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rigged(tmp_path) as made:
        yield made


class Copied:
    """Keeps what is handed over; `at` is called before the n-th file is read."""

    def __init__(self, folder: Path, at: dict[int, Callable[[], None]] | None = None) -> None:
        self.folder = folder
        self.paths: list[str] = []
        self._at = at or {}

    def __call__(self, path: str, size: int, content: BinaryIO) -> None:
        self._at.pop(len(self.paths), lambda: None)()
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.read())
        assert target.stat().st_size == size
        self.paths.append(path)

    def rows(self, stale: frozenset[str]) -> list[str]:
        """The contents in those files that are to be used."""
        files = [str(self.folder / path) for path in self.paths if path not in stale]
        return sorted(row[0] for row in query(f"SELECT content FROM read_parquet({files})"))


def name_of(rig: Rig) -> PlaceName:
    return PlaceName(str(rig.root), "db", "events")


async def merged(rig: Rig) -> None:
    """All that can be merged is, and nothing of it is left."""
    merger = rig.merger(EAGER)
    for _ in range(6):
        await rig.step(merger, 3 * HOUR / 1e6)


async def test_a_quiet_place_is_copied_whole(rig: Rig, tmp_path: Path) -> None:
    await rig.put(*(memory(i * HOUR // 2) for i in range(6)))
    copied = Copied(tmp_path / "copy")
    assert PlaceFiles(rig.clock).copy_out(name_of(rig), copied) == frozenset()
    assert sorted(copied.paths) == rig.files()
    assert len(copied.rows(frozenset())) == 6


async def test_an_empty_place_has_no_files(rig: Rig, tmp_path: Path) -> None:
    assert PlaceFiles(rig.clock).copy_out(name_of(rig), Copied(tmp_path)) == frozenset()


async def test_files_that_others_stand_for_are_not_copied(rig: Rig, tmp_path: Path) -> None:
    for i in range(2):
        await rig.put(memory(i))
    await rig.step(rig.merger(EAGER), 5)
    assert len(rig.files()) == 3
    copied = Copied(tmp_path / "copy")
    assert PlaceFiles(rig.clock).copy_out(name_of(rig), copied) == frozenset()
    assert len(copied.paths) == 1
    assert copied.rows(frozenset()) == ["memory 0", "memory 1"]


@pytest.mark.parametrize("at", [0, 1, 2])
async def test_a_merge_in_between_loses_nothing_and_repeats_nothing(
    rig: Rig, tmp_path: Path, at: int
) -> None:
    for i in range(3):
        await rig.put(memory(i))
    small = {path: (rig.folder / path).read_bytes() for path in rig.files()}
    await merged(rig)
    large = {path: (rig.folder / path).read_bytes() for path in rig.files()}
    assert len(large) == 1
    for path, content in small.items():
        (rig.folder / path).parent.mkdir(exist_ok=True)
        (rig.folder / path).write_bytes(content)
    for path in large:
        (rig.folder / path).unlink()

    def merge() -> None:
        for path, content in large.items():
            (rig.folder / path).write_bytes(content)
        for path in small:
            (rig.folder / path).unlink()

    copied = Copied(tmp_path / "copy", {at: merge})
    stale = PlaceFiles(rig.clock).copy_out(name_of(rig), copied)
    assert copied.rows(stale) == ["memory 0", "memory 1", "memory 2"]


async def test_a_day_that_changes_without_end_is_given_up(rig: Rig, tmp_path: Path) -> None:
    await rig.put(memory(0))
    (path,) = rig.files()
    first = rig.folder / path

    class Elusive(PlaceFiles):
        """Lists a file that is gone whenever it is asked for."""

        def _listed(self, place: object, day: int) -> set[str]:
            return {"2026/01/01/00/gone.parquet"}

    with pytest.raises(StoreUnreachable, match="faster than they could be copied"):
        Elusive(rig.clock).copy_out(name_of(rig), Copied(tmp_path / "copy"))
    assert first.exists()


async def test_a_slow_listing_is_not_believed(rig: Rig, tmp_path: Path) -> None:
    await rig.put(memory(0))

    class Slow:
        """A clock by which everything takes a minute."""

        def __init__(self) -> None:
            self._now = 0.0

        def micros(self) -> int:
            return rig.clock.micros()

        def monotonic(self) -> float:
            self._now += 60
            return self._now

    with pytest.raises(StoreUnreachable, match="take too long to list"):
        PlaceFiles(Slow()).copy_out(name_of(rig), Copied(tmp_path / "copy"))


def test_a_root_that_is_away_is_no_empty_one(tmp_path: Path, rig: Rig) -> None:
    with pytest.raises(StoreUnreachable):
        PlaceFiles(rig.clock).copy_out(PlaceName(str(tmp_path / "none"), "db", "events"), Copied(tmp_path))


# --- back


def test_a_file_is_put_back_once(rig: Rig) -> None:
    files = PlaceFiles(rig.clock)
    path = "2026/01/01/00/x.parquet"
    assert files.put_back(name_of(rig), path, io.BytesIO(b"one")) is True
    assert files.put_back(name_of(rig), path, io.BytesIO(b"one")) is False
    files.finish()
    assert (rig.folder / path).read_bytes() == b"one"
    assert rig.staged() == []


def test_what_has_its_name_is_kept_beside(rig: Rig) -> None:
    files = PlaceFiles(rig.clock)
    path = "2026/01/01/00/x.parquet"
    files.put_back(name_of(rig), path, io.BytesIO(b"one"))
    beside = files.put_back(name_of(rig), path, io.BytesIO(b"two"))
    assert isinstance(beside, str)
    assert (Path(beside).read_bytes(), (rig.folder / path).read_bytes()) == (b"one", b"two")
    assert not beside.endswith(".parquet")


def test_a_root_that_may_not_be_made_is_said(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnreachable, match="cannot be used"):
        PlaceFiles(rig.clock).prepare([str(tmp_path / "file" / "store")], 0)
