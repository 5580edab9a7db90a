"""`memtrace backup` and `restore` as a person calls them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.model.backup import ArchivedFile, Comparison, DatabaseCounts, Difference, Manifest, Named, Restored
from core.model.memory import OrgId
from handlers.cli import restore as restoring
from handlers.cli.main import run
from handlers.holding import Holder, held
from tests.unit.test_cli_commands import (  # noqa: F401  fixtures
    Memtrace,
    database,
    memtrace,
    refused,
    untouched_logging,
)

Refused = Callable[..., str]


def test_a_backup_says_what_is_in_it_and_what_is_not(memtrace: Memtrace, tmp_path: Path) -> None:  # noqa: F811
    memtrace("org", "create", "Acme")
    told = memtrace("backup", "b.tar")
    assert told.startswith("wrote b.tar: made ")
    assert "1 organizations, 0 memories in the journal, 0 files of stores (0 bytes)" in told
    assert "The master key is not in it" in told
    assert memtrace("backup", "--check", "b.tar").startswith("b.tar is whole: made ")


def test_scripts_get_the_manifest_without_its_files(memtrace: Memtrace) -> None:  # noqa: F811
    org = memtrace("org", "create", "Acme", "--json")["id"]
    memtrace("org", "add-arc", org, "--url", "https://arc.example", "--api-key", "k" * 32)
    told = memtrace("backup", "b.tar", "--json")
    assert told["orgs"] == [
        {"org_id": org, "name": "Acme", "store": "elsewhere", "url": "https://arc.example"}
    ]
    assert told == memtrace("backup", "--check", "b.tar", "--json")
    assert f"not in it: the memories of {org}, which an Arc keeps" in memtrace("backup", "c.tar")
    assert f"not touched: the memories of {org}" in memtrace("restore", "b.tar", "--yes")


def test_a_file_that_is_there_needs_force(memtrace: Memtrace, refused: Refused) -> None:  # noqa: F811
    memtrace("org", "create", "Acme")
    memtrace("backup", "b.tar")
    assert refused("backup", "b.tar").startswith("b.tar is there already")
    memtrace("backup", "b.tar", "--force")


def test_without_a_database_there_is_nothing_to_copy(refused: Refused) -> None:  # noqa: F811
    assert "there is no database" in refused("backup", "b.tar")


def test_standard_output_takes_the_archive_and_nothing_else(
    memtrace: Memtrace,  # noqa: F811
    refused: Refused,  # noqa: F811
    tmp_path: Path,
) -> None:
    memtrace("org", "create", "Acme")
    assert "standard output" in refused("backup", "-", "--json")
    done = subprocess.run(
        [sys.executable, "-m", "memtrace_server", "backup", "-"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        capture_output=True,
        check=True,
    )
    (tmp_path / "piped.tar").write_bytes(done.stdout)
    assert b"wrote -" in done.stderr
    assert "piped.tar is whole" in memtrace("backup", "--check", "piped.tar")
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".memtrace-")] == []


def test_a_restore_asks_before_it_takes_the_place_of_anything(
    memtrace: Memtrace,  # noqa: F811
    refused: Refused,  # noqa: F811
    database: Path,  # noqa: F811
) -> None:
    memtrace("org", "create", "Acme")
    memtrace("backup", "b.tar")
    assert refused("restore", "b.tar").startswith("nothing was restored: not confirmed")
    told = memtrace("restore", "b.tar", "--yes")
    assert told.startswith(f"restored {database}")
    assert f"the database that was there is now {database}.before-restore-" in told
    assert "nothing differs from the database that was there" in told


def test_a_fresh_place_is_made_without_asking(memtrace: Memtrace, tmp_path: Path) -> None:  # noqa: F811
    org = memtrace("org", "create", "Acme", "--json")["id"]
    memtrace("org", "add-arc", org, "--url", f"file:{tmp_path}/store")
    memtrace("backup", "b.tar")
    told = memtrace("restore", "b.tar", "--db-path", "new/memtrace.db", "--store-root", "new/store")
    assert f"store {tmp_path}/new/store, which was {tmp_path}/store" in told
    assert "Keys that were revoked since the backup are valid again" in told
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_deployment_on_dynamodb_gets_no_file_that_nobody_would_read(
    memtrace: Memtrace,  # noqa: F811
    refused: Refused,  # noqa: F811
    database: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memtrace("org", "create", "Acme")
    memtrace("backup", "b.tar")
    before = database.read_bytes()
    monkeypatch.setenv("MEMTRACE_METADATA_BACKEND", "dynamodb")
    monkeypatch.setenv("MEMTRACE_DYNAMODB_TABLE", "memtrace")
    assert "are in DynamoDB" in refused("restore", "b.tar", "--yes")
    assert database.read_bytes() == before
    memtrace("restore", "b.tar", "--db-path", str(tmp_path / "named.db"))


def test_what_comes_back_is_said(memtrace: Memtrace) -> None:  # noqa: F811
    org = memtrace("org", "create", "Acme", "--json")["id"]
    key = memtrace("key", "create", "--org", org, "--name", "ci", "--json")["id"]
    memtrace("backup", "b.tar")
    memtrace("key", "revoke", str(key))
    told = memtrace("restore", "b.tar", "--yes")
    assert f"1 API keys are valid again that had been revoked: {key} (ci) of {org}" in told
    (row,) = memtrace("key", "list", "--org", org, "--json")
    assert row["state"] == "valid"


def test_scripts_get_what_was_done(memtrace: Memtrace) -> None:  # noqa: F811
    memtrace("org", "create", "Acme")
    memtrace("backup", "b.tar")
    done = memtrace("restore", "b.tar", "--yes", "--json")
    assert done["compared"]["revived_keys"] == {"count": 0, "first": []}
    assert done["manifest"]["counts"]["orgs"] == 1


def test_an_installation_that_is_served_is_left_alone(
    memtrace: Memtrace,  # noqa: F811
    refused: Refused,  # noqa: F811
    database: Path,  # noqa: F811
) -> None:
    memtrace("org", "create", "Acme")
    memtrace("backup", "b.tar")
    with held(database) as claim:
        claim.tell(Holder(pid=os.getpid(), host="127.0.0.1", port=9100, started_at=""))
        assert "is served (http://127.0.0.1:9100" in refused("restore", "b.tar", "--yes")


def test_words_for_everything_that_a_restore_may_meet(capsys: pytest.CaptureFixture[str]) -> None:
    many = Difference(21, [Named("org_1", f"sess_{n}", "crawler\x1b[31m") for n in range(20)])
    restored = Restored(
        manifest=Manifest(
            format=1,
            memtrace="0.3.0",
            made_at=0,
            migrations=[],
            database=ArchivedFile("memtrace.db", 0, ""),
            counts=DatabaseCounts(),
            orgs=[],
            places=[],
        ),
        database="/d",
        aside=None,
        roots={},
        files=0,
        replaced=["/store/x.parquet.replaced-1"],
        unopened=[OrgId("org_1")],
        compared=Comparison(lost_sessions=many, lost_memories=3, repeated_deletions=2),
    )
    restoring._tell(restored)
    told = capsys.readouterr().out
    assert "kept as /store/x.parquet.replaced-1" in told
    assert "`memtrace org add-arc org_1`" in told
    assert "21 sessions are not known any more" in told
    assert ", …" in told
    assert "\x1b" not in told
    assert "3 memories that no store had yet" in told
    assert "2 deletions made since are in force again" in told


def test_a_database_that_could_not_be_read_is_said(
    memtrace: Memtrace,  # noqa: F811
    database: Path,  # noqa: F811
) -> None:
    memtrace("org", "create", "Acme")
    memtrace("backup", "b.tar")
    database.write_text("no database" * 1000)
    assert "could not be read" in memtrace("restore", "b.tar", "--yes")


def test_a_bar_is_drawn_where_a_person_looks(
    memtrace: Memtrace,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    memtrace("org", "create", "Acme")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert run(["backup", "b.tar"]) == 0
    assert run(["backup", "--check", "b.tar"]) == 0
    assert "b.tar is whole" in capsys.readouterr().out
