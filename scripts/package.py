"""Builds what runs in AWS Lambda, without Docker and on any machine: `make package`, and `sam build`.

    python scripts/package.py                 dist/memtrace-lambda-arm64.zip
    python scripts/package.py --into FOLDER   the same, unpacked

Everything comes by version and hash from requirements/lambda.txt, as wheels for the target; our
packages lie flat beside it, so that `handlers.lambda_api.handler` is found. One commit makes one
zip, byte for byte.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
LOCK: Final = ROOT / "requirements" / "lambda.txt"
OURS: Final = ("core", "flusher", "handlers")
ARCHITECTURES: Final = {"arm64": "aarch64", "x86_64": "x86_64"}
RUNTIME: Final = "3.12"
"""The Python of template.yaml's functions."""
MOST_BYTES: Final = 30 * 1024 * 1024
_GLIBC: Final = ("2_28", "2_17")
"""Versions below that of Amazon Linux 2023, newest first."""
_OLD: Final = "manylinux2014"
_OF_NO_USE: Final = (
    "bin",
    "**/__pycache__",
    "**/*.pyi",
    "**/py.typed",
    "**/INSTALLER",
    "**/RECORD",
    "**/REQUESTED",
    "zstandard/_cffi*",  # for other Pythons than CPython
)
_DATE: Final = (1980, 1, 1, 0, 0, 0)


def fill(folder: Path, *, architecture: str, runtime: str) -> None:
    """Puts everything into an empty folder. Raises CalledProcessError when pip cannot."""
    _install(folder, ARCHITECTURES[architecture], runtime)
    for name in OURS:
        shutil.copytree(ROOT / "src" / name, folder / name)
    for pattern in _OF_NO_USE:
        for path in sorted(folder.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    _compile(folder, runtime)


def _install(folder: Path, machine: str, runtime: str) -> None:
    platforms = [f"manylinux_{glibc}_{machine}" for glibc in _GLIBC] + [f"{_OLD}_{machine}"]
    wanted = [part for platform in platforms for part in ("--platform", platform)]
    line = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    line += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--no-compile"]
    line += ["--implementation", "cp", "--python-version", runtime, *wanted]
    line += ["--requirement", str(LOCK), "--target", str(folder)]
    # The virtual environment of whoever calls must have no say in what is installed here.
    env = {name: value for name, value in os.environ.items() if name not in ("PIP_USER", "PYTHONPATH")}
    subprocess.run(line, check=True, env=env)


def _compile(folder: Path, runtime: str) -> None:
    """Bytecode, as a function cannot keep its own: without, each cold start compiles.

    Only the Python of the function can make it.
    """
    python = _python_of(runtime)
    if python is None:
        sys.stderr.write(f"package: no Python {runtime} here: cold starts will compile, and take longer\n")
        return
    line = [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    line += ["-s", str(folder), "-p", "/var/task", str(folder)]
    subprocess.run(line, check=True, env={**os.environ, "PYTHONHASHSEED": "0"})


def _python_of(runtime: str) -> str | None:
    if sys.version_info[:2] == tuple(map(int, runtime.split("."))):
        return sys.executable
    found = shutil.which(f"python{runtime}")
    if found is None or subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode != 0:
        return None
    return found


def pack(folder: Path, archive: Path) -> int:
    """All of the folder in one zip that depends on nothing but its content; its size in bytes."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for path in _files(folder):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _DATE)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(entry, path.read_bytes())
    return archive.stat().st_size


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*") if path.is_file())


def main(arguments: list[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="package", description="Build what runs in AWS Lambda.")
    parser.add_argument("--architecture", choices=ARCHITECTURES, default="arm64")
    parser.add_argument("--runtime", default=RUNTIME, help=f"the function's Python; {RUNTIME}")
    parser.add_argument("--into", type=Path, help="a folder to fill, instead of a zip")
    given = parser.parse_args(arguments)
    if given.into:
        given.into.mkdir(parents=True, exist_ok=True)
        fill(given.into, architecture=given.architecture, runtime=given.runtime)
        return 0
    archive = ROOT / "dist" / f"memtrace-lambda-{given.architecture}.zip"
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), architecture=given.architecture, runtime=given.runtime)
        size = pack(Path(folder), archive)
        unpacked = sum(path.stat().st_size for path in _files(Path(folder)))
    sys.stdout.write(f"{archive}: {size / 1e6:.1f} MB, {unpacked / 1e6:.1f} MB unpacked\n")
    return 0 if size <= MOST_BYTES else 1


if __name__ == "__main__":
    raise SystemExit(main())
