"""Where DuckDB writes what does not fit into memory: a folder a process, none left by dead ones.

What is spilled are rows, so a folder that a killed process left behind must not stay.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"memtrace-spill-([0-9]+)-[^/]+")


def make_spill_folder() -> str:
    """A new, empty folder of this process, after those of processes that are no more are gone.

    Raises OSError where the temporary folder cannot be written to.
    """
    for folder in Path(tempfile.gettempdir()).glob("memtrace-spill-*"):
        match = _NAME.fullmatch(folder.name)
        if match and folder.is_dir() and not _is_running(int(match[1])):
            shutil.rmtree(folder, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"memtrace-spill-{os.getpid()}-")


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
