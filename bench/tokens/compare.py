"""Compares `core.model.tokens.estimate` with real counts: worst and median ratio per kind.

PYTHONPATH=src python bench/tokens/compare.py counted.json
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

from core.model.tokens import estimate


def main() -> None:
    ratios: dict[str, list[float]] = defaultdict(list)
    below = []
    for entry in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        real = max(entry["o200k"], entry["cl100k"])
        if real:
            ratios[entry["kind"]].append(estimate(entry["text"]) / real)
            if estimate(entry["text"]) < real:
                below.append(entry)
    print(f"{'kind':16} {'texts':>6} {'lowest':>7} {'median':>7}")
    for kind, found in sorted(ratios.items()):
        print(f"{kind:16} {len(found):6} {min(found):7.2f} {median(found):7.2f}")
    print(f"{len(below)} below what was counted")
    for entry in below[:20]:
        print(f"  {entry['kind']}: {entry['text'][:60]!r}")


if __name__ == "__main__":
    main()
