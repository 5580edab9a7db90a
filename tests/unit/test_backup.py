"""Backups and restores of a whole installation, in one process."""

import io
import os
import shutil
import stat
import tarfile
from pathlib import Path

import msgspec
import pytest

from core.adapters.archive.workspace import workspace
from core.adapters.archive.writing import TarWriter
from core.adapters.events import copying
from core.bootstrap.backup import check_backup, write_backup
from core.model.backup import DATABASE, Comparison, Named, decode_manifest, encode_manifest, roots_under
from core.model.errors import BackupUnusable, DatabaseError, HeldByOther, MasterKeyError, StoreUnreachable
from tests import original
from tests.contract.journals import ACME, OTHER
from tests.unit.backup_rig import OTHER_KEY, Installation, hour, ignored, run


@pytest.fixture
def old(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "old").make()


@pytest.fixture
def fresh(tmp_path: Path) -> Installation:
    installation = Installation(tmp_path / "fresh")
    installation.folder.mkdir()
    return installation


# --- making one


def test_a_backup_is_an_ordinary_tar_that_only_its_owner_reads(old: Installation) -> None:
    old.store(*hour(1, 2))
    archive = old.backup()
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    assert names[0] == DATABASE
    assert names[-2:] == ["manifest.json", "checksum.sha256"]
    assert [name.partition("/2026/")[0] for name in names[1:-2]] == ["stores/0/db/events"]


def test_the_manifest_tells_what_is_in_it_and_what_is_not(old: Installation) -> None:
    old.bind("https://arc.example", OTHER)
    old.write("waits", "waits too")
    old.store(*hour(1))
    manifest = old.manifest()
    assert (manifest.counts.orgs, manifest.counts.unsettled, manifest.counts.bindings) == (2, 2, 2)
    assert {org.org_id: org.store for org in manifest.orgs} == {ACME: "included", OTHER: "elsewhere"}
    assert [org.org_id for org in manifest.elsewhere()] == [OTHER]
    assert (manifest.stored_files, manifest.places[0].root) == (1, str(old.root))
    assert "0002_journal" in manifest.migrations


def test_a_backup_never_holds_the_master_key(old: Installation) -> None:
    content = old.backup().read_bytes()
    assert b"k" * 32 not in content
    assert old.master_key.encode() not in content


def test_what_was_deleted_from_the_database_is_not_in_its_copy(old: Installation) -> None:
    old.write("a very secret text")
    old.run("DELETE FROM journal")
    assert b"a very secret text" not in old.backup().read_bytes()


def test_a_file_that_is_there_is_not_replaced_unasked(old: Installation) -> None:
    archive = old.backup()
    archive.write_text("precious")
    with pytest.raises(BackupUnusable, match="is there already"):
        write_backup(old.settings, archive, replace=False, seen=ignored)
    assert archive.read_text() == "precious"


def test_a_folder_is_no_place_for_an_archive(old: Installation, tmp_path: Path) -> None:
    with pytest.raises(BackupUnusable, match="is a folder"):
        write_backup(old.settings, tmp_path, replace=True, seen=ignored)


def test_a_folder_that_is_not_there_is_said(old: Installation, tmp_path: Path) -> None:
    with pytest.raises(BackupUnusable, match="cannot be written"):
        write_backup(old.settings, tmp_path / "none" / "b.tar", replace=False, seen=ignored)


def test_a_store_that_is_away_fails_the_backup_and_leaves_nothing(old: Installation, tmp_path: Path) -> None:
    old.root.rmdir()
    with pytest.raises(StoreUnreachable):
        old.backup()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old"]


def test_what_a_killed_backup_left_goes_with_the_next_one(old: Installation, tmp_path: Path) -> None:
    left = tmp_path / ".memtrace-left"
    left.mkdir()
    (left / "copy.db").write_text("somebody's memories")
    old.backup()
    assert not left.exists()


def test_orgs_that_share_a_place_share_its_files(old: Installation) -> None:
    old.bind(f"file:{old.root}", OTHER)
    old.store(*hour(1))
    assert [len(place.files) for place in old.manifest().places] == [1]


