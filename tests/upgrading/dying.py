"""A process of its own that upgrades and ends itself, as kill -9 would, at a named point.

python -m tests.upgrading.dying DATABASE POINT
"""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from core.adapters.sqlite.upgrading import upgrade

DIED = 42


def main(path: Path, point: str) -> None:
    def probe(passed: str) -> None:
        if passed == point:
            os._exit(DIED)

    upgrade(path, datetime.now(UTC), probe=probe)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
