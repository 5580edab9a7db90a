"""Unpacking answers, within bounds."""

import gzip
import tracemalloc

import pytest
import zstandard

from core.adapters.arc.bodies import unpacked
from core.model.errors import StoreAmbiguous, StoreRefused

TEXT = b"memory " * 1_000
PACKED = {"gzip": gzip.compress(TEXT, mtime=0), "zstd": zstandard.compress(TEXT)}


@pytest.mark.parametrize("encoding", ["", "identity"])
def test_what_is_not_packed_stays_as_it_is(encoding: str) -> None:
    assert unpacked(TEXT, encoding, 5) == TEXT


@pytest.mark.parametrize("encoding", PACKED)
def test_what_is_packed_is_unpacked(encoding: str) -> None:
    assert unpacked(PACKED[encoding], encoding, len(TEXT)) == TEXT


@pytest.mark.parametrize("encoding", PACKED)
def test_one_byte_too_many_is_refused(encoding: str) -> None:
    with pytest.raises(StoreRefused, match="larger than"):
        unpacked(PACKED[encoding], encoding, len(TEXT) - 1)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_small_body_that_grows_very_large_never_gets_the_memory(pack: object) -> None:
    packed = pack(bytes(200_000_000))  # type: ignore[operator]
    encoding = "gzip" if packed[:2] == b"\x1f\x8b" else "zstd"
    tracemalloc.start()
    with pytest.raises(StoreRefused):
        unpacked(packed, encoding, 1_000_000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20_000_000


@pytest.mark.parametrize("encoding", PACKED)
def test_what_is_not_what_it_says_says_nothing(encoding: str) -> None:
    with pytest.raises(StoreAmbiguous, match="cannot be unpacked"):
        unpacked(b"something else altogether", encoding, 1_000)


def test_half_a_gzip_says_nothing() -> None:
    with pytest.raises(StoreAmbiguous, match="not whole"):
        unpacked(PACKED["gzip"][:-10], "gzip", len(TEXT))


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x" * 100])
def test_what_was_not_asked_for_says_nothing(encoding: str) -> None:
    with pytest.raises(StoreAmbiguous, match="not asked for"):
        unpacked(TEXT, encoding, 1_000_000)
