"""The file system of a path, from the kernel's list of mounts."""

from pathlib import PurePosixPath

import pytest

from core.adapters.sqlite.mounts import filesystem_of, is_network

MOUNTS = r"""22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:20 / /proc rw - proc proc rw
30 22 0:40 / /mnt/memtrace rw,relatime shared:1 master:2 - nfs4 127.0.0.1:/ rw,vers=4.1
31 30 0:41 / /mnt/memtrace/local rw - tmpfs tmpfs rw
32 22 0:42 / /mnt/two\040words rw - cifs //host/share rw
33 22 0:43 / /srv rw - nfs host:/old rw
34 22 0:44 / /srv rw - xfs /dev/vdb rw
a line that says nothing
"""


@pytest.mark.parametrize(
    ("path", "filesystem"),
    [
        ("/var/lib/memtrace", "ext4"),
        ("/mnt/memtrace", "nfs4"),
        ("/mnt/memtrace/data", "nfs4"),
        ("/mnt/memtracer", "ext4"),
        ("/mnt/memtrace/local/x", "tmpfs"),
        ("/mnt/two words/x", "cifs"),
        ("/srv/x", "xfs"),
    ],
)
def test_the_last_and_deepest_mount_counts(path: str, filesystem: str) -> None:
    assert filesystem_of(PurePosixPath(path), MOUNTS) == filesystem


def test_nothing_is_known_where_nothing_is_mounted() -> None:
    assert filesystem_of(PurePosixPath("/x"), "") == ""


@pytest.mark.parametrize(
    ("filesystem", "expected"), [("nfs4", True), ("efs", True), ("ext4", False), ("", False)]
)
def test_a_network_file_system_is_known_by_its_type(filesystem: str, expected: bool) -> None:
    assert is_network(filesystem) is expected
