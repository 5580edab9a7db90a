"""The edge in AWS Lambda: `handlers.lambda_api.handler`.

Imported once for a sandbox, and then it builds everything, while Lambda gives a whole processor:
the first request finds it ready. A configuration that is wrong is told in the log and answered
with 503, and tried again by each invocation.
"""

import contextlib
import os
from collections.abc import AsyncIterator

from core import logs
from core.bootstrap.edge import Edge, open_edge
from core.settings import Settings
from core.settings_environ import load
from handlers.edge.function import Function


@contextlib.asynccontextmanager
async def _edge() -> AsyncIterator[Edge]:
    settings = load(os.environ)
    logs.configure(settings.log.level, _format(settings), "edge")
    async with open_edge(settings) as edge:
        yield edge


def _format(settings: Settings) -> logs.Format:
    """For machines, unless somebody asked for the other."""
    return "json" if settings.origin("log.format") == "default" else settings.log.format


logs.configure("info", "json", "edge")
handler = Function(_edge, trace=lambda: os.environ.get("_X_AMZN_TRACE_ID", ""))
handler.start()
