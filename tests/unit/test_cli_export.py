"""`memtrace export` and `import` as a person calls them: round trips, files that broke off, bad input."""

import asyncio
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.adapters.events.engine import Engine
from core.adapters.events.parquet import ParquetStore
from core.model.memory import Memory, Micros
from core.model.tenant import Binding
from core.model.timewindow import parse_time
from handlers.cli import lines
from handlers.cli.main import run
from tests.clock import ManualClock
from tests.contract.event_stores import T0, memory, parcel
from tests.contract.journals import ACME, OTHER, draft, workshop
from tests.unit.test_cli_commands import (  # noqa: F401  fixtures
    Memtrace,
    database,
    memtrace,
    refused,
    untouched_logging,
)

Refused = Callable[..., str]


@pytest.fixture
def store(database: Path, memtrace: Memtrace, tmp_path: Path) -> Callable[..., None]:  # noqa: F811
    """Two orgs with a store each; stores memories in one."""
    with workshop(database, ManualClock()):
        pass
    for org in (ACME, OTHER):
        memtrace("org", "add-arc", org, "--url", f"file:{tmp_path}/{org}", "--database", "db")

    def put(*memories: Memory, org: str = ACME) -> None:
        engine = Engine(memory_limit_mb=128, threads=1)
        try:
            embedded = ParquetStore(engine=engine, clock=ManualClock(), query_timeout=30)
            binding = Binding("arc_1", ACME, f"file:{tmp_path}/{org}", "db", "events", 0)
            asyncio.run(embedded.append(binding, parcel(memories)))
        finally:
            engine.close()

    return put


def write(path: Path, *contents: str) -> None:
    """Acknowledged memories that no store has."""
    with workshop(path, ManualClock(T0 + 10**10)) as shop:
        asyncio.run(shop.journal.append(ACME, [draft(one) for one in contents], None))


def contents(text: str) -> list[str]:
    return [json.loads(one)["content"] for one in text.splitlines()]


# --- export


def test_an_export_has_what_is_stored_and_what_waits_in_order(
    store: Callable[..., None],
    memtrace: Memtrace,  # noqa: F811
    database: Path,  # noqa: F811
) -> None:
    store(memory(2), memory(1))
    write(database, "waits")
    out = memtrace("export", "--org", ACME)
    assert contents(out) == ["memory 1", "memory 2", "waits"]
    first = json.loads(out.splitlines()[0])
    assert first["id"] == memory(1).id
    assert first["dedup_key"] == "key-1"
    assert parse_time(first["time"], 0, "time") == memory(1).time


def test_a_memory_that_is_stored_and_waits_is_exported_once(
    store: Callable[..., None],
    memtrace: Memtrace,  # noqa: F811
    database: Path,  # noqa: F811
) -> None:
    write(database, "both")
    (line,) = memtrace("export", "--org", ACME).splitlines()
    found = json.loads(line)
    time: Micros = parse_time(found["time"], 0, "time")
    store(memory(time - T0, found["dedup_key"], agent_id="crawler", session_id="", content="both"))
    assert memtrace("export", "--org", ACME).splitlines() == [line]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (("--session", "s1"), ["one"]),
        (("--agent", "b"), ["two"]),
        (("--type", "decision", "--type", "entity"), ["one", "two"]),
        (("--event", "note"), ["one"]),
        (("--tag", "x", "--tag", "y"), ["two"]),
        (("--contains", "%"), ["100 %"]),
        (("--since", "2026-05-28T20:00:00.000002Z"), ["two", "100 %"]),
        (("--until", "2026-05-28T20:00:00.000002Z"), ["one"]),
        (("--session", "s1", "--agent", "b"), []),
    ],
    ids=str,
)
def test_an_export_can_be_narrowed(
    store: Callable[..., None],
    memtrace: Memtrace,  # noqa: F811
    options: tuple[str, ...],
    wanted: list[str],
) -> None:
    store(
        memory(1, content="one", session_id="s1", memory_type="decision", event_type="note"),
        memory(2, content="two", agent_id="b", memory_type="entity", tags_csv="x,y,z"),
        memory(3, content="100 %"),
    )
    assert contents(memtrace("export", "--org", ACME, *options)) == wanted


