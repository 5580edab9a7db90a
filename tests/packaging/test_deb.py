"""The Debian package: what is in it, and its life from installation to purge. Collected where dpkg is."""

import base64
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from core.version import VERSION
from handlers.cli.main import commands
from tests.e2e.installation import Running, finished
from tests.packaging.debian import PYTHON, Root, build, contents, field, hollow
from tests.packaging.image import ROOT
from tests.packaging.processes import bare_environment, bound_org, built, first_memory, serving, told
from tests.source import SRC, modules

_MINOR: Final = PYTHON.name.removeprefix("python")
KINDS: Final = ("css", "html", "js", "json", "sql", "svg")
"""Of our files that are no modules."""
_SITE: Final = f"usr/lib/memtrace/lib/python{_MINOR}/site-packages"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("deb"))


@pytest.fixture(scope="module")
def scripts(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package without its libraries."""
    return hollow(package, tmp_path_factory.mktemp("hollow"))


@pytest.fixture(scope="module")
def installed(package: Path, open_folder: Path) -> Iterator[Root]:
    """Installed once, for tests that leave it as it was."""
    root = Root.made(open_folder / "installed", package)
    root.install(package)
    yield root
    root.remove()


@pytest.fixture
def root(package: Path, open_folder: Path, request: pytest.FixtureRequest) -> Iterator[Root]:
    """A root of the test's own, with nothing installed."""
    made = Root.made(open_folder / request.node.name, package)
    yield made
    made.remove()


# --- what is in it


def test_it_is_made_for_the_python_that_it_depends_on(package: Path) -> None:
    depends = field(package, "Depends").split(", ")
    assert f"python{_MINOR}" in depends
    assert any(re.fullmatch(r"libc6 \(>= 2\.\d+\)", one) for one in depends)
    assert field(package, "Version") == f"{VERSION}-1"
    assert package.name == f"memtrace_{VERSION}-1_{field(package, 'Architecture')}.deb"


def test_everything_of_ours_is_in_it_and_nothing_for_building(package: Path) -> None:
    packed = contents(package).keys()
    ours = {str(m.path) for m in modules() if m.path.parts[0] != "memtrace_server"}
    data = {str(path.relative_to(SRC)) for kind in KINDS for path in SRC.rglob(f"*.{kind}")}
    assert {"handlers/http/assets/docs.html", "handlers/console/main.js"} <= data
    assert {f"{_SITE}/memtrace_server/{path}" for path in ours | data} <= packed
    libraries = {path.removeprefix(f"{_SITE}/").split("/")[0] for path in packed if path.startswith(_SITE)}
    assert libraries & {"pip", "hatchling", "setuptools", "bin"} == set()
    assert [path for path in packed if "__pycache__" in path] == []


def test_it_touches_only_its_own_places(package: Path) -> None:
    own = (
        "etc/memtrace/",
        "usr/bin/memtrace",
        "usr/lib/memtrace/",
        "usr/lib/systemd/system/memtrace.service",
    )
    shared = (
        "usr/share/doc/memtrace/",
        "usr/share/lintian/overrides/memtrace",
        "usr/share/man/man1/memtrace.1.gz",
    )
    files = [path for path in contents(package) if path and not path.endswith("/")]
    assert [path for path in files if not path.startswith((*own, *shared, "usr/share/memtrace/"))] == []


def test_everything_is_of_root_and_writable_by_nobody_else(package: Path) -> None:
    for path, told_ in contents(package).items():
        mode, owner = told_.split()
        assert owner == "root/root", path
        assert mode[0] == "l" or (mode[5] == mode[8] == "-"), path
        assert "s" not in mode.lower().removeprefix("-"), path


def test_only_the_configuration_is_asked_about_on_upgrades(package: Path) -> None:
    """The secrets are made by a script, and no conffile may be."""
    assert field(package, "Conffiles") == ""
    info = built(["dpkg-deb", "--info", package, "conffiles"], env=bare_environment())
    assert info.split() == ["/etc/memtrace/memtrace.toml"]
    assert "etc/memtrace/memtrace.env" not in contents(package)


def test_the_same_source_makes_the_same_package(package: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    again = build(
        tmp_path / "out", TMPDIR=str(tmp_path / "elsewhere"), TZ="Asia/Tokyo", LC_ALL="C", HOME=str(tmp_path)
    )
    assert again.read_bytes() == package.read_bytes()


def test_the_manual_names_every_command(package: Path) -> None:
    unpack = f"dpkg-deb --fsys-tarfile '{package}' | tar -xO ./usr/share/man/man1/memtrace.1.gz | gzip -d"
    page = built(["sh", "-c", unpack], env=bare_environment()).replace("\\-", "-")
    assert [name for name in commands() if f".B memtrace {name}" not in page] == []


# --- installed


def test_the_master_key_is_made_for_root_and_the_service_alone(installed: Root) -> None:
    found = installed.secrets.stat()
    assert stat.S_IMODE(found.st_mode) == 0o640
    key = re.search("^MEMTRACE_MASTER_KEY=(.+)$", installed.secrets.read_text(), re.MULTILINE)
    assert key
    assert len(base64.b64decode(key[1])) == 32
    assert stat.S_IMODE(installed.state.stat().st_mode) == 0o700


def test_the_user_is_made_without_a_shell(installed: Root) -> None:
    (line,) = (installed.path / "etc/passwd").read_text().splitlines()
    name, _, user, group, *_, home, shell = line.split(":")
    assert (name, home, shell) == ("memtrace", "/var/lib/memtrace", "/usr/sbin/nologin")
    if os.getuid() == 0:
        assert installed.state.stat().st_uid == int(user)
        assert installed.secrets.stat().st_uid == 0
        assert installed.secrets.stat().st_gid == int(group)


def test_the_service_is_enabled(installed: Root) -> None:
    link = installed.path / "etc/systemd/system/multi-user.target.wants/memtrace.service"
    assert link.is_symlink()


async def test_the_command_answers_with_the_service_s_configuration(installed: Root) -> None:
    env = installed.environment()
    assert (await told([*installed.command, "version"], env=env))["version"] == VERSION
    rows = {row["key"]: row for row in await told([*installed.command, "config", "show"], env=env)}
    assert rows["server.host"]["value"] == "127.0.0.1"
    assert rows["server.host"]["origin"] == f"{installed.path}/etc/memtrace/memtrace.toml"


async def test_modules_are_compiled_since_the_service_could_not(installed: Root) -> None:
    site = installed.path / _SITE / "memtrace_server"
    assert list((site / "core/__pycache__").glob("ids.*.pyc"))


async def test_a_configuration_of_one_s_own_is_left_alone(installed: Root, tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    config.write_text("[server]\nport = 9999\n")
    env = installed.environment()
    for line, more in ((["--config", str(config)], {}), ([], {"MEMTRACE_CONFIG": str(config)})):
        done = await finished([*installed.command, *line, "config", "show"], env={**env, **more})
        assert re.search(r"server\.port +9999", done.stdout), done.stderr


# --- its life


async def test_it_serves_a_first_memory_and_outlives_upgrade_and_removal_but_not_purge(
    root: Root, package: Path, tmp_path: Path, started: list[Running]
) -> None:
    root.install(package)
    root.place_state_here()
    kept = root.secrets.read_bytes()
    key = await bound_org(root.command, root.state / "store", env=root.environment())
    server = await root.serve(tmp_path / "first", started)
    await first_memory(await serving(server), key)
    healthy = await finished([*root.command, "health"], env=root.environment())
    assert healthy.returncode == 0, healthy.stderr
    assert await server.stop() == 0
    owners = {path.stat().st_uid for path in root.state.rglob("*")}
    assert owners == {root.state.stat().st_uid}

    root.install(package)  # an upgrade, as far as the maintainer scripts can tell
    assert root.secrets.read_bytes() == kept
    (org,) = await told([*root.command, "org", "list"], env=root.environment())
    assert org["name"] == "Acme"

    removed = root.dpkg("--remove", "memtrace")
    assert removed.returncode == 0, removed.stderr
    assert "stay; purging removes both" in removed.stderr
    assert not (root.path / "usr/lib/memtrace").exists()
    assert (root.state / "memtrace.db").exists()
    assert root.secrets.read_bytes() == kept

    beside = root.path / "srv"
    beside.mkdir()
    (root.state / "linked").symlink_to(beside)
    purged = root.dpkg("--purge", "memtrace")
    assert purged.returncode == 0, purged.stderr
    assert "all that was remembered there, and the master key are gone" in purged.stderr
    assert not root.state.exists()
    assert not (root.path / "etc/memtrace").exists()
    assert beside.exists()


def test_a_changed_configuration_is_kept(root: Root, scripts: Path) -> None:
    root.state.mkdir(parents=True)
    (root.state / "memtrace.db").touch()
    root.install(scripts)
    config = root.path / "etc/memtrace/memtrace.toml"
    config.write_text("[server]\nport = 9200\n")
    root.install(scripts)
    assert config.read_text() == "[server]\nport = 9200\n"


def test_no_new_master_key_is_made_beside_a_database(root: Root, scripts: Path) -> None:
    """It would be a wrong one: what the database sealed was sealed with another."""
    root.state.mkdir(parents=True)
    (root.state / "memtrace.db").touch()
    done = root.dpkg("--install", scripts)
    assert done.returncode == 0, done.stderr
    assert "put its master key there" in done.stderr
    assert root.secrets.read_text().endswith("MEMTRACE_MASTER_KEY=\n")


def test_without_its_python_it_is_not_set_up(scripts: Path, open_folder: Path) -> None:
    root = Root.made(open_folder / "lacking", scripts, lacks=f"python{_MINOR}")
    done = root.dpkg("--install", scripts)
    assert done.returncode != 0
    assert f"memtrace depends on python{_MINOR}" in done.stderr
    assert not root.secrets.exists()
    root.remove()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("MEMTRACE_SERVER_PORT=9300", "9300"),
        ("MEMTRACE_SERVER_PORT='9301'", "9301"),
        ('MEMTRACE_SERVER_PORT="9302"', "9302"),
        ("MEMTRACE_SERVER_PORT=$(touch made)", None),
        ("#MEMTRACE_SERVER_PORT=9303", "9100"),
        ("PATH=/nowhere", "9100"),
        ("MEMTRACE_SERVER_PORT;touch made=1", "9100"),
    ],
)
async def test_the_environment_file_is_read_and_never_run(
    installed: Root, line: str, shown: str | None
) -> None:
    before = installed.secrets.read_text()
    installed.secrets.write_text(f"{before}{line}")
    try:
        done = await finished(
            [*installed.command, "config", "show"], env=installed.environment(), cwd=installed.path
        )
    finally:
        installed.secrets.write_text(before)
    found = re.search(r"server\.port +(\d+)", done.stdout)
    assert (found and found[1]) == shown, done.stderr
    assert not (installed.path / "made").exists()


async def test_the_caller_s_variables_are_stronger_than_the_file(installed: Root) -> None:
    before = installed.secrets.read_text()
    installed.secrets.write_text(f"{before}MEMTRACE_SERVER_PORT=9300\n")
    env = installed.environment(MEMTRACE_SERVER_PORT="9400")
    try:
        done = await finished([*installed.command, "config", "show"], env=env)
    finally:
        installed.secrets.write_text(before)
    assert re.search(r"server\.port +9400", done.stdout)


# --- what builds it


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"VENV": "/nowhere"}, "run make install, or set VENV"),
        ({"DEB_PYTHON": "/bin/true"}, "is not the system's Python"),
        ({"DEB_PYTHON": "/bin/false"}, "is no Python"),
        ({"PATH": "/nowhere"}, "built on Debian or Ubuntu"),
    ],
)
def test_what_is_missing_for_building_is_said(env: dict[str, str], words: str) -> None:
    done = subprocess.run(
        ["/bin/sh", ROOT / "infra" / "deb" / "build"],
        env={**bare_environment(VENV=sys.prefix), "PATH": "/usr/bin:/bin", **env},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert words in done.stderr
