"""The `memtrace` command as installed: finds the packages `core`, `handlers` and `flusher`, then starts.

In the wheel they lie in this very folder, in a checkout beside it. Names as plain as theirs must
not litter site-packages, so the folder goes onto the path before anything of ours is imported.
"""

import sys
from pathlib import Path


def add_to_path() -> None:
    """Puts the folder that holds our packages first on the path."""
    here = Path(__file__).resolve().parent
    home = next(folder for folder in (here, here.parent) if (folder / "handlers" / "cli").is_dir())
    if str(home) not in sys.path:
        sys.path.insert(0, str(home))


def main() -> None:
    """The entry point of the command."""
    add_to_path()
    from handlers.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
