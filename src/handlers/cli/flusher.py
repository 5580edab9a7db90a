"""`memtrace flusher`: the flusher as a process of its own, or as the server's child."""

import asyncio
import os
from typing import Annotated, Final

import typer

from handlers.cli.calls import call_of, logged

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
    from flusher.__main__ import run_flusher

    asyncio.run(run_flusher(settings, wait=wait or child, child=child))
