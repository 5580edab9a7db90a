"""Writes what the code knows of the API into docs/openapi.yaml, and into what a server says of itself.

A test compares them, so that documents and code cannot part. Run: `python scripts/openapi_docs.py`.
"""

import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from scripts.openapi.written import files  # noqa: E402


def main() -> None:
    for path, content in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)


if __name__ == "__main__":
    main()
