"""Libraries without what they load only because it happens to be installed: structlog for one.

We render log lines ourselves. Where `rich` is installed, structlog loads it, and all that it needs,
for tracebacks in colour: measured, 45 ms of every command and of every cold start.
"""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def without(*names: str) -> Iterator[None]:
    """Within, nothing that is imported finds these; afterwards they are as they were."""
    before = {name: sys.modules[name] for name in names if name in sys.modules}
    for name in names:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
        sys.modules.update(before)


with without("rich", "better_exceptions", "colorama", "greenlet"):
    import structlog as structlog
    from structlog.typing import EventDict as EventDict
    from structlog.typing import Processor as Processor
    from structlog.typing import WrappedLogger as WrappedLogger
