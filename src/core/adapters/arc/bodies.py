"""What came over the line as what was meant: unpacked, and never to more than is allowed. Pure."""

import io
import zlib
from typing import Final

import zstandard

from core.model.errors import StoreAmbiguous, StoreError, StoreRefused

ENCODINGS: Final = "zstd, gzip"
"""What an Arc may pack its answers with; it takes the first."""
_PART: Final = 256 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS
_WINDOW: Final = 128 << 20


def unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    """The body of an answer with this Content-Encoding.

    Raises StoreRefused when it is larger than `limit` bytes, and StoreAmbiguous when it is not
    whole or not packed as it says.
    """
    if encoding in ("", "identity"):
        return body
    try:
        if encoding == "gzip":
            return _from_gzip(body, limit)
        if encoding == "zstd":
            return _from_zstd(body, limit)
    except (zlib.error, zstandard.ZstdError):
        raise StoreAmbiguous("the Arc's answer cannot be unpacked") from None
    raise StoreAmbiguous("the Arc's answer is packed in a way that was not asked for")


def _from_gzip(body: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj(_GZIP)
    text = unpacker.decompress(body, limit + 1)
    if len(text) > limit:
        raise too_large(limit)
    if not unpacker.eof:
        raise StoreAmbiguous("the Arc's answer is not whole")
    return text


def _from_zstd(body: bytes, limit: int) -> bytes:
    text = bytearray()
    with zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(io.BytesIO(body)) as reader:
        while part := reader.read(_PART):
            text += part
            if len(text) > limit:
                raise too_large(limit)
    return bytes(text)


def too_large(limit: int) -> StoreError:
    """For an answer beyond the limit, packed or not."""
    return StoreRefused(
        f"the Arc's answer is larger than {limit} bytes",
        hint="ask for fewer memories at once, or raise arc.max_response_bytes",
    )
