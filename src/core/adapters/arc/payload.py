"""A parcel as the body of a columnar write: one map of the twelve columns. Pure.

Every column is whole and of one type: texts are texts (empty where there is nothing), times are
whole microseconds, importance is always a float. So Arc never sees a changed schema, a NULL, or a
column it would truncate (arc contract 1.4 and 1.5).
"""

import gzip
from typing import Final, Literal

import msgspec

from core.model.errors import StoreRefused
from core.model.memory import COLUMNS, Memory, Micros
from core.model.timewindow import EARLIEST
from core.ports import Parcel

Compression = Literal["auto", "zstd", "gzip", "none"]
_WORTH_IT: Final = 16 * 1024
"""Bytes: smaller bodies fit into a few packets anyway."""
_BEYOND: Final[Micros] = 10**16
"""Arc tells the unit of a column of times by the size of its first number."""
_decoder: Final = msgspec.json.Decoder(Memory)
_encoder: Final = msgspec.msgpack.Encoder()


def encode(parcel: Parcel, measurement: str) -> bytes:
    """MessagePack of `{"m": measurement, "columns": {…}}`; the parcel holds one memory at least.

    Raises StoreRefused when a line is none of ours, or a time none that Arc takes for microseconds.
    """
    if parcel.times[0] < EARLIEST or parcel.times[-1] >= _BEYOND:
        raise StoreRefused("a memory's time is before 1970-04-27 or after 2286: the Arc would misread it")
    try:
        memories = _decoder.decode_lines(parcel.lines)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise StoreRefused("a memory of the batch cannot be decoded") from e
    if len(memories) != parcel.count:
        raise StoreRefused(f"a parcel of {parcel.count} memories has {len(memories)} lines")
    columns = zip(*map(msgspec.structs.astuple, memories), strict=True)
    return _encoder.encode({"m": measurement, "columns": dict(zip(COLUMNS, columns, strict=True))})


def compressed(body: bytes, compression: Compression, *, is_near: bool) -> bytes:
    """The body as it is sent; Arc knows both forms by their first bytes.

    `auto` is zstd, but for small bodies and an Arc on this machine: there it only costs time.
    """
    if compression == "none" or len(body) < _WORTH_IT or (compression == "auto" and is_near):
        return body
    if compression == "gzip":
        return gzip.compress(body, 1)
    import zstandard

    return zstandard.ZstdCompressor(level=1).compress(body)
