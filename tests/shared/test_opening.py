"""Which way the settings open the file, and who brings it up to date."""

import asyncio
import contextlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.adapters.clock import SystemClock
from core.adapters.sqlite.migrate import FOLDER, migrate
from core.adapters.sqlite.sharing import make_shared, mode_of
from core.adapters.sqlite.upgrading import refuse_while_in_use
from core.bootstrap.backend import open_backend, open_edge_backend
from core.bootstrap.shared_sqlite import SharedSqlite, request_patience
from core.bootstrap.sqlite import LoggedSqlite, is_shared, open_sqlite
from core.model.errors import DatabaseError
from core.settings import AuthSettings, JournalSettings, ServerSettings, Settings
from core.settings_aws import QueueSettings
from core.telemetry import NoMetrics
from tests.contract.journals import ACME, draft, make_file

ROOT = Path(__file__).parents[2]
OPEN = """import contextlib, sys
from pathlib import Path
from core.adapters.clock import SystemClock
from core.bootstrap.sqlite import open_sqlite
from core.settings import AuthSettings, JournalSettings, Settings
settings = Settings(auth=AuthSettings(db_path=Path(sys.argv[1])), journal=JournalSettings(mode="shared"))
with contextlib.ExitStack() as closing:
    open_sqlite(settings, SystemClock(), closing)
"""


def settings_of(path: Path, mode: str = "shared", queue: str = "") -> Settings:
    return Settings(
        auth=AuthSettings(db_path=path),
        journal=JournalSettings(mode=mode),  # type: ignore[arg-type]
        queue=QueueSettings(url=queue),
    )


@pytest.fixture
def closing() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.mark.parametrize(
    ("mode", "queue", "shared"),
    [
        ("auto", "", False),
        ("auto", "https://sqs/q", True),
        ("shared", "", True),
        ("wal", "https://sqs/q", False),
    ],
)
def test_a_setting_decides_and_else_a_queue_does(tmp_path: Path, mode: str, queue: str, shared: bool) -> None:
    assert is_shared(settings_of(tmp_path / "m.db", mode, queue)) is shared


def test_what_was_opened_shared_is_opened_so_by_who_was_told_nothing(
    tmp_path: Path, closing: contextlib.ExitStack
) -> None:
    path = tmp_path / "new" / "m.db"
    assert isinstance(open_sqlite(settings_of(path), SystemClock(), closing), SharedSqlite)
    assert isinstance(open_sqlite(settings_of(path, "auto"), SystemClock(), closing), SharedSqlite)
    assert path.read_bytes()[18:20] == b"\1\1"


def test_one_setting_leads_there_and_back(tmp_path: Path) -> None:
    path = make_file(tmp_path / "m.db")
    for mode, kind, left in (
        ("wal", LoggedSqlite, "wal"),
        ("shared", SharedSqlite, "shared"),
        ("wal", LoggedSqlite, "wal"),
    ):
        with contextlib.ExitStack() as closing:
            assert isinstance(open_sqlite(settings_of(path, mode), SystemClock(), closing), kind)
        assert mode_of(path) == left


async def test_an_edge_refuses_until_a_flusher_has_made_the_database(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "m.db", "auto")
    async with open_edge_backend(settings, SystemClock()) as edge:
        with pytest.raises(DatabaseError, match="there is no database"):
            await edge.orgs.list_orgs()
        async with open_backend(settings_of(tmp_path / "m.db"), SystemClock()) as flusher:
            assert await flusher.orgs.list_orgs() == await edge.orgs.list_orgs() == []
            assert flusher.owner != edge.owner


async def test_an_edge_upgrades_nothing(tmp_path: Path) -> None:
    path, old = tmp_path / "m.db", tmp_path / "old"
    old.mkdir()
    for file in sorted(FOLDER.glob("*.sql"))[:-1]:
        (old / file.name).write_text(file.read_text())
    migrate(path, old)
    before = path.read_bytes()
    async with open_edge_backend(settings_of(path), SystemClock()) as edge:
        with pytest.raises(DatabaseError, match="not up to date"):
            await edge.orgs.list_orgs()
    assert path.read_bytes() == before


async def test_edge_and_flusher_work_on_the_same_journal(tmp_path: Path) -> None:
    path = make_file(tmp_path / "m.db")
    settings = settings_of(path)
    async with (
        open_backend(settings, SystemClock()) as flusher,
        open_edge_backend(settings, SystemClock()) as edge,
    ):
        assert isinstance(edge, SharedSqlite)
        (receipt,) = await edge.open_journal(NoMetrics()).append(ACME, [draft("a")], None)
        queue = flusher.follow_journal()
        await queue.wait(5)
        (parcel,) = await queue.receive(10, 1 << 20)
        lease = await flusher.leases.acquire(flusher.owner, 10)
        assert lease is not None
        assert await flusher.outbox.delivered(parcel, lease, 0) == 1
        assert await flusher.outbox.settled(ACME, parcel.times, lease) == 1
        (again,) = await edge.open_journal(NoMetrics()).append(ACME, [draft("a")], None)
        assert (again.id, again.memory) == (receipt.id, None)
        assert await flusher.clean()
        await edge.at_rest()
        await edge.tidy()


async def test_a_lease_of_a_process_that_is_gone_is_waited_for_on_a_shared_file(tmp_path: Path) -> None:
    settings = settings_of(make_file(tmp_path / "m.db"))
    async with open_backend(settings, SystemClock()) as one, open_backend(settings, SystemClock()) as other:
        assert one.owner != other.owner
        assert await one.leases.acquire(f"{one.owner.rpartition(':')[0]}:999999-abc", 10)
        assert await other.leases.acquire(other.owner, 10) is None


def test_a_request_waits_for_its_turn_for_half_of_its_time_at_most(tmp_path: Path) -> None:
    def patience(turn: float, write: float) -> float:
        server = ServerSettings(write_timeout=write)
        journal = JournalSettings(turn_timeout=turn)
        arc = Settings().arc
        return request_patience(Settings(server=server, journal=journal, arc=arc))

    assert patience(5, 30) == 5
    assert patience(60, 40) == 20


async def test_of_many_that_start_at_once_one_migrates_and_all_work(tmp_path: Path) -> None:
    path = tmp_path / "data" / "m.db"
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", OPEN, str(path)), env={**os.environ, "PYTHONPATH": str(ROOT / "src")}
        )
        for _ in range(4)
    ]
    assert [await process.wait() for process in processes] == [0, 0, 0, 0]
    assert mode_of(path) == "shared"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        applied = [n for (n,) in connection.execute("SELECT migration_id FROM _yoyo_migration ORDER BY 1")]
    assert applied == sorted(file.stem for file in FOLDER.glob("*.sql"))


def test_an_upgrade_of_a_shared_file_keeps_it_out_of_the_log_mode(
    tmp_path: Path, closing: contextlib.ExitStack
) -> None:
    path, old = tmp_path / "m.db", tmp_path / "old"
    old.mkdir()
    for file in sorted(FOLDER.glob("*.sql"))[:-1]:
        (old / file.name).write_text(file.read_text())
    migrate(path, old)
    make_shared(path)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO organizations (id, name) VALUES ('org_acme', 'acme')")
    refuse_while_in_use(path)
    assert path.read_bytes()[18:20] == b"\1\1"
    open_sqlite(settings_of(path, "auto"), SystemClock(), closing)
    assert path.read_bytes()[18:20] == b"\1\1"
    assert len(list(tmp_path.glob("m.db.before-*"))) == 1
    assert not list(tmp_path.glob("*-wal"))
