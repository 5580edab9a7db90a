"""Where everything lies in the one table: partition and sort keys; pure.

Times in sort keys are padded with zeros, so that they sort as the numbers do.
"""

from typing import Final

from core.model.memory import Micros, OrgId

Key = tuple[str, str]
"""(pk, sk)"""

LEDGER: Final = "LEDGER"
"""The partition with one item for every org that has a journal."""
LEASE: Final[Key] = ("LEASE", "flusher")


def org_key(org_id: OrgId) -> Key:
    """The org itself; where it is gone, nothing of it may be written."""
    return (f"ORG#{org_id}", "ORG")


def binding_key(org_id: OrgId) -> Key:
    return (f"ORG#{org_id}", "BINDING")


def move_key(org_id: OrgId) -> Key:
    return (f"ORG#{org_id}", "MOVE")


def ledger_key(org_id: OrgId) -> Key:
    return (LEDGER, org_id)


def sort_key(time: Micros) -> str:
    return f"{time:020d}"


def row_partition(org_id: OrgId, shard: int) -> str:
    return f"R#{org_id}#{shard}"


def row_partitions(org_id: OrgId, shards: int) -> list[str]:
    return [row_partition(org_id, shard) for shard in range(shards)]


def row_key(org_id: OrgId, shards: int, time: Micros) -> Key:
    """Where the memory that is stamped so waits for its store."""
    return (row_partition(org_id, time % shards), sort_key(time))


def claim_partitions(org_id: OrgId, shards: int) -> list[str]:
    return [f"C#{org_id}#{shard}" for shard in range(shards)]


def claim_key_of(org_id: OrgId, shards: int, key: bytes) -> Key:
    """Who holds this digest of a dedup key."""
    return (f"C#{org_id}#{_shard_of(key, shards)}", key.hex())


def request_partitions(org_id: OrgId, shards: int) -> list[str]:
    return [f"Q#{org_id}#{shard}" for shard in range(shards)]


def request_key(org_id: OrgId, shards: int, key: bytes) -> Key:
    """The request that was made under this digest of an idempotency key."""
    return (f"Q#{org_id}#{_shard_of(key, shards)}", key.hex())


def _shard_of(digest: bytes, shards: int) -> int:
    return int.from_bytes(digest[:4]) % shards
