"""The journal's items: claims, and rows with their memories; pure.

A row's `line` is what `core.model.memory.encode` made of the memory, `packed` the same compressed.
"""

from typing import Any, Final, Literal

import zstandard

from core.adapters.dynamodb.items import MOST_BYTES, Item, size_of
from core.adapters.dynamodb.keys import claim_key_of, row_key
from core.adapters.dynamodb.table import PK, SK, TTL
from core.model.errors import RequestTooLarge
from core.model.memory import Memory, Micros, OrgId, decode, encode

State = Literal["owed", "delivered", "dead"]
OWED: Final[State] = "owed"
DELIVERED: Final[State] = "delivered"
DEAD: Final[State] = "dead"

SECOND: Final[Micros] = 1_000_000
DAY_SECONDS: Final = 24 * 3600
_PACK_FROM: Final = 700
"""Bytes of a line; with what stands around it, a row of more costs a second write unit."""


def claim_of(org_id: OrgId, shards: int, key: bytes, time: Micros, token: bytes) -> Item:
    """The claim on a dedup key by the memory stamped so, made by the request of this token.

    `settled` and TTL come to it at settling, `freed` when its memory is deleted.
    """
    pk, sk = claim_key_of(org_id, shards, key)
    return {PK: pk, SK: sk, "time": time, "token": token}


def row_of(org_id: OrgId, shards: int, memory: Memory, *, key: bytes, token: bytes, due: Micros) -> Item:
    """An owed memory. Raises RequestTooLarge for one that no item can hold.

    `turn` grows with every change of the state, so that whoever looked before can tell.
    """
    pk, sk = row_key(org_id, shards, memory.time)
    line = encode(memory)
    item: Item = {
        PK: pk,
        SK: sk,
        "state": OWED,
        "turn": 0,
        "due": due,
        "rounds": 0,
        "size": len(line),
        "key": key,
        "token": token,
        "agent": memory.agent_id,
    }
    if memory.session_id:
        item["session"] = memory.session_id
    item |= _held(line)
    if size_of(item) > MOST_BYTES:
        raise RequestTooLarge(
            f"a memory is too large to be kept: compressed, it may be about {MOST_BYTES // 1024} KB",
            hint="send less content, or text that compresses",
        )
    return item


def _held(line: bytes) -> dict[str, bytes]:
    if len(line) >= _PACK_FROM:
        packed = zstandard.ZstdCompressor(level=3).compress(line)
        if len(packed) < len(line):
            return {"packed": packed}
    return {"line": line}


def line_of(item: Item) -> bytes:
    """The memory as one line of JSON."""
    packed: bytes | None = item.get("packed")
    if packed is None:
        line: bytes = item["line"]
        return line
    return zstandard.ZstdDecompressor().decompress(packed)


def memory_of(item: Item) -> Memory:
    return decode(line_of(item))


def time_of(item: Item) -> Micros:
    """When the row's memory was stamped."""
    return int(item[SK])


def ttl_after(time: Micros, window: Micros) -> int:
    """When DynamoDB may drop what is over a window after this time: a day later, for clocks and repeats."""
    return (time + window) // SECOND + DAY_SECONDS


def holds(claim: Item, now: Micros, window: Micros) -> bool:
    """Whether the claim keeps others from its key: always until its memory is settled."""
    if "freed" in claim:
        return False
    return not claim.get("settled") or bool(claim["time"] > now - window)


def settling(window: Micros, time: Micros) -> tuple[str, dict[str, Any]]:
    """The change of a claim, and its values, when the memory that holds it is settled."""
    return f"SET #settled = :true, #{TTL} = :ttl", {"true": True, "ttl": ttl_after(time, window)}
