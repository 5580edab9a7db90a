"""Memtrace for LangGraph and LangChain: a long-term store, and a chat message history."""

from .history import MemtraceChatMessageHistory
from .store import MemtraceStore

__all__ = ["MemtraceChatMessageHistory", "MemtraceStore"]
