"""Seeding an installation: the rows are where readers look, spread as told, under the names reads ask for."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import cli
from bench.drafts import COMMON, RARE, reader_session
from bench.history import DAY, History, history, select
from bench.own_time import own_times
from bench.seeding import seed_claims, seed_history
from bench.stages import DAY_READS, MONTH_READS
from bench.targets import BenchError
from core.adapters.clock import SystemClock
from core.adapters.events.engine import Engine
from core.adapters.events.layout import is_merged
from core.adapters.events.parquet import ParquetStore
from core.adapters.sqlite.migrate import migrate
from core.model.memory import MemoryFilter, Span
from core.model.tenant import DEFAULT_ORG, Binding
from handlers.holding import held

NOW = SystemClock().micros()


def past(rows: int = 3_000, days: int = 3, sessions: int | None = None) -> History:
    return history(rows, days, NOW, DEFAULT_ORG, sessions, 1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An installation as `memtrace dev` leaves it, as far as seeding looks."""
    (tmp_path / "store").mkdir()
    migrate(tmp_path / "memtrace.db")
    with closing(sqlite3.connect(tmp_path / "memtrace.db")) as connection, connection:
        connection.execute("INSERT INTO organizations (id, name) VALUES (?, 'Default')", (DEFAULT_ORG,))
        connection.execute(
            "INSERT INTO arc_instances (id, org_id, url, api_key_cipher, api_key_nonce, database)"
            " VALUES ('arc_1', ?, ?, x'', x'', 'memory')",
            (DEFAULT_ORG, f"file:{tmp_path}/store"),
        )
    return tmp_path


@pytest.fixture
def store() -> Iterator[ParquetStore]:
    with closing(Engine(memory_limit_mb=256, threads=1)) as engine:
        yield ParquetStore(engine=engine, clock=SystemClock(), query_timeout=30.0)


def binding(data: Path) -> Binding:
    return Binding("arc_1", DEFAULT_ORG, f"file:{data}/store", "memory", "events", 0)


async def test_every_seeded_row_is_found_in_the_store(data: Path, store: ParquetStore) -> None:
    wanted = past()
    seed_history(data, wanted)
    tally = await store.tally(binding(data), MemoryFilter(), Span(0, NOW), NOW - DAY)
    assert (tally.total, tally.recent) == (3_000, 1_000)


async def test_a_read_sessions_memories_lie_in_the_last_day(data: Path, store: ParquetStore) -> None:
    seed_history(data, past())
    session = MemoryFilter(session_id=reader_session(0))
    found = await store.search(binding(data), session, Span(0, NOW), "desc", 1_000, None)
    assert len(found) > 10
    assert all(NOW - DAY <= memory.time < NOW for memory in found)
    assert {memory.agent_id for memory in found} == {"bench_agent_00"}


@pytest.mark.parametrize(("word", "least"), [(COMMON, 300), (RARE, 10)])
async def test_the_searched_words_are_there(data: Path, store: ParquetStore, word: str, least: int) -> None:
    seed_history(data, past())
    found = await store.search(
        binding(data), MemoryFilter(content_contains=word), Span(0, NOW), "desc", 3_000, None
    )
    assert len(found) == least


def test_days_that_are_over_are_one_file_and_the_last_one_is_hours(data: Path) -> None:
    files = seed_history(data, past(days=4))
    found = sorted((data / "store").rglob("*.parquet"))
    depths = [len(path.relative_to(data / "store" / "memory" / "events").parts) for path in found]
    assert len(found) == files
    assert depths.count(4) >= 3, "YYYY/MM/DD/file"
    assert depths.count(5) >= 1, "YYYY/MM/DD/HH/file"
    assert all(is_merged(path.name) for path in found)


def test_nothing_is_left_in_the_staging_folder(data: Path) -> None:
    seed_history(data, past())
    assert list((data / "store" / ".staging").iterdir()) == []


def test_what_is_seeded_counts_as_settled(data: Path) -> None:
    seed_claims(data, 1)
    wanted = past()
    seed_history(data, wanted)
    assert ledger(data)["settled_through"] >= wanted.end


def test_claims_are_counted_and_within_the_window(data: Path) -> None:
    seed_claims(data, 500)
    seed_claims(data, 500)
    with closing(sqlite3.connect(data / "memtrace.db")) as connection:
        count, oldest, newest = connection.execute(
            "SELECT count(*), min(time), max(time) FROM claims"
        ).fetchone()
    assert ledger(data)["claims"] == count == 1_000
    assert SystemClock().micros() - 24 * 3_600_000_000 < oldest < newest <= SystemClock().micros()


def ledger(data: Path) -> dict[str, int]:
    with closing(sqlite3.connect(data / "memtrace.db")) as connection:
        connection.row_factory = sqlite3.Row
        return dict(connection.execute("SELECT * FROM ledger WHERE org_id = ?", (DEFAULT_ORG,)).fetchone())


def test_a_served_installation_is_left_alone(data: Path) -> None:
    with held(data / "memtrace.db"), pytest.raises(BenchError, match="stop the server first"):
        seed_claims(data, 1)


def test_a_folder_without_an_installation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="holds no installation"):
        seed_claims(tmp_path, 1)


def test_an_org_bound_elsewhere_is_refused(data: Path) -> None:
    with closing(sqlite3.connect(data / "memtrace.db")) as connection, connection:
        connection.execute("UPDATE arc_instances SET url = 'https://arc.example'")
    with pytest.raises(BenchError, match="not bound to an embedded store"):
        seed_history(data, past())


def test_the_command_seeds_both(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["seed", "--data", str(data), "--rows", "500", "--days", "2", "--claims", "100"]
    assert cli.main(line) == 0
    said = capsys.readouterr().err
    assert "500 memories of 2 days" in said
    assert "100 claims" in said
    assert ledger(data)["claims"] == 100


def test_the_stores_own_time_is_measured_for_every_read(data: Path) -> None:
    seed_history(data, past())
    workloads = tuple(dict.fromkeys((*DAY_READS, *MONTH_READS)))
    assert all(time > 0 for time in own_times(data, workloads, repeats=2).values())


@given(
    rows=st.integers(1, 400),
    days=st.integers(1, 40),
    cuts=st.lists(st.floats(0, 1), max_size=6),
)
def test_any_cut_of_time_gives_each_row_to_one_span(rows: int, days: int, cuts: list[float]) -> None:
    wanted = past(rows, days)
    width = wanted.end - wanted.start
    edges = [wanted.start, *sorted(wanted.start + int(width * c) for c in cuts), wanted.end]
    numbers = [n for since, until in pairwise(edges) for n in wanted.numbers(since, until)]
    assert numbers == list(range(rows))


def test_a_rows_time_lies_in_the_span_that_it_is_asked_by() -> None:
    wanted = past(1_000, 7)
    since, until = NOW - 3 * DAY, NOW - 2 * DAY
    with closing(duckdb.connect()) as connection:
        made = select(wanted, wanted.numbers(since, until))
        low, high, count = connection.execute(
            f"SELECT epoch_us(min(time)), epoch_us(max(time)), count(*) FROM ({made})"
        ).fetchall()[0]
    assert since <= low < high < until
    assert count in (142, 143)


def test_contents_are_all_different_and_about_200_bytes() -> None:
    wanted = past(2_000, 1)
    with closing(duckdb.connect()) as connection:
        different, mean = connection.execute(
            f"SELECT count(DISTINCT content), avg(length(content)) FROM ({select(wanted, range(2_000))})"
        ).fetchall()[0]
    assert different == 2_000
    assert 150 < mean < 250
