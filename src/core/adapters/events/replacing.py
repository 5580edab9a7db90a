"""One file that stands for others, put in their place in a way that every reader sees one of both.

A list of what the new file stands for is published before it. From the moment the new file is
there readers leave those out; they are unlinked later, by `merge.py`, when no reader can be in
the middle of an older listing. A crash at any point leaves the old files in force, or the new one.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from core.adapters.events.durable import publish, reachable, remove, write_synced
from core.adapters.events.layout import REPLACES, Place
from core.adapters.events.partitions import Partitions
from core.adapters.events.writing import Probe


def put_in_place(
    partitions: Partitions, place: Place, staged: Path, target: Path, sources: Sequence[str], probe: Probe
) -> bool:
    """Publishes the staged, synced file as what stands for the sources from now on.

    False, and nothing published, when a source is gone: somebody was quicker, and a second file
    would repeat every row. Blocking. Raises StoreUnreachable.
    """
    folder = target.parent
    with reachable(place.root):
        if not all(os.path.exists(path) for path in sources):
            remove(staged)
            return False
        listed = json.dumps([os.path.relpath(path, folder) for path in sources])
        staged_list = staged.with_suffix(REPLACES)
        write_synced(staged_list, listed.encode())
        publish(staged_list, folder / f"{target.name}{REPLACES}", place.root)
        probe("listed")
        publish(staged, target, place.root)
        probe("published")
    partitions.forget(folder, *(Path(path).parent for path in sources))
    return True
