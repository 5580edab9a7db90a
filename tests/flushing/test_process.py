"""The flusher as a process: what it is built of, how it refuses, how it ends."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from core.adapters.clock import SystemClock
from core.adapters.sqlite.bindings import SqliteBindings
from core.model.tenant import SealedBinding
from core.settings import AuthSettings, Settings
from core.settings_arc import ArcSettings
from core.vault import Vault, generate_master_key, parse_master_key
from flusher.__main__ import main, run_flusher
from tests.contract.journals import ACME, Workshop, draft, make_file, open_workshop
from tests.flushing.rig import eventually


@pytest.fixture(autouse=True)
def logs_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process sets up logging for good; a test run has its own."""
    monkeypatch.setattr("flusher.__main__.configure", lambda *_: None)


@pytest.fixture
def installation(tmp_path: Path) -> Settings:
    """Two orgs, the first bound to a folder."""
    return Settings(
        auth=AuthSettings(db_path=make_file(tmp_path / "m.db")),
        arc=ArcSettings(write_flush_interval_ms=10),
        master_key=generate_master_key(),
    )


async def bind(shop: Workshop, settings: Settings, folder: Path) -> None:
    await asyncio.to_thread(folder.mkdir)
    cipher, nonce = Vault(parse_master_key(settings.master_key)).seal(ACME, "")
    bindings = SqliteBindings(shop.database)
    await bindings.put_binding(
        SealedBinding("arc_1", ACME, f"file:{folder}", "default", "events", 1, cipher, nonce)
    )


async def test_what_was_written_ends_in_the_bound_folder(installation: Settings, tmp_path: Path) -> None:
    shop = open_workshop(installation.auth.db_path, SystemClock())  # type: ignore[arg-type]
    try:
        await bind(shop, installation, tmp_path / "store")
        await shop.journal.append(ACME, [draft(str(n)) for n in range(50)], None)
        flushing = asyncio.create_task(run_flusher(installation))
        await eventually(lambda: list((tmp_path / "store").rglob("*.parquet")) != [])
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(20):
            await flushing
        (backlog,) = await shop.ledger.backlogs()
        assert (backlog.owed, backlog.delivered) == (0, 50)
        assert await shop.leases.holder() is None
    finally:
        shop.close()


def test_a_flusher_beside_another_says_who_holds_the_lease(
    installation: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = open_workshop(installation.auth.db_path, SystemClock())  # type: ignore[arg-type]
    asyncio.run(hold(shop))
    shop.close()
    monkeypatch.setenv("MEMTRACE_AUTH_DB_PATH", str(installation.auth.db_path))
    monkeypatch.setenv("MEMTRACE_MASTER_KEY", installation.master_key)
    assert main([]) == 1
    assert capsys.readouterr().err == (
        "flusher: another flusher works on this data: elsewhere:7;"
        " stop that process, or let this one stand by with --wait\n"
    )


async def hold(shop: Workshop) -> None:
    assert await shop.leases.acquire("elsewhere:7", 60)


def test_a_flusher_without_a_master_key_does_not_start(
    installation: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEMTRACE_AUTH_DB_PATH", str(installation.auth.db_path))
    assert main([]) == 1
    assert capsys.readouterr().err.startswith("flusher: MEMTRACE_MASTER_KEY is not set")
