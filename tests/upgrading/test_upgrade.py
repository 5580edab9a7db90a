"""Upgrading a database in place: whose turn it is, the copy that is kept, and what refuses it."""

import contextlib
import os
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from core.adapters.sqlite import upgrading
from core.adapters.sqlite.migrate import FOLDER, names_in
from core.adapters.sqlite.upgrading import upgrade
from core.model.errors import DatabaseError, HeldByOther, MasterKeyError
from core.model.tenant import SealedBinding
from tests import original
from tests.e2e.installation import ROOT, environment
from tests.original import built

ALL: Final = names_in(FOLDER)
NOW: Final = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
NAME: Final = "memtrace.db.before-0001_metadata-20261121T070000Z"
NOBODY: Final = 65_534


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return original.copied_to(tmp_path)


def dumped(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def is_untouched(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("SELECT created_at FROM organizations").fetchone() == (original.AT,))


def copies(path: Path) -> list[str]:
    return sorted(p.name for p in path.parent.iterdir() if ".before-" in p.name)


# --- the copy


def test_the_database_is_kept_as_it_was(file: Path) -> None:
    before = dumped(file)
    done = upgrade(file, NOW)
    assert done.applied == ALL
    assert done.copy == file.with_name(NAME)
    assert dumped(done.copy) == before
    assert copies(file) == [NAME]


def test_the_copy_is_one_file_for_its_owner_alone(file: Path) -> None:
    copy = upgrade(file, NOW).copy
    assert copy is not None
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert copy.read_bytes()[18:20] == b"\x01\x01"  # no log belongs to it


def test_what_is_only_in_the_log_is_in_the_copy(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    with built(tmp_path / "made") as made:
        made.run("PRAGMA wal_checkpoint(TRUNCATE)")
        made.org("org_a", created=original.AT)
        for name in ("memtrace.db", "memtrace.db-wal"):
            shutil.copyfile(made.path.with_name(name), tmp_path / name)
    copy = upgrade(tmp_path / "memtrace.db", NOW).copy
    assert copy is not None
    assert is_untouched(copy)


def test_a_second_upgrade_keeps_nothing(file: Path) -> None:
    upgrade(file, NOW)
    assert upgrade(file, NOW) == upgrading.Upgraded([], None)


def test_a_new_database_has_no_copy(tmp_path: Path) -> None:
    assert upgrade(tmp_path / "memtrace.db", NOW) == upgrading.Upgraded(ALL, None)


def test_an_upgrade_of_our_own_database_keeps_a_copy_too(tmp_path: Path) -> None:
    path, folder = tmp_path / "memtrace.db", tmp_path / "older"
    folder.mkdir()
    for name in ALL[:2]:
        shutil.copyfile(FOLDER / f"{name}.sql", folder / f"{name}.sql")
    upgrade(path, NOW, folder=folder)
    done = upgrade(path, NOW)
    assert done.applied == ALL[2:]
    assert copies(path) == [f"memtrace.db.before-{ALL[2]}-20261121T070000Z"]


def test_a_copy_never_replaces_another(file: Path) -> None:
    file.with_name(NAME).write_text("an earlier one")
    assert upgrade(file, NOW).copy == file.with_name(f"{NAME}-2")
    assert file.with_name(NAME).read_text() == "an earlier one"


def test_the_copy_goes_where_it_is_told(file: Path, tmp_path: Path) -> None:
    copy = upgrade(file, NOW, copy_folder=tmp_path / "new" / "folder").copy
    assert copy == tmp_path / "new" / "folder" / NAME


def test_no_copy_is_made_where_none_is_wanted(file: Path) -> None:
    assert upgrade(file, NOW, keep_copy=False).copy is None
    assert copies(file) == []


def test_what_a_killed_copy_left_is_removed(file: Path) -> None:
    left = file.with_name(f"{NAME}.part")
    left.write_text("half")
    upgrade(file, NOW)
    assert not left.exists()


def test_a_name_of_any_characters_is_taken_literally(tmp_path: Path) -> None:
    path = tmp_path / "m[1]*?.db"
    shutil.copyfile(original.FOLDER / "memtrace.db", path)
    copy = upgrade(path, NOW).copy
    assert copy is not None
    assert copy.name.startswith("m[1]*?.db.before-")


def test_what_everybody_could_read_only_its_group_can(file: Path) -> None:
    file.chmod(0o644)
    upgrade(file, NOW)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_what_everybody_could_write_stays_so(file: Path) -> None:
    file.chmod(0o666)
    upgrade(file, NOW)
    assert stat.S_IMODE(file.stat().st_mode) == 0o666


def test_what_was_deleted_is_not_in_the_copy(tmp_path: Path) -> None:
    with built(tmp_path) as made:
        made.run("PRAGMA secure_delete=OFF")
        made.org("org_a", created=original.AT)
        for number in range(100):
            made.agent("org_a", f"agent_{number}", description="forgotten " * 200)
        made.run("DELETE FROM agents WHERE id != 'agent_7'")
        made.run("PRAGMA wal_checkpoint(TRUNCATE)")
    path = tmp_path / "memtrace.db"
    assert path.read_bytes().count(b"forgotten") > 10_000
    copy = upgrade(path, NOW).copy
    assert copy is not None
    assert copy.read_bytes().count(b"forgotten") == 200
    assert is_untouched(copy)


def test_a_database_of_before_there_were_bindings_has_none_to_approve(tmp_path: Path) -> None:
    with built(tmp_path) as made:
        made.run("DROP TABLE arc_instances")
    seen: list[object] = []
    upgrade(tmp_path / "memtrace.db", NOW, approve=seen.append)
    assert seen == [[]]


# --- what refuses it, and then leaves everything as it was


def test_a_database_that_somebody_has_open_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrading, "_TRIES", 2)
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM agents').fetchall();"
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(HeldByOther, match="in use by another process"):
            upgrade(file, NOW)
        other.communicate()
    assert is_untouched(file)
    assert copies(file) == []
    assert upgrade(file, NOW).applied == ALL


def test_no_room_for_the_copy_refuses_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrading, "SPARE", 1 << 60)
    with pytest.raises(DatabaseError, match=r"needs \d+ MB at .*, and \d+ MB are free") as raised:
        upgrade(file, NOW)
    assert "--copy-to" in (raised.value.hint or "")
    assert is_untouched(file)
    assert copies(file) == []