def test_a_database_of_an_older_version_is_copied_as_it_is(tmp_path: Path) -> None:
    old = Installation(tmp_path / "old")
    old.folder.mkdir()
    original.copied_to(old.folder)
    manifest = old.manifest()
    assert manifest.migrations == []
    assert (manifest.counts.orgs, manifest.counts.keys, manifest.counts.bindings) == (3, 4, 2)
    assert {org.store for org in manifest.orgs} == {"elsewhere", "none"}
    assert check_backup(tmp_path / "backup.tar", ignored) == manifest


# --- restoring


def test_a_fresh_machine_gets_all_of_it(old: Installation, fresh: Installation) -> None:
    old.write("waits")
    old.store(*hour(1, 2, 3))
    restored = fresh.restore(old.backup(), store_root=fresh.root)
    assert fresh.contents == ["waits"]
    assert fresh.stored() == ["memory 1", "memory 2", "memory 3"]
    assert fresh.run("SELECT url FROM arc_instances") == [(f"file:{fresh.root}",)]
    assert (restored.aside, restored.compared, restored.files) == (None, None, 1)
    assert stat.S_IMODE(fresh.database.stat().st_mode) == 0o600


def test_without_another_root_the_stores_are_filled_where_they_were(old: Installation) -> None:
    old.store(*hour(1, 2))
    archive = old.backup()
    lost = next(old.root.rglob("*.parquet"))
    lost.unlink()
    assert old.stored() == []
    assert old.restore(archive).files == 1
    assert old.stored() == ["memory 1", "memory 2"]


def test_the_database_that_was_there_is_kept_aside(old: Installation) -> None:
    old.write("then")
    archive = old.backup()
    old.write("since")
    restored = old.restore(archive)
    assert old.contents == ["then"]
    assert restored.aside is not None
    assert run(Path(restored.aside), "SELECT count(*) FROM journal") == [(2,)]
    assert restored.compared is not None
    assert restored.compared.lost_memories == 1


