"""`memtrace flusher`: the flusher as a process of its own, or as the server's child."""

import asyncio
import os
from typing import TYPE_CHECKING, Annotated, Final

import typer

from handlers.cli.calls import call_of, logged

if TYPE_CHECKING:
    from core.settings import Settings

_NICE: Final = 5
"""Readers and writers come first when processors are short; a batch may take a little longer."""


def flusher(
    ctx: typer.Context,
    wait: Annotated[
        bool, typer.Option("--wait", help="While another process flushes, wait to take over.")
    ] = False,
    child: Annotated[bool, typer.Option("--child", hidden=True)] = False,
) -> None:
    """Deliver what is owed to the stores.

    Only needed where `memtrace serve` does not do it itself (flusher.embedded).
    """
    settings = call_of(ctx).settings()
    logged(settings, "flusher")
    if child:
        os.nice(_NICE)
    asyncio.run(_flush(settings, wait=wait or child, child=child))


async def _flush(settings: "Settings", *, wait: bool, child: bool) -> None:
    from core.bootstrap.flusher import open_flusher
    from flusher.process import drain_seconds_of, limits_of, serve

    async with open_flusher(settings) as ports:
        await serve(
            ports,
            limits_of(settings),
            drain_seconds=drain_seconds_of(settings),
            wait=wait,
            is_child=child,
        )
