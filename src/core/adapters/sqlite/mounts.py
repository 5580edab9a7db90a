"""What kind of file system a path is on, by the kernel's list of mounts."""

import re
from pathlib import PurePosixPath
from typing import Final

_NETWORK: Final = frozenset(
    {
        "nfs",
        "nfs4",
        "efs",
        "cifs",
        "smb3",
        "afs",
        "ceph",
        "gpfs",
        "lustre",
        "fuse.ceph",
        "fuse.glusterfs",
        "fuse.sshfs",
    }
)
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


def filesystem_of(path: PurePosixPath, mountinfo: str) -> str:
    """The type of the file system that an absolute path without symbolic links is on; empty if unknown.

    `mountinfo` is the text of /proc/self/mountinfo: a later mount covers an earlier one.
    """
    found, depth = "", -1
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = PurePosixPath(_ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), fields[4]))
        if path.is_relative_to(point) and len(point.parts) >= depth:
            found, depth = after.split(" ")[0], len(point.parts)
    return found


def is_network(filesystem: str) -> bool:
    """Whether other machines may have the same files mounted, so that memory is not shared."""
    return filesystem in _NETWORK
