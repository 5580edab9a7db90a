"""`memtrace serve`, the production form: it starts when all is well, and says why when not."""

import asyncio
import re
import sqlite3
from pathlib import Path

import httpx
import pytest

from tests.e2e.installation import Installation

_KEY = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
_OTHER_KEY = "enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6eno="


def production(installation: Installation, **more: str) -> dict[str, str]:
    """The environment of an installation that is configured by hand."""
    return {
        "MEMTRACE_MASTER_KEY": _KEY,
        "MEMTRACE_AUTH_DB_PATH": str(installation.data / "memtrace.db"),
        "MEMTRACE_SERVER_HOST": "127.0.0.1",
        "MEMTRACE_SERVER_PORT": "0",
        "HOME": str(installation.folder),
        **more,
    }


async def refusal(installation: Installation, *arguments: str, **env: str) -> str:
    """The one line with which a server refuses to start."""
    done = await installation.run("serve", *arguments, env=production(installation, **env))
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("memtrace: error: ")
    return line


async def test_the_first_start_shows_the_admin_key_once(installation: Installation) -> None:
    env = production(installation, MEMTRACE_LOG_FORMAT="json")
    first = await installation.spawn("serve", env=env)
    key = (await first.says(r"mtk_\S+"))[0]
    url = (await first.says(r'"url":"(http://[^"]+)"'))[1]
    async with httpx.AsyncClient(base_url=url, headers={"x-api-key": key}, trust_env=False) as client:
        assert (await client.get("/api/v1/me")).json()["permissions"] == ["admin", "read", "write"]
        unbound = await client.post("/api/v1/memories", json={"agent_id": "a", "content": "x"})
        assert unbound.status_code == 503
    assert await first.stop() == 0
    second = await installation.spawn("serve", env=env)
    await second.says("server_started")
    assert await second.stop() == 0
    assert "mtk_" not in second.printed
    assert re.findall("server_st\\w+", second.printed) == [
        "server_started",
        "server_stopping",
        "server_stopped",
    ]


async def test_the_first_start_asks_for_a_store_only_where_there_is_none(installation: Installation) -> None:
    installation.data.mkdir()
    config = installation.data / "memtrace.toml"
    config.write_text('[arc]\nurl = "http://127.0.0.1:1"\napi_key = "secret"\ndatabase = "memory"\n')
    first = await installation.spawn("serve", env=production(installation, MEMTRACE_CONFIG=str(config)))
    await first.says("flusher_started")
    assert await first.stop() == 0
    assert "arc_block_adopted" in first.printed
    assert "mtk_" in first.printed
    assert "add-arc" not in first.printed


@pytest.mark.parametrize(
    ("key", "words"), [("", "is not set"), ("!", "not base64"), ("c2hvcnQ=", "holds 5 bytes")]
)
async def test_it_refuses_to_start_without_a_usable_master_key(
    installation: Installation, key: str, words: str
) -> None:
    assert words in await refusal(installation, MEMTRACE_MASTER_KEY=key)
    assert not installation.data.exists()


async def test_it_refuses_the_wrong_master_key(installation: Installation) -> None:
    env = production(installation)
    org = (await installation.run("org", "create", "Acme", "--json", env=env)).stdout.split('"')[3]
    await installation.run("org", "add-arc", org, "--url", f"file:{installation.data}/store", env=env)
    assert f"the stored Arc key of {org}" in await refusal(installation, MEMTRACE_MASTER_KEY=_OTHER_KEY)


async def test_it_refuses_a_database_of_a_newer_memtrace(installation: Installation) -> None:
    await installation.run("migrate", env=production(installation))
    with sqlite3.connect(installation.data / "memtrace.db") as connection:
        connection.execute(
            "INSERT INTO _yoyo_migration (migration_hash, migration_id) VALUES ('h', '9999_later')"
        )
    connection.close()
    assert "newer Memtrace" in await refusal(installation)


async def test_it_refuses_a_folder_it_cannot_use(installation: Installation) -> None:
    (installation.folder / "file").write_text("")
    line = await refusal(installation, MEMTRACE_AUTH_DB_PATH=str(installation.folder / "file" / "m.db"))
    assert "cannot make the folder" in line


async def test_it_refuses_an_open_door_unless_told_to(installation: Installation) -> None:
    env = {"MEMTRACE_AUTH_ENABLED": "false", "MEMTRACE_SERVER_HOST": "0.0.0.0"}
    assert "--insecure-no-auth" in await refusal(installation, **env)


async def test_without_authentication_it_serves_this_machine_as_org_default(
    installation: Installation,
) -> None:
    running = await installation.spawn("serve", env=production(installation, MEMTRACE_AUTH_ENABLED="false"))
    url = (await running.says(r"serves (http://\S+) without authentication"))[1]
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        assert (await client.get("/api/v1/me")).json()["org_id"] == "org_default"


async def test_flags_and_a_file_configure_it(installation: Installation, tmp_path: Path) -> None:
    file = tmp_path / "production.toml"
    file.write_text("[flusher]\nembedded = false\n[server]\nshutdown_timeout = 5\n")
    running = await installation.spawn("--config", str(file), "serve", env=production(installation))
    await running.says("server_started")
    assert installation.children(running.pid) == []


async def test_memtrace_alone_serves(installation: Installation) -> None:
    running = await installation.spawn(env=production(installation))
    await running.says("server_started")
    assert await running.stop(2) == 0


async def test_a_connection_that_sends_no_complete_head_is_closed(installation: Installation) -> None:
    running = await installation.dev(MEMTRACE_SERVER_HEADER_TIMEOUT="0.3")
    port = int(installation.env["MEMTRACE_URL"].rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /health HTTP/1.1\r\nx-slow: ")
    async with asyncio.timeout(30):
        assert b"request_timeout" in await reader.read()
    writer.close()
    assert running.process.returncode is None
