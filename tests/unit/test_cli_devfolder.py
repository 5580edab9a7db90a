"""The folder of `memtrace dev`: what is made, what is kept, what is refused."""

import asyncio
import base64
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from core.bootstrap.server import open_services
from core.model.errors import ConfigurationError
from core.model.tenant import DEFAULT_ORG
from core.settings import Settings
from core.settings_source import load
from handlers.cli.devfolder import DevFolder, kept_key

_URL = "http://127.0.0.1:9100"


def settings_of(folder: DevFolder) -> Settings:
    return load(None, folder.environ({}, ignore_files=True))


async def prepared(folder: DevFolder, **variables: str) -> tuple[str, str, str]:
    """One start on the folder: what was said, the key, where org_default is bound to."""
    folder.make()
    settings = load(None, folder.environ(variables, ignore_files=True))
    async with open_services(settings) as services:
        words = await folder.prepare(services, _URL)
        bound = await services.tenants.show_binding(DEFAULT_ORG)
    return words, kept_key(folder.env), bound.url


async def test_a_fresh_folder_gets_key_binding_and_dev_env(tmp_path: Path) -> None:
    folder = DevFolder(tmp_path / "data")
    words, key, url = await prepared(folder)
    assert key in words
    assert url == f"file:{tmp_path}/data/store"
    assert stat.S_IMODE(folder.master_key.stat().st_mode) == 0o600
    assert len(base64.b64decode(folder.master_key.read_text())) == 32


async def test_whoever_starts_it_is_told_where_to_look_if_there_is_something(tmp_path: Path) -> None:
    folder = DevFolder(tmp_path / "data")
    words, *_ = await prepared(folder)
    assert f"{_URL}/console" in words
    words, *_ = await prepared(folder, MEMTRACE_SERVER_CONSOLE="false")
    assert "/console" not in words


async def test_the_same_folder_keeps_its_key_and_says_nothing_new(tmp_path: Path) -> None:
    folder = DevFolder(tmp_path / "data")
    first = await prepared(folder)
    assert await prepared(folder) == first


async def test_a_key_that_the_database_does_not_know_is_replaced(tmp_path: Path) -> None:
    folder = DevFolder(tmp_path / "data")
    _, key, _ = await prepared(folder)
    folder.env.write_text(folder.env.read_text().replace(key, "mtk_of_another_folder"))
    words, new, _ = await prepared(folder)
    assert "new key" in words
    assert new not in (key, "mtk_of_another_folder")


async def test_a_dev_env_that_nobody_can_read_is_made_again(tmp_path: Path) -> None:
    folder = DevFolder(tmp_path / "data")
    await prepared(folder)
    folder.env.write_text("export MEMTRACE_API_KEY='unfinished\n")
    words, key, _ = await prepared(folder)
    assert "new key" in words
    assert key.startswith("mtk_")


async def test_a_folder_that_moved_is_followed(tmp_path: Path) -> None:
    before = DevFolder(tmp_path / "before")
    await prepared(before)
    await asyncio.to_thread(shutil.move, before.folder, tmp_path / "after")
    words, _, url = await prepared(DevFolder(tmp_path / "after"))
    assert "moved" in words
    assert url == f"file:{tmp_path}/after/store"


async def test_a_binding_that_somebody_chose_is_left_alone(tmp_path: Path) -> None:
    folder = DevFolder(tmp_path / "data")
    await prepared(folder)
    async with open_services(settings_of(folder)) as services:
        await services.tenants.bind(DEFAULT_ORG, url=f"file:{tmp_path}", database="other")
    assert (await prepared(folder))[2] == f"file:{tmp_path}"


def test_a_database_without_its_master_key_is_refused(tmp_path: Path) -> None:
    folder = DevFolder(tmp_path)
    folder.database.write_text("")
    with pytest.raises(ConfigurationError, match=r"master\.key is missing"):
        folder.make()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot write into"):
        DevFolder(tmp_path / "file" / "data").make()


def test_no_other_installations_master_key_gets_in(tmp_path: Path) -> None:
    folder = DevFolder(tmp_path)
    folder.make()
    outer = {
        "MEMTRACE_MASTER_KEY": "another",
        "MEMTRACE_MASTER_KEY_SECRET_ARN": "arn:another",
        "MEMTRACE_AUTH_DB_PATH": "/elsewhere.db",
    }
    settings = load(None, folder.environ(outer, ignore_files=True))
    assert settings.master_key == folder.master_key.read_text().strip()
    assert settings.master_secret is None
    assert settings.auth.db_path == folder.database


def test_paths_with_blanks_and_quotes_survive_the_shell(tmp_path: Path) -> None:
    folder = DevFolder(tmp_path / "it's a folder")
    folder.make()
    folder._tell(_URL, "mtk_x")
    script = f'. "{folder.env}" && printf %s "$MEMTRACE_AUTH_DB_PATH"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == str(folder.database)