def test_an_agent_is_meant_by_its_name_and_its_id(
    store: Callable[..., None],
    memtrace: Memtrace,  # noqa: F811
    database: Path,  # noqa: F811
) -> None:
    with workshop(database, ManualClock()) as shop:
        shop.database.writer.execute(
            "INSERT INTO agents (id, org_id, name) VALUES ('agent_1', ?, 'crawler')", (ACME,)
        )
    store(memory(1, agent_id="crawler"), memory(2, agent_id="agent_1"), memory(3, agent_id="other"))
    for name in ("crawler", "agent_1"):
        assert contents(memtrace("export", "--org", ACME, "--agent", name)) == ["memory 1", "memory 2"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--type", "dream"), "this cannot be asked for"),
        (("--tag", "a b"), "tags[0] must be"),
        (("--since", "yesterday"), "since is not a time"),
        (("--session", "s 1"), "session_id must be"),
        (("--resume",), "name a file with --out"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_for_is_refused(
    store: Callable[..., None],
    refused: Refused,  # noqa: F811
    options: tuple[str, ...],
    words: str,
) -> None:
    assert words in refused("export", "--org", ACME, *options)


def test_an_org_without_a_store_has_nothing_to_read_from(
    memtrace: Memtrace,  # noqa: F811
    refused: Refused,  # noqa: F811
) -> None:
    org = memtrace("org", "create", "New", "--json")["id"]
    assert f"`memtrace org add-arc {org}`" in refused("export", "--org", org)
    assert "'org_none' not found" in refused("export", "--org", "org_none")


def test_an_export_to_a_file_is_its_owner_s_and_replaces_nothing(
    store: Callable[..., None],
    memtrace: Memtrace,  # noqa: F811
    refused: Refused,  # noqa: F811
    tmp_path: Path,
) -> None:
    store(memory(1))
    assert memtrace("export", "--org", ACME, "--out", "x.jsonl", "--json") == {
        "exported": 1,
        "file": "x.jsonl",
    }
    assert (tmp_path / "x.jsonl").stat().st_mode & 0o777 == 0o600
    assert refused("export", "--org", ACME, "--out", "x.jsonl").startswith("x.jsonl is there already")
    assert "1 memories exported to y.jsonl" in memtrace("export", "--org", ACME, "--out", "y.jsonl")


@pytest.mark.parametrize("kept", [0, 1, 300, 301, -1, -2])
def test_an_export_that_broke_off_anywhere_goes_on(
    store: Callable[..., None],
    memtrace: Memtrace,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kept: int,
) -> None:
    monkeypatch.setattr(lines, "_CHUNK", 64)
    store(*(memory(i, content=f"memory {i}\nof two lines") for i in range(5)), memory(3, "another"))
    memtrace("export", "--org", ACME, "--out", "whole.jsonl")
    whole = (tmp_path / "whole.jsonl").read_bytes()
    torn = tmp_path / "torn.jsonl"
    torn.write_bytes(whole[:kept])
    memtrace("export", "--org", ACME, "--out", "torn.jsonl", "--resume")
    assert torn.read_bytes() == whole


def test_going_on_with_a_file_that_is_not_there_begins_it(
    store: Callable[..., None],
    memtrace: Memtrace,  # noqa: F811
    tmp_path: Path,
) -> None:
    store(memory(1))
    memtrace("export", "--org", ACME, "--out", "new.jsonl", "--resume")
    assert len((tmp_path / "new.jsonl").read_text().splitlines()) == 1


def test_a_file_of_something_else_is_not_gone_on_with(
    store: Callable[..., None],
    memtrace: Memtrace,  # noqa: F811
    refused: Refused,  # noqa: F811
    tmp_path: Path,
) -> None:
    store(memory(1))
    (tmp_path / "notes.txt").write_text("my notes\n")
    assert "is no export" in refused("export", "--org", ACME, "--out", "notes.txt", "--resume")
    memtrace("export", "--org", ACME, "--out", "acme.jsonl")
    told = refused("export", "--org", OTHER, "--out", "acme.jsonl", "--resume")
    assert told.startswith("acme.jsonl is an export of org_acme, not of org_other")


def test_large_memories_come_in_small_pages(
    store: Callable[..., None],
    memtrace: Memtrace,  # noqa: F811
) -> None:
    store(*(memory(i, content=f"{i:05d}" * 20_000) for i in range(230)))
    out = contents(memtrace("export", "--org", ACME))
    assert [one[:5] for one in out] == [f"{i:05d}" for i in range(230)]


def test_a_bar_is_drawn_for_a_person(
    store: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store(memory(1))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert run(["export", "--org", ACME, "--out", "x.jsonl"]) == 0
    assert "1 memories exported to x.jsonl" in capsys.readouterr().out


# --- import


def test_an_export_is_imported_into_another_org_and_is_the_same(
    store: Callable[..., None],
    memtrace: Memtrace,  # noqa: F811
    database: Path,  # noqa: F811
) -> None:
    store(memory(1), memory(3_600_000_000, tags_csv="a,b", metadata_json='{"n":1}', importance=0.5))
    write(database, "waits")
    memtrace("export", "--org", ACME, "--out", "x.jsonl")
    assert memtrace("import", "x.jsonl", "--org", OTHER) == "3 memories imported\n"
    theirs = memtrace("export", "--org", OTHER)
    assert theirs.replace(OTHER, ACME) == memtrace("export", "--org", ACME)
    assert memtrace("import", "x.jsonl", "--org", OTHER, "--json") == {
        "new": 0,
        "there": 3,
        "deleted": 0,
        "bad": 0,
        "dry_run": False,
    }
    assert memtrace("export", "--org", OTHER) == theirs


def test_a_dry_run_changes_nothing(
    store: Callable[..., None],
    memtrace: Memtrace,  # noqa: F811
) -> None:
    store(memory(1), memory(2))
    memtrace("export", "--org", ACME, "--out", "x.jsonl")
    assert memtrace("import", "x.jsonl", "--org", OTHER, "--dry-run") == "2 memories would be imported\n"
    assert memtrace("export", "--org", OTHER) == ""


def test_nothing_is_imported_where_anything_is_wrong(
    store: Callable[..., None],
    memtrace: Memtrace,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store(memory(1))
    memtrace("export", "--org", ACME, "--out", "x.jsonl")
    with (tmp_path / "x.jsonl").open("a") as file:
        file.write('{"agent_id":"a","content":"x"}\n' * 25)
    assert run(["import", "x.jsonl", "--org", OTHER]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "memtrace: line 2: time is required"
    assert len(told) == 21
    assert told[-1].startswith("memtrace: error: 25 memories of the file are not valid; nothing was imported")
    assert memtrace("export", "--org", OTHER) == ""
    done = memtrace("import", "x.jsonl", "--org", OTHER, "--skip-bad")
    assert done == "1 memories imported\n25 were left out: not valid\n"


def test_what_comes_through_a_pipe_is_checked_whole_as_well(
    store: Callable[..., None],
    memtrace: Memtrace,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store(memory(1))
    piped = memtrace("export", "--org", ACME).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(piped)))
    assert memtrace("import", "-", "--org", OTHER) == "1 memories imported\n"


def test_an_import_that_was_killed_is_run_again(
    store: Callable[..., None],
    memtrace: Memtrace,  # noqa: F811
    tmp_path: Path,
) -> None:
    hours = [memory(i * 3_600_000_000) for i in range(8)]
    store(*hours)
    memtrace("export", "--org", ACME, "--out", "x.jsonl")
    script = f"""
import os, sys
from core.adapters.events import writing
from handlers.cli.main import run
count = 0
publish = writing.publish
def dying(*args):
    global count
    count += 1
    if count > 5:
        os._exit(42)
    publish(*args)
writing.publish = dying
run(["import", "x.jsonl", "--org", "{OTHER}"])
"""
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": source}, check=False
    )
    assert done.returncode == 42
    again = memtrace("import", "x.jsonl", "--org", OTHER, "--json")
    assert (again["new"], again["there"]) == (3, 5)
    assert memtrace("export", "--org", OTHER).replace(OTHER, ACME) == memtrace("export", "--org", ACME)


def test_a_file_that_is_not_there_is_said(store: Callable[..., None], refused: Refused) -> None:  # noqa: F811
    assert refused("import", "none.jsonl", "--org", ACME).startswith("No such file")


def test_deleted_memories_are_counted(
    store: Callable[..., None],
    memtrace: Memtrace,  # noqa: F811
    database: Path,  # noqa: F811
) -> None:
    store(memory(1), memory(2, session_id="gone"))
    memtrace("export", "--org", ACME, "--out", "x.jsonl")
    with workshop(database, ManualClock()) as shop:
        shop.database.writer.execute(
            """INSERT INTO deletions (id, org_id, requested_at, state, exclusion)
               VALUES ('d', ?, 1, 'closed', ?)""",
            (OTHER, f'{{"until":{T0 + 10},"session_id":"gone"}}'),
        )
    told = memtrace("import", "x.jsonl", "--org", OTHER)
    assert told == "1 memories imported\n1 had been deleted, and stay so\n"
