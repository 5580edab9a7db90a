"""A session of the OpenAI Agents SDK whose items are memories."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Final

from agents import TResponseInputItem
from agents.memory import SessionSettings
from agents.memory.session_settings import coerce_session_settings
from memtrace import (
    AsyncMemtrace,
    CreateSessionRequest,
    ListOptions,
    Memory,
    MemtraceError,
    NotFoundError,
    TransportError,
)

from .transcript import ITEM_EVENT, MEMORY_TYPE, Assembler, StoredItem, in_bodies, to_memories

_PAGE: Final = 1_000
_AT_ONCE: Final = 8
"""Deletions of one session that are under way together."""

log = logging.getLogger("openai_agents_memtrace")


class MemtraceSession:
    """The history of a conversation, kept in a Memtrace session.

    Any process that knows its id goes on with it. Each item is a memory of type `session` and event
    `conversation_item`, its content the item as JSON. Equal items are all kept, in the order in which they
    came. Other memories of the session are neither shown nor touched. Errors of Memtrace are logged and
    raised.
    """

    session_id: str
    session_settings: SessionSettings | None

    def __init__(
        self,
        client: AsyncMemtrace,
        agent_id: str,
        session_id: str,
        *,
        session_settings: SessionSettings | dict[str, Any] | None = None,
    ) -> None:
        """Goes on with a session, or begins one under an id of your own; it need not be registered."""
        self.session_id = session_id
        self.session_settings = (
            None if session_settings is None else coerce_session_settings(session_settings)
        )
        self.agent_id = agent_id
        self._client = client

    @classmethod
    async def create(
        cls,
        client: AsyncMemtrace,
        agent_id: str,
        *,
        metadata: dict[str, Any] | None = None,
        session_settings: SessionSettings | dict[str, Any] | None = None,
    ) -> "MemtraceSession":
        """A new session, registered with Memtrace. Keep its `session_id` to go on with it later."""
        with _logged("create", "new"):
            made = await client.create_session(CreateSessionRequest(agent_id=agent_id, metadata=metadata))
        return cls(client, agent_id, made.id, session_settings=session_settings)

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """The newest `limit` items, or those that `session_settings` limit, or all; the oldest first."""
        if limit is None and self.session_settings is not None:
            limit = self.session_settings.limit
        if limit is not None and limit <= 0:
            return []
        found: list[TResponseInputItem] = []
        with _logged("get_items", self.session_id):
            async with aclosing(self._newest_first(limit)) as newest_first:
                async for stored in newest_first:
                    found.append(stored.item)
                    if len(found) == limit:
                        break
        return found[::-1]

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Appends all items, or those up to the failure that it raises.

        Raises ValueError, before anything is written, for an item that is larger than 8 MB as JSON.
        """
        memories = to_memories(items, agent_id=self.agent_id, session_id=self.session_id)
        with _logged("add_items", self.session_id):
            for body in in_bodies(memories):
                await self._client.add_memories(body)

    async def pop_item(self) -> TResponseInputItem | None:
        """Deletes the newest item for good and returns it; None if there is none.

        Never deletes two. Of calls that come at the same time, several may return the same item.
        """
        with _logged("pop_item", self.session_id):
            async with aclosing(self._newest_first(1)) as newest_first:
                async for stored in newest_first:
                    for memory_id in stored.memory_ids:
                        await self._delete(memory_id)
                    return stored.item
        return None

    async def clear_session(self) -> None:
        """Deletes all items for good, one by one; other memories of the session, and its record, stay.

        When it fails some items are left: call it again.
        """
        with _logged("clear_session", self.session_id):
            doomed = [str(memory.id) async for memory in self._memories(_PAGE)]
            for start in range(0, len(doomed), _AT_ONCE):
                calls = [self._delete(memory_id) for memory_id in doomed[start : start + _AT_ONCE]]
                for outcome in await asyncio.gather(*calls, return_exceptions=True):
                    if outcome is not None:
                        raise outcome

    async def _delete(self, memory_id: str) -> None:
        try:
            await self._client.delete_memory(memory_id)
        except NotFoundError:
            pass  # deleted by another, or by an attempt whose answer was lost

    async def _newest_first(self, limit: int | None) -> AsyncGenerator[StoredItem, None]:
        assembler = Assembler()
        async for memory in self._memories(min(limit or _PAGE, _PAGE)):
            stored = assembler.take(memory)
            if stored is not None:
                yield stored

    def _memories(self, page: int) -> AsyncIterator[Memory]:
        return self._client.iter_memories(
            ListOptions(
                session_id=self.session_id,
                memory_type=MEMORY_TYPE,
                event_type=ITEM_EVENT,
                order="desc",
                limit=page,
            )
        )


@contextmanager
def _logged(operation: str, session_id: str) -> Iterator[None]:
    try:
        yield
    except (MemtraceError, TransportError) as error:
        log.error("%s of session %s failed: %s: %s", operation, session_id, type(error).__name__, error)
        raise
