"""The command `memtrace`: finds the service's packages, and hands over to the command line.

Installed, `core`, `handlers` and the others live beside this file, where such general names
cannot clash with anybody else's; in a checkout they are its folder's neighbours. Either way
their folder goes first on the path, before anything of ours is imported.
"""

import sys
from pathlib import Path


def find_packages() -> Path:
    """Puts the folder of the service's packages first on the path; which one it is."""
    here = Path(__file__).resolve().parent
    home = here if (here / "core").is_dir() else here.parent
    sys.path.insert(0, str(home))
    return home


def main() -> None:
    find_packages()
    from handlers.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
