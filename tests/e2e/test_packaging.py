"""The wheel: everything in one folder of site-packages, and it runs from there."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.source import SRC, modules

ROOT = SRC.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, timeout=60, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_general_names_stay_out_of_site_packages(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert sorted(top.partition("-")[0] for top in tops) == ["memtrace_server", "memtrace_server"]


def test_all_that_the_service_reads_is_in_the_wheel(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    ours = {str(m.path) for m in modules() if m.path.parts[0] != "memtrace_server"}
    data = {str(p.relative_to(SRC)) for p in SRC.rglob("*.sql")}
    assert {f"memtrace_server/{path}" for path in ours | data} <= packed
    assert {"memtrace_server/__main__.py", "memtrace_server/memtrace.toml.example"} <= packed


def test_installed_it_finds_its_own_packages_first(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    (tmp_path / "core").mkdir()  # somebody else's, in the working directory
    (tmp_path / "core" / "__init__.py").write_text("raise ImportError")
    code = (
        "import memtrace_server.__main__ as m; m.find_packages(); import core, handlers; print(core.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == str(site / "memtrace_server" / "core" / "__init__.py"), done.stderr


def test_the_command_answers_as_a_module_too(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "memtrace_server", "version"],
        env={"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith("memtrace "), done.stderr


def test_commands_that_need_no_heavy_library_import_none(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['memtrace', 'version']\n"
        "from memtrace_server.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as e: code = e.code\n"
        "heavy = {'duckdb', 'httpx', 'prometheus_client', 'pydantic_settings', 'starlette', 'uvicorn'}\n"
        "print(code, sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(SRC), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == "0 []", done.stdout + done.stderr
