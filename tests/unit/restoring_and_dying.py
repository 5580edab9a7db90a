"""A process of its own that restores and ends itself, as kill -9 would, at a named point.

python -m tests.unit.restoring_and_dying ARCHIVE FOLDER POINT
"""

import os
import sys
from pathlib import Path

from tests.unit.backup_rig import Installation

DIED = 42


def main(archive: Path, folder: Path, point: str) -> None:
    def probe(passed: str) -> None:
        if passed == point:
            os._exit(DIED)

    Installation(folder).restore(archive, probe=probe)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
