"""What is published: a wheel that works where nothing else of this repository is."""

import ast
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

import pytest

from memtrace import __version__

HERE: Final = Path(__file__).parents[1]
OLDEST: Final = (3, 10)
LOOK: Final = """
import importlib.metadata, importlib.resources, json, memtrace
about = importlib.metadata.metadata("memtrace-sdk")
print(json.dumps({
    "from": memtrace.__file__,
    "version": about["Version"],
    "python": about["Requires-Python"],
    "needs": sorted(about.get_all("Requires-Dist")),
    "licence": about["License-Expression"],
    "readme": about["Description"] or about.get_payload(),
    "typed": importlib.resources.files(memtrace).joinpath("py.typed").is_file(),
}))
"""


def run(*line: str | Path) -> str:
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        line, env=env, check=True, capture_output=True, text=True, timeout=60, cwd=HERE
    ).stdout


def test_the_wheel_works_in_a_fresh_environment(tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    uv, fresh = Path(sys.executable).with_name("uv"), tmp_path / "fresh"
    python = fresh / "bin" / "python"
    run(uv, "venv", "--quiet", "--python", sys.executable, fresh)
    run(uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel)
    # What it needs is taken from here rather than from a network.
    (site,) = fresh.glob("lib/python*/site-packages")
    (site / "needed.pth").write_text(sysconfig.get_path("purelib"))
    told = json.loads(run(python, "-c", LOOK))
    assert Path(told["from"]).is_relative_to(fresh)
    assert (told["version"], told["python"], told["licence"]) == (__version__, ">=3.10", "Apache-2.0")
    assert told["needs"] == ["anyio>=3", "httpx>=0.25.0", "pydantic>=2.0.0", "typing-extensions>=4.6.1"]
    assert told["readme"] == (HERE / "README.md").read_text()
    assert told["typed"]


@pytest.mark.parametrize(
    "source", [pytest.param(path, id=path.name) for path in sorted((HERE / "src").rglob("*.py"))]
)
def test_the_oldest_python_can_read_it(source: Path) -> None:
    ast.parse(source.read_text(), feature_version=OLDEST)


def test_no_module_is_longer_than_the_house_allows() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in (HERE / "src").rglob("*.py")}
    assert {name for name, length in lengths.items() if length > 300} == set()
