"""Both packages build to wheels that hold what they should, and can be imported from there."""

import email
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.mark.parametrize("name", ["openai-agents-memtrace", "langgraph-memtrace"])
def test_a_wheel_has_all_of_its_package(name: str, tmp_path: Path) -> None:
    module, folder = name.replace("-", "_"), HERE / name.removesuffix("-memtrace")
    line = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(line, cwd=folder, check=True, capture_output=True, timeout=60)
    (built,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(built) as wheel:
        inside = {Path(path).name for path in wheel.namelist() if path.startswith(f"{module}/")}
        assert inside == {path.name for path in (folder / "src" / module).iterdir() if path.is_file()}
        (metadata,) = (path for path in wheel.namelist() if path.endswith("/METADATA"))
        told = email.message_from_bytes(wheel.read(metadata))
        assert any(path.endswith("/licenses/LICENSE") for path in wheel.namelist())
    assert (told["Name"], told["License-Expression"]) == (name, "Apache-2.0")
    assert f"memtrace-sdk>={told['Version'].rpartition('.')[0]}" in told.get_all("Requires-Dist", [])
    assert told.get_payload() == (folder / "README.md").read_text()
