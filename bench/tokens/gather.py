"""Gathers texts of many kinds from the files below a folder, for `count.mjs` to count.

python bench/tokens/gather.py FOLDER texts.json
"""

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

SUFFIXES = (".py", ".go", ".js", ".ts", ".md", ".rst", ".txt", ".json", ".html", ".c", ".h", ".sql", ".sh")
MOST_FILES = 150
LENGTHS = (40, 80, 150, 600, 3000)


def pieces(folder: Path, suffix: str) -> Iterator[str]:
    """Six pieces, of random length from random places, of each of some files."""
    files = [path for path in folder.rglob(f"*{suffix}") if path.is_file()]
    random.shuffle(files)
    for path in files[:MOST_FILES]:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        for _ in range(6):
            length = random.choice(LENGTHS)
            if len(text) > length:
                start = random.randrange(len(text) - length)
                yield text[start : start + length]


def main() -> None:
    folder, target = sys.argv[1:]
    random.seed(1)
    texts = [
        {"kind": suffix[1:], "text": text}
        for suffix in SUFFIXES
        for text in pieces(Path(folder), suffix)
        if text.strip()
    ]
    Path(target).write_text(json.dumps(texts), encoding="utf-8")
    print(f"{len(texts)} texts")


if __name__ == "__main__":
    main()
