"""How items of a store become memories, and memories items again. No I/O."""

import hashlib
import json
import logging
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from langgraph.store.base import SearchItem
from memtrace import AddMemoryRequest, Memory

ITEM_EVENT: Final = "store_item"
MEMORY_TYPE: Final = "entity"
MOST_CONTENT_BYTES: Final = 262_144
"""Of a value or a message, as JSON in UTF-8: what a memory holds."""
MOST_ADDRESS_BYTES: Final = 32_768
"""Of a namespace and a key together, as JSON."""
MOST_DEPTH: Final = 60
_TAG: Final = re.compile(r"[a-zA-Z0-9_.\-]{1,64}")
_MOST_BODY_BYTES: Final = 3_500_000
_MOST_IN_A_BODY: Final = 1_000

Namespace = tuple[str, ...]
log = logging.getLogger("langgraph_memtrace")


def session_of(namespace: Namespace) -> str:
    """The Memtrace session that holds a namespace's items."""
    return f"store_{_digest(namespace)}"


def tag_of_namespace(namespace: Namespace) -> str:
    """The tag of all items in a namespace and below it; legible where the labels allow."""
    return _tag("ns", ".".join(namespace), namespace)


def tag_of_key(key: str) -> str:
    """The tag of an item's key, unique within its namespace."""
    return _tag("key", key, key)


def _tag(kind: str, legible: str, value: object) -> str:
    tag = f"{kind}.{legible}"
    return tag if _TAG.fullmatch(tag) else f"{kind}-{_digest(value)}"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:32]


def to_memory(
    namespace: Namespace,
    key: str,
    value: Mapping[str, Any],
    *,
    agent_id: str,
    created_at: datetime | None,
) -> AddMemoryRequest:
    """The memory that is this version of an item; never a duplicate of another.

    Raises ValueError for a value, a namespace or a key that is too large, TypeError for what is no JSON.
    """
    if len(json.dumps([namespace, key])) > MOST_ADDRESS_BYTES or len(namespace) > MOST_DEPTH:
        raise ValueError(
            f"namespace and key may have {MOST_ADDRESS_BYTES} bytes as JSON, a namespace {MOST_DEPTH} labels"
        )
    metadata: dict[str, Any] = {"namespace": list(namespace), "key": key}
    if created_at is not None:
        metadata["created_at"] = created_at.isoformat()
    prefixes = [tag_of_namespace(namespace[: depth + 1]) for depth in range(len(namespace))]
    return AddMemoryRequest(
        agent_id=agent_id,
        session_id=session_of(namespace),
        memory_type=MEMORY_TYPE,
        event_type=ITEM_EVENT,
        content=as_json(value, what="a value"),
        metadata=metadata,
        tags=[*prefixes, tag_of_key(key)],
        dedup_key=f"put_{uuid.uuid4().hex}",
    )


def as_json(value: Mapping[str, Any], *, what: str) -> str:
    """Compact JSON that fits a memory. Raises ValueError for a larger one, TypeError for what is no JSON."""
    text = json.dumps(dict(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        size = len(text.encode())
    except UnicodeEncodeError:  # half a surrogate pair, as models cut them; escaped it survives
        text = json.dumps(dict(value), allow_nan=False, separators=(",", ":"))
        size = len(text)
    if size > MOST_CONTENT_BYTES:
        raise ValueError(f"{what} has {size} bytes as JSON; the most is {MOST_CONTENT_BYTES}")
    return text


def to_item(memory: Memory) -> SearchItem | None:
    """The item that a memory holds; None, with a warning, for one that this package did not write."""
    try:
        place = memory.metadata or {}
        namespace, key = tuple(place["namespace"]), place["key"]
        created_at = datetime.fromisoformat(place["created_at"]) if "created_at" in place else memory.time
        value = json.loads(memory.content)
    except (KeyError, TypeError, ValueError):
        log.warning("memory left out, it is no item of a store: %s", memory.id)
        return None
    return SearchItem(namespace, key, value, created_at=created_at, updated_at=memory.time)


def in_bodies(memories: Sequence[AddMemoryRequest]) -> Iterator[list[AddMemoryRequest]]:
    """Batches in order, each within what one request may carry."""
    body: list[AddMemoryRequest] = []
    size = 0
    for memory in memories:
        more = len(json.dumps(memory.model_dump(exclude_none=True)))  # escaped, so never too small
        if body and (size + more > _MOST_BODY_BYTES or len(body) == _MOST_IN_A_BODY):
            yield body
            body, size = [], 0
        body.append(memory)
        size += more
    if body:
        yield body