def test_two_restores_in_one_second_keep_both_databases(
    old: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = old.backup()
    asides = {old.restore(archive).aside for _ in range(3)}
    assert len(asides) == 3
    assert all(Path(str(aside)).exists() for aside in asides)


def test_memories_stored_since_stay_and_none_is_shown_twice(old: Installation) -> None:
    old.store(*hour(1, 2))
    archive = old.backup()
    old.store(*hour(3))
    assert old.restore(archive).files == 0
    assert old.stored() == ["memory 1", "memory 2", "memory 3"]


def test_a_damaged_file_of_a_store_is_replaced_and_kept_beside(old: Installation) -> None:
    old.store(*hour(1))
    archive = old.backup()
    damaged = next(old.root.rglob("*.parquet"))
    damaged.write_bytes(b"PAR1 nonsense")
    restored = old.restore(archive)
    (beside,) = restored.replaced
    assert Path(beside).read_bytes() == b"PAR1 nonsense"
    assert old.stored() == ["memory 1"]


def test_several_stores_get_a_folder_each(old: Installation, fresh: Installation, tmp_path: Path) -> None:
    old.store(*hour(1))
    second = tmp_path / "elsewhere" / "store"
    second.mkdir(parents=True)
    old.bind(f"file:{second}", OTHER)
    fresh.restore(old.backup(), store_root=fresh.root)
    urls = dict(fresh.run("SELECT org_id, url FROM arc_instances"))
    assert sorted(urls.values()) == [f"file:{fresh.root}/store", f"file:{fresh.root}/store-2"]
    assert fresh.stored(Path(urls[ACME].removeprefix("file:"))) == ["memory 1"]


def test_another_master_key_is_refused_before_anything_changes(
    old: Installation, fresh: Installation
) -> None:
    archive = old.backup()
    fresh.master_key = OTHER_KEY
    with pytest.raises(MasterKeyError, match=ACME):
        fresh.restore(archive, store_root=fresh.root)
    assert list(fresh.folder.iterdir()) == []


def test_another_master_key_can_be_insisted_on(old: Installation, fresh: Installation) -> None:
    archive = old.backup()
    fresh.master_key = OTHER_KEY
    assert fresh.restore(archive, store_root=fresh.root, any_key=True).unopened == [ACME]


def test_a_database_that_anybody_has_open_is_left_alone(old: Installation) -> None:
    archive = old.backup()
    with old.shop(), pytest.raises(HeldByOther, match="in use by another process"):
        old.restore(archive)
    assert old.contents == []


@pytest.mark.parametrize("kind", ["wal", "journal"])
def test_a_database_that_cannot_be_read_gives_way(old: Installation, kind: str) -> None:
    old.write("then")
    archive = old.backup()
    old.database.write_bytes(b"not a database, not at all" * 1000)
    log = old.database.with_name(f"memtrace.db-{kind}")
    log.write_bytes(b"a log of who knows what")
    restored = old.restore(archive)
    assert restored.unreadable
    assert not log.exists()
    assert Path(f"{restored.aside}-{kind}").read_bytes() == b"a log of who knows what"
    assert old.contents == ["then"]


def test_a_log_without_its_database_is_not_taken_for_the_new_one_s(
    old: Installation, fresh: Installation
) -> None:
    archive = old.backup()
    fresh.database.with_name("memtrace.db-wal").write_bytes(b"of nobody")
    fresh.restore(archive, store_root=fresh.root)
    assert not fresh.database.with_name("memtrace.db-wal").exists()


def test_a_backup_of_a_newer_memtrace_is_refused(old: Installation, fresh: Installation) -> None:
    old.run("INSERT INTO _yoyo_migration (migration_hash, migration_id) VALUES ('h', '9999_future')")
    with pytest.raises(BackupUnusable, match="newer Memtrace: 9999_future"):
        fresh.restore(old.backup(), store_root=fresh.root)
    assert list(fresh.folder.iterdir()) == []


def test_a_backup_of_an_older_memtrace_is_brought_up_to_date(tmp_path: Path, fresh: Installation) -> None:
    old = Installation(tmp_path / "old")
    old.folder.mkdir()
    original.copied_to(old.folder)
    fresh.master_key = original.MASTER_KEY
    assert fresh.restore(old.backup()).unopened == []
    assert fresh.run("SELECT count(*) FROM journal") == [(0,)]
    assert fresh.run("SELECT count(*) FROM api_keys WHERE enabled = 1") == [(4,)]


def test_nobody_flushes_or_moves_in_what_was_restored(old: Installation, fresh: Installation) -> None:
    old.run("INSERT INTO leases VALUES ('flusher', 'far:1', 7, 9e15)")
    old.run("INSERT INTO moves VALUES (?, 'token', 9e15)", ACME)
    fresh.restore(old.backup(), store_root=fresh.root)
    assert fresh.run("SELECT owner, fence, expires_at FROM leases") == [("", 7, 0)]
    assert fresh.run("SELECT * FROM moves") == []


def test_a_store_that_is_newer_than_the_database_is_asked_for_everything(
    old: Installation, fresh: Installation
) -> None:
    old.write("waits")
    (before,) = old.run("SELECT settled_through FROM ledger WHERE org_no > 0")
    fresh.restore(old.backup(), store_root=fresh.root)
    (after,) = fresh.run("SELECT settled_through FROM ledger WHERE org_no > 0")
    assert after > before


def test_there_must_be_room_for_the_files(
    old: Installation, fresh: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    old.store(*hour(1))
    archive = old.backup()
    monkeypatch.setattr(copying, "_SPARE", 1 << 60)
    with pytest.raises(StoreUnreachable, match="no room"):
        fresh.restore(archive, store_root=fresh.root)
    assert not fresh.database.exists()


def test_there_must_be_room_for_the_database(
    old: Installation, fresh: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = old.backup()

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(DatabaseError, match=r"staged\.db cannot be written: No space left"):
        fresh.restore(archive, store_root=fresh.root)
    assert list(fresh.folder.iterdir()) == []


# --- what comes back


def test_what_a_restore_brings_back_and_what_it_loses_is_said(old: Installation) -> None:
    old.run(
        "INSERT INTO api_keys (id, key_hash, key_prefix, name, org_id) VALUES (1, 'h', 'p', 'ci', ?)", ACME
    )
    old.run("INSERT INTO agents (id, org_id, name) VALUES ('agent_1', ?, 'crawler')", ACME)
    old.run("INSERT INTO sessions (id, org_id, agent_id) VALUES ('sess_1', ?, 'crawler')", ACME)
    archive = old.backup()
    old.run("UPDATE api_keys SET enabled = 0")
    old.run(
        "INSERT INTO api_keys (id, key_hash, key_prefix, name, org_id) VALUES (2, 'i', 'q', 'new', ?)", ACME
    )
    old.run("DELETE FROM agents")
    old.run("UPDATE sessions SET status = 'closed'")
    old.run("INSERT INTO sessions (id, org_id, agent_id) VALUES ('sess_2', ?, 'crawler')", ACME)
    old.run("UPDATE arc_instances SET database = 'db2'")
    old.run("DELETE FROM organizations WHERE id = ?", OTHER)
    compared = old.restore(archive).compared
    assert compared is not None
    assert compared.revived_keys.first == [Named(ACME, "1", "ci")]
    assert compared.revived_agents.first == [Named(ACME, "agent_1", "crawler")]
    assert compared.revived_sessions.first == [Named(ACME, "sess_1", "crawler")]
    assert compared.revived_orgs.first == [Named(OTHER, OTHER, "other")]
    assert [one.org_id for one in compared.changed_bindings.first] == [ACME]
    assert compared.lost_keys.first == [Named(ACME, "2", "new")]
    assert compared.lost_sessions.first == [Named(ACME, "sess_2", "crawler")]
    assert (compared.lost_orgs.count, compared.lost_agents.count) == (0, 0)


def test_where_nothing_changed_nothing_differs(old: Installation) -> None:
    old.write("waits")
    compared = old.restore(old.backup()).compared
    assert compared is not None
    assert not compared.differs


def test_only_the_first_of_many_are_named(old: Installation) -> None:
    archive = old.backup()
    for number in range(25):
        old.run(
            "INSERT INTO agents (id, org_id, name) VALUES (?, ?, ?)", f"agent_{number}", ACME, str(number)
        )
    compared = old.restore(archive).compared
    assert compared is not None
    assert (compared.lost_agents.count, len(compared.lost_agents.first)) == (25, 20)


_DELETION = "INSERT INTO deletions (id, org_id, requested_at, state, exclusion) VALUES (?, ?, 1, ?, ?)"


def test_deletions_made_since_are_in_force_again_and_to_be_carried_out(old: Installation) -> None:
    old.write("waits")
    old.run(_DELETION, "del_before", ACME, "closed", '{"until":1}')
    archive = old.backup()
    old.run(_DELETION, "del_since", ACME, "closed", '{"until":9000000000000000}')
    compared = old.restore(archive).compared
    assert compared is not None
    assert compared.repeated_deletions == 1
    states = old.run("SELECT id, state, due_at > 0 FROM deletions ORDER BY id")
    assert states == [("del_before", "closed", None), ("del_since", "pending", 1)]
    found = old.run("SELECT deletions_version > 0, stamped_through FROM ledger WHERE org_id = ?", ACME)
    assert found == [(1, 9_000_000_000_000_000 - 1)]


def test_deletions_of_an_org_that_the_backup_does_not_know_are_left_out(old: Installation) -> None:
    archive = old.backup()
    old.run("INSERT INTO organizations (id, name) VALUES ('org_new', 'new')")
    old.run(_DELETION, "del_new", "org_new", "pending", '{"until":1}')
    compared = old.restore(archive).compared
    assert compared is not None
    assert compared.repeated_deletions == 0
    assert old.run("SELECT count(*) FROM deletions") == [(0,)]


def test_a_graved_memory_of_an_org_that_never_wrote_is_hidden_after_a_restore(old: Installation) -> None:
    archive = old.backup()
    old.run(
        "INSERT INTO deletions (id, org_id, requested_at, time, key) VALUES ('del_1', ?, 1, 5, x'00')", ACME
    )
    old.restore(archive)
    assert old.run("SELECT deletions_version > 0 FROM ledger WHERE org_id = ?", ACME) == [(1,)]


def test_a_deletion_that_grew_since_covers_what_it_covered_last(old: Installation) -> None:
    old.run(_DELETION, "del_rolling", ACME, "pending", '{"until":1}')
    archive = old.backup()
    old.run("""UPDATE deletions SET exclusion = '{"until":5}', state = 'removed'""")
    old.restore(archive)
    assert old.run("SELECT exclusion, state FROM deletions") == [('{"until":5}', "pending")]


# --- damage


def test_every_damaged_byte_is_noticed_or_harmless(old: Installation, tmp_path: Path) -> None:
    old.write("waits")
    old.store(*hour(1, 2))
    archive = old.backup()
    content = bytearray(archive.read_bytes())
    whole = check_backup(archive, ignored)
    damaged = tmp_path / "damaged.tar"
    for at in [
        *range(0, 1024, 37),
        *range(1024, len(content), 4_999),
        *range(len(content) - 11_000, len(content), 97),
    ]:
        content[at] ^= 0x10
        damaged.write_bytes(content)
        try:
            unnoticed = check_backup(damaged, ignored) == whole
        except BackupUnusable:
            unnoticed = False
        # Only what surrounds the checksum itself is covered by nothing, and says nothing.
        assert not unnoticed or at >= content.rindex(b"checksum.sha256"), at
        content[at] ^= 0x10


def test_an_archive_that_ends_early_is_refused_wherever_it_ends(old: Installation, tmp_path: Path) -> None:
    old.store(*hour(1))
    content = old.backup().read_bytes()
    cut = tmp_path / "cut.tar"
    for length in [0, 1, 511, 512, 700, 10_240, len(content) // 2, len(content) - 12_000]:
        cut.write_bytes(content[:length])
        with pytest.raises(BackupUnusable):
            check_backup(cut, ignored)


def test_the_damaged_member_is_named(old: Installation, fresh: Installation) -> None:
    old.store(*hour(1))
    archive = old.backup()
    content = bytearray(archive.read_bytes())
    content[content.index(b"PAR1") + 100] ^= 1
    archive.write_bytes(content)
    with pytest.raises(BackupUnusable, match=r"stores/0/.*\.parquet is not what was written"):
        fresh.restore(archive, store_root=fresh.root)
    assert list(fresh.folder.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"hello", bytes(20_480)], ids=["empty", "text", "zeros"])
def test_what_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    with pytest.raises(BackupUnusable, match="is not a backup"):
        check_backup(path, ignored)


def test_a_tar_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("etc/passwd")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"root"))
    with pytest.raises(BackupUnusable, match="is not a backup"):
        check_backup(path, ignored)


def test_a_tar_with_anything_but_files_in_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        link = tarfile.TarInfo("memtrace.db")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(BackupUnusable, match="is not a backup"):
        check_backup(path, ignored)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BackupUnusable, match="cannot be read: No such file"):
        check_backup(tmp_path / "none.tar", ignored)


