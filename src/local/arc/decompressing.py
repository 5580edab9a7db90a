"""A body as it was before its client compressed it. Pure."""

import zlib
from typing import Final

import zstandard

from local.arc.records import Undecodable

GZIP: Final = b"\x1f\x8b"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
_BITE: Final = 64 << 10
_SIZES: Final = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB"))


def decompressed(body: bytes, most: int) -> bytes:
    """By what it begins with, whatever the headers say. Raises Undecodable."""
    if body.startswith(GZIP):
        return _gunzipped(body, most)
    if body.startswith(ZSTD):
        return _unzstandard(body, most)
    return body


def _gunzipped(body: bytes, most: int) -> bytes:
    try:
        worker = zlib.decompressobj(wbits=31)
        data = worker.decompress(body, most + 1)
    except zlib.error as e:
        raise Undecodable(f"Invalid gzip compression: {e}") from e
    if len(data) > most:
        raise Undecodable(f"Invalid gzip compression: decompressed payload exceeds {sized(most)} limit")
    if not worker.eof:
        raise Undecodable("Invalid gzip compression: unexpected EOF")
    return data


def _unzstandard(body: bytes, most: int) -> bytes:
    words = "Invalid zstd compression: failed to decompress zstd:"
    worker, data = zstandard.ZstdDecompressor().decompressobj(), bytearray()
    try:
        for start in range(0, len(body), _BITE):
            data += worker.decompress(body[start : start + _BITE])
            if len(data) > most:
                raise Undecodable(f"{words} decompressed size exceeds configured limit")
    except zstandard.ZstdError as e:
        raise Undecodable(f"{words} {e}") from e
    if not worker.eof:
        raise Undecodable(f"{words} unexpected EOF")
    return bytes(data)


def sized(size: int) -> str:
    """Bytes as Arc writes them."""
    for unit, name in _SIZES:
        if size >= unit:
            return f"{size // unit}{name}" if size % unit == 0 else f"{size / unit:.1f}{name}"
    return f"{size}B"
