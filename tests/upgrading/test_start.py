"""A start on the original's database: upgraded, claimed, and its `[arc]` block taken over."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from structlog.testing import capture_logs

from core.bootstrap.server import open_services
from core.bootstrap.services import Services
from core.model.errors import ConfigurationError, MasterKeyError, NotFound
from core.model.memory import MemoryQuery, default_dedup_key
from core.model.tenant import DEFAULT_ORG
from core.model.timewindow import micros_of, rfc3339
from core.settings import Settings
from core.settings_source import load
from core.vault import generate_master_key
from handlers.http.present import read
from tests import original
from tests.contract.journals import draft
from tests.e2e.installation import command, environment, finished
from tests.original import built

BLOCK = {"url": "http://127.0.0.1:1", "api_key": original.ARC_KEY, "database": "old", "measurement": "mem"}
SHOWN = ("http://127.0.0.1:1", "old", "mem", "boot...6789")


def settings(folder: Path, text: str = "", **environ: str) -> Settings:
    """What a `memtrace.toml` of the original and its variables come to."""
    file = folder / "memtrace.toml"
    file.write_text(f'[auth]\ndb_path = "{folder}/memtrace.db"\n{text}')
    return load(file, {"MEMTRACE_MASTER_KEY": original.MASTER_KEY, **environ})


def rebound(path: Path, url: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE arc_instances SET url = ? WHERE org_id = ?", (url, original.ACME))
        connection.execute("DELETE FROM arc_instances WHERE org_id != ?", (original.ACME,))


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as entered:
        yield entered


def as_of_today(target: Path) -> timedelta:
    """The file that Arc wrote, as if it had been an hour ago; by how much its times were moved."""
    (written,) = original.FOLDER.rglob("*.parquet")
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    moved = hour - datetime(2026, 11, 21, 0, tzinfo=UTC)
    folder = target / "fix" / "events" / f"{hour:%Y/%m/%d/%H}"
    folder.mkdir(parents=True)
    duckdb.sql(
        f"""COPY (SELECT * REPLACE (time + INTERVAL {moved // timedelta(seconds=1)} SECOND AS time)
            FROM '{written}') TO '{folder / written.name}' (FORMAT parquet)"""
    )
    return moved


@dataclass(frozen=True)
class Installed:
    """The real one, its binding on a store over the files that its Arc wrote, an hour ago."""

    folder: Path
    moved: timedelta

    @property
    def database(self) -> Path:
        return self.folder / "memtrace.db"

    def listing(self) -> list[dict[str, Any]]:
        """What the original answered."""
        return [
            {**memory, "time": rfc3339(micros_of(datetime.fromisoformat(memory["time"]) + self.moved))}
            for memory in original.LISTING
        ]

    def copies(self) -> list[Path]:
        return sorted(self.folder.glob("memtrace.db.before-*Z"))


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    rebound(original.copied_to(tmp_path), f"file:{tmp_path}/arc")
    return Installed(tmp_path, as_of_today(tmp_path / "arc"))


async def caller(services: Services) -> Any:
    return await services.gate.authenticate(original.API_KEYS["read_write"])


async def test_the_originals_memories_are_listed_as_it_listed_them(
    installed: Installed, stack: AsyncExitStack
) -> None:
    services = await stack.enter_async_context(open_services(settings(installed.folder)))
    page = await services.recall.search(await caller(services), MemoryQuery(), "list")
    shown = msgspec.json.decode(msgspec.json.encode([read(memory) for memory in page.memories]))
    assert len({memory.pop("id") for memory in shown}) == 6
    assert shown == installed.listing()


async def test_an_equal_memory_is_a_duplicate_of_the_originals(
    installed: Installed, stack: AsyncExitStack
) -> None:
    services = await stack.enter_async_context(open_services(settings(installed.folder)))
    by = await caller(services)
    equal = default_dedup_key("other", "general", "same")
    receipts = await services.ingest.write(by, [draft("same", equal), draft("any", "pref-email")], None)
    page = await services.recall.search(by, MemoryQuery(), "list")
    newest = {memory.dedup_key: memory.id for memory in reversed(page.memories)}
    assert [(r.memory, r.id) for r in receipts] == [(None, newest[equal]), (None, newest["pref-email"])]


async def test_an_arc_that_does_not_answer_does_not_keep_it_from_starting(
    installed: Installed, stack: AsyncExitStack
) -> None:
    rebound(installed.database, "http://127.0.0.1:1")
    with capture_logs() as logs:
        services = await stack.enter_async_context(open_services(settings(installed.folder)))
    assert [line["org_id"] for line in logs if line["event"] == "seeding_postponed"] == [original.ACME]
    assert (await caller(services)).org_name == "acme"


async def test_a_later_start_leaves_that_to_the_flusher(installed: Installed) -> None:
    rebound(installed.database, "http://127.0.0.1:1")
    async with open_services(settings(installed.folder)):
        pass
    with capture_logs() as logs:
        async with open_services(settings(installed.folder)):
            pass
    assert [line["event"] for line in logs] == []


async def test_nothing_is_read_where_equal_memories_are_not_looked_for(installed: Installed) -> None:
    with capture_logs() as logs:
        async with open_services(settings(installed.folder, MEMTRACE_DEDUP_ENABLED="false")):
            pass
    assert [line["event"] for line in logs] == ["database_copied", "database_upgraded"]


async def test_with_another_master_key_nothing_is_upgraded(installed: Installed) -> None:
    before = installed.database.read_bytes()
    with pytest.raises(MasterKeyError, match=original.ACME):
        async with open_services(settings(installed.folder, MEMTRACE_MASTER_KEY=generate_master_key())):
            raise AssertionError("it started")
    assert installed.database.read_bytes() == before
    assert not installed.copies()


async def test_a_new_installation_reads_no_store(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with open_services(settings(tmp_path)):
            pass
    assert logs == []


# --- the `[arc]` block

TOML = "[arc]\n" + "".join(f'{name} = "{value}"\n' for name, value in BLOCK.items())
VARIABLES = {f"MEMTRACE_ARC_{name.upper()}": value for name, value in BLOCK.items()}


async def shown(services: Services) -> tuple[str, str, str, str]:
    binding = await services.tenants.show_binding(DEFAULT_ORG)
    return binding.url, binding.database, binding.measurement, binding.masked_key


@pytest.mark.parametrize(("text", "environ"), [(TOML, {}), ("", VARIABLES)])
async def test_an_arc_block_is_taken_over_once(tmp_path: Path, text: str, environ: dict[str, str]) -> None:
    with built(tmp_path) as made:
        made.org("org_a")
    old = settings(tmp_path, text, **environ)
    with capture_logs() as logs:
        async with open_services(old) as services:
            assert await shown(services) == SHOWN
            assert (await services.tenants.show_binding(DEFAULT_ORG)).id == "arc_default"
            assert {org.id for org in await services.tenants.list_orgs()} == {"org_a", DEFAULT_ORG}
        async with open_services(old) as services:
            assert await shown(services) == SHOWN
    told = [line["event"] for line in logs if str(line["event"]).startswith("arc_block")]
    assert told == ["arc_block_adopted", "arc_block_ignored"]


async def test_an_arc_block_beside_a_binding_of_any_org_is_ignored_with_a_word(tmp_path: Path) -> None:
    with built(tmp_path) as made:
        made.org(DEFAULT_ORG)
        made.binding(made.org("org_a"), "http://127.0.0.1:1")
    block = '[arc]\nurl = "http://127.0.0.1:1"'
    with capture_logs() as logs:
        async with open_services(settings(tmp_path, block)) as services:
            with pytest.raises(NotFound):
                await services.tenants.show_binding(DEFAULT_ORG)
    assert [line["event"] for line in logs if str(line["event"]).startswith("arc_block")] == [
        "arc_block_ignored"
    ]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("url", "arc.example", "arc.url must be http"),
        ("database", "", "arc.database must be a letter"),
        ("api_key", "", "arc.api_key is needed"),
    ],
)
async def test_an_arc_block_that_can_be_no_binding_refuses_the_start(
    tmp_path: Path, name: str, value: str, words: str
) -> None:
    text = TOML.replace(f'"{BLOCK[name]}"', f'"{value}"')
    with pytest.raises(ConfigurationError, match=rf"\[arc\] block .* cannot be taken over: {words}"):
        async with open_services(settings(tmp_path, text)):
            raise AssertionError("it started")


async def test_the_whole_configuration_of_the_original_is_read(tmp_path: Path) -> None:
    text = """
        [server]
        host = "127.0.0.1"
        port = 9100
        read_timeout = 30
        write_timeout = 30
        shutdown_timeout = 30
        [log]
        level = "info"
        format = "json"
        [arc]
        connect_timeout = 5
        query_timeout = 30
        write_batch_size = 100
        write_flush_interval_ms = 1000
        [dedup]
        enabled = true
        window_hours = 24
    """
    assert settings(tmp_path, text).warnings == ()


# --- several processes at once


async def test_a_server_and_commands_that_come_at_once_upgrade_it_once(installed: Installed) -> None:
    env = environment(MEMTRACE_MASTER_KEY=original.MASTER_KEY, MEMTRACE_AUTH_DB_PATH=str(installed.database))
    lines = [command("org", "list"), command("status"), command("doctor"), command("migrate")]
    done = await asyncio.gather(*(finished(line, env=env, cwd=installed.folder) for line in lines))
    assert [d.returncode for d in done if "in use by another process" not in d.stderr] != []
    assert all(d.returncode in (0, 1) for d in done)
    assert len(installed.copies()) == 1
    (again,) = [await finished(command("migrate"), env=env, cwd=installed.folder)]
    assert again.stdout.endswith("nothing to do\n")
