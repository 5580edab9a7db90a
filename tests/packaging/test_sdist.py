"""The source distribution: a wheel made from it is the wheel made from the checkout."""

import sys
import zipfile
from pathlib import Path

from tests.packaging.image import ROOT
from tests.packaging.processes import bare_environment, built


def made(kind: str, source: Path, folder: Path) -> Path:
    built(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", folder],
        env=bare_environment(SOURCE_DATE_EPOCH="1000000000"),
        cwd=source,
    )
    (file,) = folder.iterdir()
    return file


def test_what_is_in_the_wheel_is_in_the_sdist(tmp_path: Path) -> None:
    sdist = made("sdist", ROOT, tmp_path / "sdist")
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    built(["tar", "-xzf", sdist, "-C", unpacked], env=bare_environment())
    (source,) = unpacked.iterdir()
    assert {path.name for path in source.iterdir()} >= {"LICENSE", "README.md", "CHANGELOG.md", "docs", "src"}
    from_sdist = made("wheel", source, tmp_path / "from-sdist")
    from_checkout = made("wheel", ROOT, tmp_path / "from-checkout")
    with zipfile.ZipFile(from_sdist) as one, zipfile.ZipFile(from_checkout) as other:
        assert {i.filename: i.CRC for i in one.infolist()} == {i.filename: i.CRC for i in other.infolist()}
        licenses = [name for name in one.namelist() if name.endswith("licenses/LICENSE")]
    assert len(licenses) == 1
