"""Parcels as bodies of columnar writes."""

import gzip

import msgpack  # type: ignore[import-untyped]
import pytest
import zstandard

from core.adapters.arc.payload import compressed, encode
from core.model.errors import StoreRefused
from core.model.memory import COLUMNS
from core.ports import Parcel
from tests.contract.event_stores import ACME, T0, memory, parcel


def test_a_parcel_becomes_one_map_of_twelve_whole_columns() -> None:
    memories = [memory(1, importance=0.0), memory(2, content="naïve \0 \U0001f600", importance=1.0)]
    sent = msgpack.unpackb(encode(parcel(memories), "events"))
    assert sent["m"] == "events"
    assert list(sent["columns"]) == list(COLUMNS)
    assert {len(column) for column in sent["columns"].values()} == {2}
    assert sent["columns"]["time"] == [T0 + 1, T0 + 2]
    assert sent["columns"]["content"] == ["memory 1", "naïve \0 \U0001f600"]
    assert all(isinstance(value, float) for value in sent["columns"]["importance"])
    assert all(value is not None for column in sent["columns"].values() for value in column)


@pytest.mark.parametrize("lines", [b"{}", b"not json", b'{"time":"x"}', b"\xff\xfe"])
def test_a_line_that_is_none_of_ours_is_refused(lines: bytes) -> None:
    with pytest.raises(StoreRefused, match="cannot be decoded"):
        encode(Parcel(ACME, (T0,), lines), "events")


def test_a_parcel_that_miscounts_is_refused() -> None:
    whole = parcel([memory(1), memory(2)])
    with pytest.raises(StoreRefused, match="a parcel of 1 memories has 2 lines"):
        encode(Parcel(ACME, whole.times[:1], whole.lines), "events")


@pytest.mark.parametrize("time", [10**13 - 1, 10**16, -1])
def test_a_time_that_arc_would_take_for_another_is_refused(time: int) -> None:
    with pytest.raises(StoreRefused, match="misread"):
        encode(parcel([memory(time - T0)]), "events")


BODY = b"memory " * 10_000


def test_compression_is_what_was_asked_for() -> None:
    assert compressed(BODY, "none", is_near=False) == BODY
    assert gzip.decompress(compressed(BODY, "gzip", is_near=True)) == BODY
    assert zstandard.decompress(compressed(BODY, "zstd", is_near=True)) == BODY
    assert zstandard.decompress(compressed(BODY, "auto", is_near=False)) == BODY


def test_what_does_not_pay_is_sent_as_it_is() -> None:
    assert compressed(BODY, "auto", is_near=True) == BODY
    assert compressed(b"small", "zstd", is_near=False) == b"small"
