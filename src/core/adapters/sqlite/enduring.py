"""Work that is seen through to its end, whoever gives up waiting for it."""

import asyncio
import contextlib
from typing import TypeVar

T = TypeVar("T")


async def to_its_end(work: "asyncio.Future[T]") -> T:
    """The outcome of `work`; a caller that is cancelled, however often, waits for its end all the same."""
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # nobody is left to be told of it
        raise
