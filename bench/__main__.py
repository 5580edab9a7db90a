"""The command line of the measurements: `python -m bench http | seed | service | arc | coldstart`."""

import sys
from pathlib import Path

# From a checkout without an installed package, `core` and the command are found here.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from bench.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
