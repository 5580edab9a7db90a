"""Memory for the OpenAI Agents SDK, kept in Memtrace: tools for the model, and sessions for the runner."""

from .session import MemtraceSession
from .tools import create_memtrace_tools

__all__ = ["MemtraceSession", "create_memtrace_tools"]
