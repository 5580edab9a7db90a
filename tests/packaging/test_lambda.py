"""What runs in AWS Lambda: built as for a function, and run with nothing beside it but what Lambda brings."""

import asyncio
import json
import re
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path
from typing import Final

import pytest

from scripts import package
from tests.edge.rig import HANDLER, Deployed, deployed
from tests.packaging.image import ROOT
from tests.packaging.lambdas import Sealed, invoked
from tests.template.stack import source

_ADMIN: Final = "handlers.lambda_admin.handler"
_AARCH64: Final = 0xB7
"""In an ELF header."""


@pytest.fixture(scope="module")
def for_arm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real one, unpacked."""
    folder = tmp_path_factory.mktemp("arm64")
    package.fill(folder, architecture="arm64", runtime=package.RUNTIME)
    return folder


# --- that it works


async def test_the_artifact_answers_recorded_requests(sealed: Sealed, tmp_path: Path) -> None:
    deployment: Deployed = await asyncio.to_thread(deployed, tmp_path)
    names = ("v1-post-memory", "v1-post-memory", "v2-batch", "v1-unknown-route", "warm-up")
    edge = sealed.code(HANDLER, tmp_path, deployment.environ)
    outcomes = await invoked(edge, *[deployment.event(name) for name in names])
    assert not any(one.failed for one in outcomes), edge.log.read_text()
    created, equal, batch, unknown = (json.loads(one.payload) for one in outcomes[:4])
    assert [one["statusCode"] for one in (created, equal, batch, unknown)] == [201, 409, 201, 404]
    assert json.loads(created["body"])["id"] in equal["body"]


async def test_the_artifact_administers_an_installation_from_nothing(sealed: Sealed, tmp_path: Path) -> None:
    environ = {
        "MEMTRACE_AUTH_DB_PATH": str(tmp_path / "memtrace.db"),
        "MEMTRACE_JOURNAL_MODE": "shared",
        "MEMTRACE_MASTER_KEY": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=",
    }
    commands = (["org", "create", "acme", "--json"], ["org", "list"], ["status"], ["doctor"])
    events = [{"arguments": command, "input": "", "confirmed": False} for command in commands]
    admin = sealed.code(_ADMIN, tmp_path, environ)
    answers = [json.loads(one.payload) for one in await invoked(admin, *events)]
    assert [one["exit_code"] for one in answers] == [0, 0, 0, 0], answers
    assert json.loads(answers[0]["output"])["name"] == "acme"
    assert "acme" in answers[1]["output"]


def test_what_lambda_brings_is_all_that_the_artifact_lacks(
    sealed: Sealed,
) -> None:
    """Every module of ours that a function may import, imported without the rest of this machine."""
    script = (
        "import sys, handlers.lambda_admin, core.bootstrap.edge, core.bootstrap.shared_sqlite\n"
        "import core.adapters.aws.light, core.adapters.aws.boto, core.adapters.sqlite.migrate, yoyo\n"
        "import handlers.mcp.inside\n"
        "print([p for p in sys.path if 'site-packages' in p or 'dist-packages' in p])"
    )
    done = subprocess.run(
        [sealed.python, "-c", script],
        env=sealed.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


# --- what is in it


def test_every_library_is_for_the_functions_processor_and_python(for_arm: Path) -> None:
    libraries = list(for_arm.rglob("*.so"))
    assert len(libraries) > 5
    for library in libraries:
        header = library.read_bytes()[:20]
        assert header[:4] == b"\x7fELF"
        assert struct.unpack("<H", header[18:20])[0] == _AARCH64, library.name
        tag = re.search(r"\.cpython-(\d+)-", library.name)
        assert tag is None or tag[1] == package.RUNTIME.replace(".", ""), library.name


def test_it_is_small_enough_and_the_same_every_time(for_arm: Path, tmp_path: Path) -> None:
    size = package.pack(for_arm, tmp_path / "one.zip")
    assert size < package.MOST_BYTES
    copied = shutil.copytree(for_arm, tmp_path / "copy", copy_function=shutil.copyfile)
    package.pack(copied, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_the_handlers_lie_at_the_root_and_no_folder_of_ours_is_missing(for_arm: Path, tmp_path: Path) -> None:
    package.pack(for_arm, tmp_path / "one.zip")
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        names = archive.namelist()
        modes = {info.external_attr >> 16 for info in archive.infolist()}
    assert {"handlers/lambda_api.py", "handlers/lambda_admin.py", "core/settings.py"} <= set(names)
    assert [name for name in names if name.startswith("core/adapters/sqlite/migrations/")]
    assert {f"handlers/http/assets/{name}" for name in ("openapi.json", "docs.html")} <= set(names)
    console = {f"handlers/console/{path.name}" for path in (ROOT / "src/handlers/console").iterdir()}
    assert len(console) > 20
    assert console <= set(names)
    assert not [name for name in names if re.match(r"(local|tests|memtrace_server|bin|duckdb|boto)", name)]
    assert modes == {0o644}, "a function runs as a user of its own, who must be able to read everything"


def test_it_is_built_for_the_python_of_the_functions() -> None:
    assert source()["Globals"]["Function"]["Runtime"] == f"python{package.RUNTIME}"
    assert source()["Globals"]["Function"]["Architectures"] == ["arm64"]


def test_sam_finds_a_target_for_every_function() -> None:
    functions = {n: r for n, r in source()["Resources"].items() if r["Type"] == "AWS::Serverless::Function"}
    assert len(functions) == 4
    for name, one in functions.items():
        assert one["Metadata"] == {"BuildMethod": "makefile"}
        done = subprocess.run(
            ["make", "--no-print-directory", "--dry-run", f"build-{name}", "ARTIFACTS_DIR=/artifacts"],
            cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip().endswith('scripts/package.py --into "/artifacts"')


def test_a_zip_that_is_too_large_fails_the_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def tiny(folder: Path, **_: str) -> None:
        (folder / "module.py").write_text("x = 1\n")

    monkeypatch.setattr(package, "fill", tiny)
    monkeypatch.setattr(package, "ROOT", tmp_path)
    assert package.main([]) == 0
    assert (tmp_path / "dist" / "memtrace-lambda-arm64.zip").exists()
    monkeypatch.setattr(package, "MOST_BYTES", 10)
    assert package.main([]) == 1
