"""`memtrace` as always, but in a hurry, and so is everything that it starts."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[2]
_PLACES: Final = (str(_ROOT / "src"), str(_ROOT))
sys.path[:0] = _PLACES

from core.settings import Settings  # noqa: E402
from flusher import __main__ as flushing  # noqa: E402
from flusher import process  # noqa: E402
from flusher.ports import FlusherLimits  # noqa: E402
from handlers.child import Backoff  # noqa: E402
from handlers.cli import serving, split  # noqa: E402
from tests.split.hurry import hurry  # noqa: E402


def limits_of(settings: Settings) -> FlusherLimits:
    """Looks again all the time."""
    return replace(
        process.limits_of(settings),
        look_after=0.7,
        shared_strays_every=2.0,
        shared_bindings_every=1.0,
        shared_check_every=2.0,
        seed_every=1.0,
        expire_every=4.0,
        park_retry=0.2,
    )


def main() -> None:
    hurry()
    for owner, name, value in (
        (flushing, "limits_of", limits_of),
        (split, "_BACKOFF", Backoff(first=0.05, most=0.5)),
        (split, "_HANDLER", "tests.split.quick_edge.handler"),
        (split, "_SOURCE", ":".join(_PLACES)),
        (serving, "_program", lambda: Path(__file__)),
    ):
        assert hasattr(owner, name)
        setattr(owner, name, value)
    from handlers.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
