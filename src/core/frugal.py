"""structlog without what it would only want for terminals: we render lines ourselves.

Where `rich` is installed, structlog loads it, and all that it needs, for tracebacks in colour:
measured, 45 ms of every command and of every cold start.
"""

import sys
from types import ModuleType
from typing import Final

_UNWANTED: Final = ("rich", "better_exceptions", "colorama")
_before: Final[dict[str, ModuleType]] = {name: sys.modules[name] for name in _UNWANTED if name in sys.modules}
for _name in _UNWANTED:
    sys.modules[_name] = None  # type: ignore[assignment]
try:
    import structlog as structlog
    from structlog.typing import EventDict as EventDict
    from structlog.typing import Processor as Processor
    from structlog.typing import WrappedLogger as WrappedLogger
finally:
    for _name in _UNWANTED:
        del sys.modules[_name]
    sys.modules.update(_before)
