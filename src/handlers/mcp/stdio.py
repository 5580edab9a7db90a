"""MCP over standard input and output, in front of a Memtrace server somewhere else."""

import anyio
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

from handlers.mcp import strays
from handlers.mcp.remote import Remote
from handlers.mcp.server import server_of


async def serve(url: str, key: str) -> None:
    """Serves until the client closes standard input. Standard output carries the protocol alone.

    The server at this URL need not be up: each call says how it is. Raises ConfigurationError.
    """
    remote = Remote(url, key)
    server = server_of(lambda context: remote)
    try:
        async with stdio_server() as (incoming, outgoing), anyio.create_task_group() as tasks:
            onward, messages = anyio.create_memory_object_stream[SessionMessage | Exception](0)
            tasks.start_soon(strays.answered, incoming, outgoing, onward)
            await server.run(messages, outgoing, server.create_initialization_options())
            tasks.cancel_scope.cancel()
    finally:
        await remote.close()
