"""Names of folders and files, and the portions in which they are read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.events.layout import (
    HOUR,
    DataFile,
    Unit,
    day_of,
    hour_of,
    is_merged,
    is_source,
    place_of,
    portions,
)
from core.model.errors import StoreRefused
from core.model.memory import OrgId
from core.model.tenant import Binding

NOW = 1_780_000_000_000_000


def bound(url: str = "file:/srv/store", database: str = "db", measurement: str = "events") -> Binding:
    return Binding("arc_1", OrgId("org_1"), url, database, measurement, 0)


def test_an_hour_has_the_folder_that_arc_gives_it() -> None:
    place = place_of(bound())
    assert place.hour_folder(hour_of(NOW)) == Path("/srv/store/db/events/2026/05/28/20")
    assert place.day_folder(day_of(NOW)) == Path("/srv/store/db/events/2026/05/28")
    assert place.file_name(NOW, "ab") == "events_20260528_202640_ab.parquet"


def test_a_merged_file_is_known_by_its_name() -> None:
    place = place_of(bound(measurement="events_merged"))
    assert is_merged(place.merged_name(NOW, "0123456789abcdef"))
    assert not is_merged(place.file_name(NOW, "0123456789abcdef"))


@pytest.mark.parametrize("url", ["file:/srv/store", "file:///srv/store", "file://srv/store"])
def test_slashes_before_the_folder_do_not_matter(url: str) -> None:
    assert place_of(bound(url)).root == Path("/srv/store")


@pytest.mark.parametrize("url", ["https://arc.example", "file:store", "file:", "file:/a\0b"])
def test_a_url_without_an_absolute_folder_is_refused(url: str) -> None:
    with pytest.raises(StoreRefused, match="no absolute folder"):
        place_of(bound(url))


@pytest.mark.parametrize("name", ["", "..", "../up", "a/b", ".hidden", "1st", "a b", "x" * 65, "a\n", "é"])
def test_a_name_that_could_leave_the_root_is_refused(name: str) -> None:
    with pytest.raises(StoreRefused, match="database"):
        place_of(bound(database=name))
    if len(name) != 65:
        with pytest.raises(StoreRefused, match="measurement"):
            place_of(bound(measurement=name))


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("a.parquet", True),
        ("05/a.parquet", True),
        ("../a.parquet", False),
        ("05/../a.parquet", False),
        ("/etc/a.parquet", False),
        ("005/a.parquet", False),
        ("a.txt", False),
        ("", False),
    ],
)
def test_a_list_of_sources_names_files_beside_or_one_hour_below(name: str, answer: bool) -> None:
    assert is_source(name) is answer


def units(sizes: list[int]) -> list[Unit]:
    return [
        Unit(i * HOUR, (i + 1) * HOUR, (DataFile(f"{i}.parquet", size, False),))
        for i, size in enumerate(sizes)
    ]


@given(st.lists(st.integers(0, 50 << 20), max_size=60), st.integers(1, 8 << 20), st.integers(1, 5))
def test_portions_keep_every_unit_in_order(sizes: list[int], first: int, growth: int) -> None:
    parts = list(portions(units(sizes), first, growth))
    assert [unit for part in parts for unit in part] == units(sizes)
    assert all(parts)


def test_portions_grow() -> None:
    parts = list(portions(units([768 << 10] * 30), 2 << 20, 4))
    assert [len(part) for part in parts] == [2, 8, 20]
