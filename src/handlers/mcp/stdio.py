"""MCP over standard input and output, in front of a Memtrace server somewhere else."""

from mcp.server.stdio import stdio_server

from handlers.mcp.remote import Remote
from handlers.mcp.server import server_of


async def serve(url: str, key: str) -> None:
    """Serves until the client closes standard input. Standard output carries the protocol alone.

    The server at this URL need not be up: each call says how it is. Raises ConfigurationError.
    """
    remote = Remote(url, key)
    server = server_of(lambda context: remote)
    try:
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())
    finally:
        await remote.close()
