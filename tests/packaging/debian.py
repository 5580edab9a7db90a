"""The Debian package, built once and installed below throw-away roots; the machine's own dpkg is left alone.

dpkg unpacks below the root and runs the maintainer scripts on it (`DPKG_ROOT`) without changing into it. What
the package depends on is there by name only, and for Python by a link.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.installation import Running
from tests.packaging.image import ROOT
from tests.packaging.processes import bare_environment, built, spawned

PYTHON: Final = Path("/usr/bin/python3").resolve()
_BUILD: Final = ROOT / "infra" / "deb" / "build"
_ENTRY: Final = (
    "Package: {0}\nStatus: install ok installed\nMaintainer: x <x@example.org>\n"
    "Architecture: {1}\nVersion: 99\nDescription: x\n"
)


def build(folder: Path, **env: str) -> Path:
    """The package, not compressed: that takes most of the time."""
    given = {"VENV": sys.prefix, "DEB_OUT": str(folder), "DEB_COMPRESSION": "none", **env}
    printed = built(["sh", _BUILD], env=bare_environment(**given))
    return Path(printed.strip())


def hollow(package: Path, folder: Path) -> Path:
    """The package without its libraries: for what the maintainer scripts do, and quick to install."""
    stage = folder / "stage"
    env = bare_environment()
    built(["dpkg-deb", "--raw-extract", package, stage], env=env)
    shutil.rmtree(next((stage / "usr/lib/memtrace/lib").glob("python*/site-packages")))
    (stage / "DEBIAN/md5sums").unlink()
    made = folder / package.name
    built(["dpkg-deb", "--root-owner-group", "-Znone", "--build", stage, made], env=env)
    return made


def field(package: Path, name: str) -> str:
    """Of its control file."""
    return built(["dpkg-deb", "--field", package, name], env=bare_environment()).strip()


def contents(package: Path) -> dict[str, str]:
    """Path → mode and owner, of all that it would unpack."""
    lines = built(["dpkg-deb", "--contents", package], env=bare_environment()).splitlines()
    cells = [line.split(maxsplit=5) for line in lines]
    return {c[5].removeprefix("./").partition(" -> ")[0]: f"{c[0]} {c[1]}" for c in cells}


@dataclass(frozen=True, slots=True)
class Root:
    """A root file system that has nothing but what the package depends on."""

    path: Path

    @classmethod
    def made(cls, path: Path, package: Path, *, lacks: str = "") -> "Root":
        for folder in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "etc", "usr/bin"):
            (path / folder).mkdir(parents=True)
        for file in ("etc/passwd", "etc/group"):
            (path / file).touch()
        (path / "usr/bin" / PYTHON.name).symlink_to(PYTHON)
        names = [part.split()[0] for part in field(package, "Depends").split(",")]
        entries = [_ENTRY.format(name, field(package, "Architecture")) for name in names if name != lacks]
        (path / "var/lib/dpkg/status").write_text("\n".join(entries))
        return cls(path)

    @property
    def state(self) -> Path:
        return self.path / "var/lib/memtrace"

    @property
    def secrets(self) -> Path:
        return self.path / "etc/memtrace/memtrace.env"

    @property
    def command(self) -> list[str]:
        return [str(self.path / "usr/bin/memtrace")]

    def environment(self, **more: str) -> dict[str, str]:
        return bare_environment(HOME=str(self.path), LC_ALL="C.UTF-8", **more)

    def dpkg(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        line: list[str | Path] = [
            "dpkg",
            f"--root={self.path}",
            "--force-script-chrootless",
            "--log=/dev/null",
        ]
        if os.getuid() != 0:
            line.append("--force-not-root")
        return subprocess.run(
            [*line, *arguments],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def install(self, package: Path) -> None:
        done = self.dpkg("--install", package)
        assert done.returncode == 0, done.stdout + done.stderr

    def place_state_here(self) -> None:
        """What an administrator does who wants it elsewhere: /var/lib is not this root's own."""
        with self.secrets.open("a") as file:
            file.write(f'MEMTRACE_AUTH_DB_PATH="{self.state}/memtrace.db"\nMEMTRACE_SERVER_PORT=0\n')

    async def serve(self, output: Path, started: list[Running]) -> Running:
        line = [*self.command, "serve"]
        return await spawned(line, env=self.environment(), output=output, started=started)

    def remove(self) -> None:
        shutil.rmtree(self.path)
