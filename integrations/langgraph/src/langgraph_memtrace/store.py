"""A LangGraph store whose items are memories."""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    validate_op_namespace,
)
from memtrace import (
    AddMemoryRequest,
    ListOptions,
    Memory,
    Memtrace,
    MemtraceError,
    NotFoundError,
    TransportError,
)

from .matching import contains, fits, matches
from .records import (
    ITEM_EVENT,
    MEMORY_TYPE,
    Namespace,
    in_bodies,
    session_of,
    tag_of_key,
    tag_of_namespace,
    to_item,
    to_memory,
)

_PAGE: Final = 1_000

log = logging.getLogger("langgraph_memtrace")


class MemtraceStore(BaseStore):
    """Long-term memory for LangGraph, shared by all who use the same organization and `agent_id`.

    An item is a memory of type `entity` and event `store_item`; a put writes a new one and then deletes the
    one it supersedes. Of puts of the same key at the same time, the one that the server took last stays.
    What one call wrote, the next one reads.

    There are no vectors: `query` is refused, unless `substring_query` makes it a literal substring of any
    text in the value; `index` is ignored. There is no TTL: one is refused.
    """

    __slots__ = ("_agent_id", "_client", "_substring_query")

    def __init__(
        self, client: Memtrace, *, agent_id: str = "langgraph", substring_query: bool = False
    ) -> None:
        self._client = client
        self._agent_id = agent_id
        self._substring_query = substring_query

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """All operations: reads see what was there before, then of the puts of one key the last is done.

        Everything is checked before anything is written. Puts are not one transaction: a failure raises, and
        leaves those that were done.
        """
        wanted = list(ops)
        for op in wanted:
            self._check(op)
        results = [self._read(op) for op in wanted]
        puts = {(op.namespace, op.key): op for op in wanted if isinstance(op, PutOp)}
        self._put(list(puts.values()))
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """The same in a thread of its own, so that the event loop goes on."""
        return await asyncio.to_thread(self.batch, list(ops))

    def _check(self, op: Op) -> None:
        validate_op_namespace(op)
        if isinstance(op, SearchOp) and op.query and not self._substring_query:
            raise NotImplementedError(
                "Memtrace has no vectors, so it cannot search by meaning. Use `filter`, or make the store "
                "with substring_query=True, which takes `query` as a literal substring."
            )
        if isinstance(op, PutOp) and op.ttl is not None:
            raise NotImplementedError("MemtraceStore does not support a TTL; delete items, or set ttl=None.")

    def _read(self, op: Op) -> Result:
        if isinstance(op, GetOp):
            return self._get(op)
        if isinstance(op, SearchOp):
            return self._search(op)
        if isinstance(op, ListNamespacesOp):
            return self._list_namespaces(op)
        return None

    def _get(self, op: GetOp) -> Item | None:
        found = next((item for item in map(to_item, self._versions(op.namespace, op.key, 1)) if item), None)
        if found is None:
            return None
        return Item(
            value=found.value,
            key=found.key,
            namespace=found.namespace,
            created_at=found.created_at,
            updated_at=found.updated_at,
        )

    def _search(self, op: SearchOp) -> list[SearchItem]:
        if op.limit <= 0:
            return []
        end = op.offset + op.limit
        found: list[SearchItem] = []
        for item in self._newest(op.namespace_prefix):
            if not all(fits(item.value.get(name), wanted) for name, wanted in (op.filter or {}).items()):
                continue
            if op.query and not contains(item.value, op.query):
                continue
            found.append(item)
            if len(found) == end:
                break
        return found[op.offset :]

    def _list_namespaces(self, op: ListNamespacesOp) -> list[Namespace]:
        conditions = op.match_conditions or ()
        prefixes = [c.path for c in conditions if c.match_type == "prefix" and "*" not in c.path]
        found = {item.namespace for item in self._newest(max(prefixes, key=len, default=()))}
        fitting = [name for name in found if all(matches(name, condition) for condition in conditions)]
        if op.max_depth is not None:
            fitting = list({name[: op.max_depth] for name in fitting})
        return sorted(fitting)[op.offset : op.offset + op.limit]

    def _put(self, puts: Sequence[PutOp]) -> None:
        versions = [list(self._versions(op.namespace, op.key, _PAGE)) for op in puts]
        requests = [
            self._request(op, old) for op, old in zip(puts, versions, strict=True) if op.value is not None
        ]
        for body in in_bodies(requests):
            self._client.add_memories(body)
        for op, old in zip(puts, versions, strict=True):
            self._delete(old, superseded=op.value is not None)

    def _request(self, op: PutOp, old: Sequence[Memory]) -> AddMemoryRequest:
        before = next((item for item in map(to_item, old) if item), None)
        created_at = before.created_at if before else None
        assert op.value is not None
        return to_memory(op.namespace, op.key, op.value, agent_id=self._agent_id, created_at=created_at)

    def _delete(self, versions: Sequence[Memory], *, superseded: bool) -> None:
        for version in versions:
            try:
                self._client.delete_memory(str(version.id))
            except NotFoundError:
                continue  # deleted by another, or by an attempt whose answer was lost
            except (MemtraceError, TransportError) as error:
                if not superseded:
                    raise
                # The newer version is what everybody reads; the next put deletes this one too.
                log.warning("a superseded version stays for now, %s: %s", version.id, error)

    def _versions(self, namespace: Namespace, key: str, page: int) -> Iterator[Memory]:
        """All versions of one item, the newest first; mostly there is one."""
        return self._client.iter_memories(
            ListOptions(
                agent_id=self._agent_id,
                session_id=session_of(namespace),
                memory_type=MEMORY_TYPE,
                event_type=ITEM_EVENT,
                tags=tag_of_key(key),
                order="desc",
                limit=page,
            )
        )

    def _newest(self, prefix: Namespace) -> Iterator[SearchItem]:
        """The newest version of each item in a namespace and below it, the last written first."""
        options = ListOptions(
            agent_id=self._agent_id,
            memory_type=MEMORY_TYPE,
            event_type=ITEM_EVENT,
            tags=tag_of_namespace(prefix) if prefix else None,
            order="desc",
            limit=_PAGE,
        )
        seen: set[tuple[Namespace, str]] = set()
        for item in map(to_item, self._client.iter_memories(options)):
            if item is not None and (item.namespace, item.key) not in seen:
                seen.add((item.namespace, item.key))
                yield item