def test_a_damaged_database_is_refused(file: Path) -> None:
    with file.open("r+b") as raw:
        raw.seek(4096)
        raw.write(b"\xff" * 20_000)
    before = file.read_bytes()[100:]
    with pytest.raises(DatabaseError):
        upgrade(file, NOW)
    assert file.read_bytes()[100:] == before
    assert copies(file) == []


def test_an_index_that_lies_is_damage(tmp_path: Path) -> None:
    with built(tmp_path) as made:
        for number in range(3):
            made.org(f"org_{number}")
            made.agent(f"org_{number}", f"agent_{number}")
        made.run("PRAGMA writable_schema=ON")
        made.run(
            "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name ="
            " 'idx_sessions_org') WHERE name = 'idx_agents_org'"
        )
    with pytest.raises(DatabaseError, match="damaged"):
        upgrade(tmp_path / "memtrace.db", NOW)
    assert copies(tmp_path / "memtrace.db") == []


def test_a_migration_that_fails_takes_its_copy_along(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE ledger (mine TEXT)")
    with pytest.raises(DatabaseError, match="ledger already exists"):
        upgrade(file, NOW)
    assert is_untouched(file)
    assert copies(file) == []


def test_a_place_for_the_copy_that_is_none_refuses_it(file: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(DatabaseError, match="no copy of the database could be made"):
        upgrade(file, NOW, copy_folder=tmp_path / "taken")
    assert is_untouched(file)


def test_bindings_that_are_not_approved_refuse_it(file: Path) -> None:
    def refuse(bindings: list[SealedBinding]) -> None:
        raise MasterKeyError(", ".join(sorted(binding.org_id for binding in bindings)))

    with pytest.raises(MasterKeyError, match=f"org_default, {original.ACME}"):
        upgrade(file, NOW, approve=refuse)
    assert is_untouched(file)
    assert copies(file) == []


def test_a_lock_that_cannot_be_made_refuses_it(file: Path) -> None:
    file.with_name("memtrace.db.turn").mkdir()
    with pytest.raises(DatabaseError, match=r"memtrace.db.turn cannot be made or used"):
        upgrade(file, NOW)
    assert is_untouched(file)


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's rights, where the tests have them."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that another user can reach."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize(("folder", "file_mode"), [(0o555, 0o666), (0o777, 0o444)])
def test_what_may_not_be_written_is_refused(shared: Path, folder: int, file_mode: int) -> None:
    path = original.copied_to(shared)
    path.chmod(file_mode)
    shared.chmod(folder)
    with as_nobody(), pytest.raises(DatabaseError, match="may not be written by this user"):
        upgrade(path, NOW)
    shared.chmod(0o755)
    assert is_untouched(path)
    assert copies(path) == []


def test_what_root_makes_belongs_to_the_databases_owner(shared: Path) -> None:
    """Where the tests are not root's, all is the user's own in any case."""
    path = original.copied_to(shared)
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    upgrade(path, NOW)
    assert {p.stat().st_uid for p in shared.iterdir()} == {path.stat().st_uid}


@pytest.mark.parametrize(
    ("megabytes", "words"), [(1, "no copy of the database could be made"), (6, "cannot be used")]
)
def test_a_disk_that_fills_up_refuses_it(tmp_path: Path, megabytes: int, words: str) -> None:
    """Files may not grow beyond this: with the smaller one the copy fails, with the larger the migration."""
    with built(tmp_path) as made:
        made.org("org_a", created=original.AT)
        made.run("BEGIN")
        for number in range(20_000):
            made.session("org_a", f"sess_{number}", metadata_json='{"text": "' + "x" * 60 + '"}')
        made.run("COMMIT")
    path = tmp_path / "memtrace.db"
    assert 3 << 20 < path.stat().st_size < 6 << 20
    script = (
        "import sys; from datetime import datetime, UTC; from pathlib import Path\n"
        "from core.adapters.sqlite.upgrading import upgrade\n"
        "from core.model.errors import DatabaseError\n"
        "try: upgrade(Path(sys.argv[1]), datetime.now(UTC))\n"
        "except DatabaseError as e: print(e.message)"
    )
    limit = megabytes << 20
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert words in done.stdout
    assert is_untouched(path)
    assert copies(path) == []


def test_a_large_database_takes_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    with built(tmp_path) as made:
        made.org("org_a")
        made.run("BEGIN")
        for number in range(150_000):
            made.session("org_a", f"sess_{number:024x}", metadata_json='{"text": "' + "x" * 300 + '"}')
        made.run("COMMIT")
    assert made.path.stat().st_size > 60 << 20
    script = (
        "import re, sys; from datetime import datetime, UTC; from pathlib import Path\n"
        "from core.adapters.sqlite.upgrading import upgrade\n"
        "upgrade(Path(sys.argv[1]), datetime.now(UTC))\n"
        "print(int(re.search('VmHWM: *\\t *([0-9]+)', Path('/proc/self/status').read_text())[1]) // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(made.path)],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 80
