"""`memtrace mcp`: Memtrace as an MCP server on standard input and output, for agents on this machine."""

import asyncio
import os
import signal
from importlib.util import find_spec
from typing import Final

from core import logs
from core.model.errors import ConfigurationError

DEFAULT_URL: Final = "http://localhost:9100"
_NEEDED: Final = "mcp"


def mcp() -> None:
    """Speak MCP on standard input and output.

    Talks to the server at MEMTRACE_URL (http://localhost:9100) with the key MEMTRACE_API_KEY. Started
    by MCP clients, see docs/mcp.md; reads no configuration file. Logs go to standard error.
    """
    key = os.environ.get("MEMTRACE_API_KEY", "").strip()
    if not key:
        raise ConfigurationError(
            "MEMTRACE_API_KEY is not set",
            hint="set it where the MCP client configures this server; `memtrace key create` makes a key",
        )
    if find_spec(_NEEDED) is None:
        raise ConfigurationError("the MCP SDK is not installed", hint="install `memtrace-server[mcp]`")
    from handlers.mcp.stdio import serve

    logs.configure("info", "console", "command")
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is half-way; a thread that reads would hold us
    asyncio.run(serve(os.environ.get("MEMTRACE_URL", "").strip() or DEFAULT_URL, key))
