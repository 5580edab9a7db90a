"""`python tied.py PARENT MODULE …`: the module as a program that does not outlive this parent process.

The kernel kills it when its parent dies, however that dies, also while it is stopped. Linux alone
can do that; elsewhere it is an ordinary start.
"""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def main(arguments: list[str]) -> None:
    """Becomes the program, unless the parent died before this began."""
    parent = int(arguments[0])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            return  # it died meanwhile
    os.execv(sys.executable, [sys.executable, "-m", *arguments[1:]])


if __name__ == "__main__":
    main(sys.argv[1:])