def test_content_that_shrinks_while_it_is_copied_is_not_archived(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file, pytest.raises(BackupUnusable, match="became shorter"):
        TarWriter(file, tmp_path / "x", 0).add("a", 10, io.BytesIO(b"only"))


def test_a_disk_that_takes_no_more_is_said(tmp_path: Path) -> None:
    with (
        open("/dev/full", "wb", buffering=0) as file,
        pytest.raises(BackupUnusable, match="No space left"),
    ):
        TarWriter(file, tmp_path / "x", 0).add("a", 1, io.BytesIO(b"x"))


def test_the_folder_of_a_backup_under_way_is_left_alone(tmp_path: Path) -> None:
    with workspace(tmp_path / "a") as first, workspace(tmp_path / "b") as second:
        assert first.exists()
        assert second.exists()
    assert list(tmp_path.iterdir()) == []


# --- other databases in the way


def test_a_database_that_was_never_brought_up_to_date_gives_way(old: Installation, tmp_path: Path) -> None:
    archive = old.backup()
    old.database.unlink()
    original.copied_to(old.folder)
    compared = old.restore(archive).compared
    assert compared is not None
    assert (compared.revived_orgs.count, compared.lost_orgs.count, compared.lost_memories) == (2, 3, 0)


def test_a_database_of_something_else_gives_way(old: Installation) -> None:
    archive = old.backup()
    old.database.unlink()
    run(old.database, "CREATE TABLE recipes (name TEXT)")
    restored = old.restore(archive)
    assert restored.compared == Comparison()
    assert run(Path(str(restored.aside)), "SELECT count(*) FROM recipes") == [(0,)]


def test_without_hard_links_nothing_is_changed(old: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    old.write("then")
    archive = old.backup()
    old.write("since")
    link = os.link

    def refusing(source: Path, target: Path) -> None:
        if Path(source) == old.database:
            raise PermissionError(1, "Operation not permitted")
        link(source, target)

    monkeypatch.setattr(os, "link", refusing)
    with pytest.raises(DatabaseError, match="cannot be replaced"):
        old.restore(archive)
    assert old.contents == ["then", "since"]


def test_deletions_are_handed_over_in_both_databases_or_in_none(old: Installation) -> None:
    archive = old.backup()
    old.run(_DELETION, "del_since", ACME, "closed", '{"until":1}')
    old.run("CREATE TRIGGER refusing BEFORE UPDATE ON deletions BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(DatabaseError):
        old.restore(archive)
    assert old.run("SELECT state FROM deletions") == [("closed",)]


# --- the manifest


def manifest_of(**changes: object) -> bytes:
    whole: dict[str, object] = {
        "format": 1,
        "memtrace": "0.3.0",
        "made_at": 0,
        "migrations": [],
        "database": {"path": "memtrace.db", "size": 0, "sha256": ""},
        "counts": {},
        "orgs": [],
        "places": [],
    }
    return msgspec.json.encode(whole | changes)


def place(root: str = "/store", database: str = "db", path: str = "2026/01/02/x.parquet") -> list[object]:
    file = {"path": path, "size": 0, "sha256": ""}
    return [{"root": root, "database": database, "measurement": "events", "files": [file]}]


def test_a_manifest_survives_being_written(old: Installation) -> None:
    old.store(*hour(1))
    manifest = old.manifest()
    assert decode_manifest(encode_manifest(manifest)) == manifest
    assert decode_manifest(manifest_of(places=place())).places[0].name == ("/store", "db", "events")


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, manifest_of(orgs=7)])
def test_what_is_no_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(BackupUnusable, match="manifest cannot be read"):
        decode_manifest(text)


def test_a_newer_format_is_refused_whatever_else_it_says() -> None:
    with pytest.raises(BackupUnusable, match="has format 2"):
        decode_manifest(b'{"format": 2, "places": "elsewhere"}')


@pytest.mark.parametrize(
    "places",
    [
        place(root="store"),
        place(database="../.."),
        place(path="../../etc/passwd"),
        place(path="2026/01/02/../x.parquet/../../y"),
        place(path="2026/01/02/03/x\n.exe"),
    ],
)
def test_a_manifest_that_names_what_no_store_has_is_refused(places: list[object]) -> None:
    with pytest.raises(BackupUnusable, match="no store can have"):
        decode_manifest(manifest_of(places=places))


def test_roots_of_one_name_are_kept_apart() -> None:
    assert roots_under("/new", ["/a"]) == {"/a": "/new"}
    assert roots_under("/new", ["/a/s", "/b/s", "/c/s", "/"]) == {
        "/a/s": "/new/s",
        "/b/s": "/new/s-2",
        "/c/s": "/new/s-3",
        "/": "/new/store",
    }
