"""A LangChain chat message history whose messages are memories."""

import json
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict
from memtrace import AddMemoryRequest, ListOptions, Memory, Memtrace, NotFoundError

from .records import as_json, in_bodies

MESSAGE_EVENT: Final = "chat_message"
MEMORY_TYPE: Final = "session"
_PAGE: Final = 1_000
_AT_ONCE: Final = 8


class MemtraceChatMessageHistory(BaseChatMessageHistory):
    """The messages of one conversation, kept in a Memtrace session.

    Any process that knows its id goes on with it; it need not be registered. Each message is a memory of
    type `session` and event `chat_message`, its content the message as JSON. Equal messages are all kept,
    in the order in which they came. Other memories of the session are neither shown nor touched.
    """

    def __init__(self, client: Memtrace, session_id: str, *, agent_id: str = "langchain") -> None:
        super().__init__()
        self._client = client
        self.session_id = session_id
        self.agent_id = agent_id

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]
        """All messages, the oldest first."""
        return messages_from_dict([json.loads(memory.content) for memory in self._memories()])

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Appends all messages, or those up to the failure that it raises.

        Raises ValueError, before anything is written, for a message that is larger than 256 KB as JSON.
        """
        for body in in_bodies([self._memory(message) for message in messages]):
            self._client.add_memories(body)

    def clear(self) -> None:
        """Deletes all messages for good, one by one. When it fails some are left: call it again."""
        doomed = [str(memory.id) for memory in self._memories()]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._delete, doomed))

    def _memory(self, message: BaseMessage) -> AddMemoryRequest:
        return AddMemoryRequest(
            agent_id=self.agent_id,
            session_id=self.session_id,
            memory_type=MEMORY_TYPE,
            event_type=MESSAGE_EVENT,
            content=as_json(message_to_dict(message), what="a message"),
            dedup_key=f"message_{uuid.uuid4().hex}",
        )

    def _memories(self) -> Iterator[Memory]:
        return self._client.iter_memories(
            ListOptions(
                session_id=self.session_id,
                memory_type=MEMORY_TYPE,
                event_type=MESSAGE_EVENT,
                order="asc",
                limit=_PAGE,
            )
        )

    def _delete(self, memory_id: str) -> None:
        try:
            self._client.delete_memory(memory_id)
        except NotFoundError:
            pass  # deleted by another, or by an attempt whose answer was lost
