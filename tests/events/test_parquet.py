"""The embedded store's own promises: the files it writes, and what it makes of others' files."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.adapters.events.layout import DataFile, Place, Unit
from core.adapters.events.parquet import ParquetStore
from core.model.errors import StoreRefused, StoreTimeout, StoreUnreachable
from core.model.memory import Memory, MemoryFilter, Position, Span, default_dedup_key
from core.model.tenant import Binding
from core.ports import Parcel
from tests.contract.event_stores import ACME, ALWAYS, HOUR, OTHER, T0, memory, parcel
from tests.events.rig import Died, Rig, query, rigged

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.text(
    st.sampled_from("_\\'\"\0;-,%\n{}[]$read_parquetNULLnull é😀\ufeff"), max_size=40
)


async def test_the_files_lie_where_arc_puts_them(rig: Rig) -> None:
    await rig.put(memory(0), memory(HOUR))
    assert [name.rsplit("/", 1)[0] for name in rig.files()] == ["2026/05/28/20", "2026/05/28/21"]
    assert rig.staged() == []


async def test_any_parquet_reader_finds_the_twelve_columns(rig: Rig) -> None:
    await rig.put(memory(3, importance=0.5))
    rows = query(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM '{rig.folder}/**/*.parquet')")
    assert dict(rows)["time"] == "TIMESTAMP WITH TIME ZONE"
    assert dict(rows)["importance"] == "DOUBLE"
    assert len(rows) == 12
    assert query(f"SELECT epoch_us(time) FROM '{rig.folder}/**/*.parquet'") == [(T0 + 3,)]


async def test_a_file_is_sorted_by_session_and_time(rig: Rig) -> None:
    await rig.put(*(memory(i, session_id=f"s{i * 7 % 5}") for i in range(50)))
    rows = query(f"SELECT session_id, epoch_us(time) FROM '{rig.folder}/**/*.parquet'")
    assert list(rows) == sorted(rows)


@given(st.lists(st.tuples(TEXT, TEXT, TEXT, TEXT), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_text_in_any_column_survives_and_is_found_by(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str, str, str]]
) -> None:
    with rigged(tmp_path_factory.mktemp("any")) as rig:
        memories = [
            memory(
                i,
                agent_id=a,
                session_id=b,
                event_type=c,
                content=d,
                metadata_json=a + b,
                tags_csv=c + "," + d,
                parent_id=d,
                dedup_key=f"{i}{a}",
            )
            for i, (a, b, c, d) in enumerate(texts)
        ]
        await rig.put(*memories)
        assert await rig.everything() == memories
        first = memories[0]
        filter = MemoryFilter(
            agent_ids=(first.agent_id,),
            session_id=first.session_id,
            event_types=(first.event_type,),
            content_contains=first.content,
        )
        found = await rig.store.search(rig.binding, filter, ALWAYS, "asc", 10, None)
        assert found == [m for m in memories if filter.matches(m)]
        assert first in found


async def test_an_append_syncs_the_file_and_every_folder_before_it_returns(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    really = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        really(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    await rig.put(memory(0))
    root = str(rig.root)
    assert synced[0].endswith(".tmp")
    hour = f"{root}/db/events/2026/05/28/20"
    assert synced[1:] == [hour, *(str(p) for p in Path(hour).parents if str(p).startswith(root))]


@pytest.mark.parametrize("point", ["staged", "renamed"])
async def test_a_writer_that_dies_leaves_nothing_half_done(rig: Rig, point: str) -> None:
    rig.probe.die_at(point)
    memories = [memory(0), memory(HOUR)]
    with pytest.raises(Died):
        await rig.put(*memories)
    assert set(await rig.everything()) <= set(memories)
    rig.probe.at.clear()
    await rig.put(*memories)
    assert list(dict.fromkeys(await rig.everything())) == memories
    assert await rig.count() == 2


async def test_a_published_file_is_never_replaced(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.adapters.events.writing.unique", lambda: "same")
    await rig.put(memory(1))
    with pytest.raises(StoreUnreachable, match="File exists"):
        await rig.put(memory(2))
    assert await rig.everything() == [memory(1)]
    assert rig.staged() == []


async def test_an_hour_folder_that_is_taken_away_meanwhile_is_made_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = os.link
    tries: list[int] = []

    def link(source: Path, target: Path) -> None:
        tries.append(1)
        if len(tries) == 1:
            Path(target).parent.rmdir()
        really(source, target)

    monkeypatch.setattr(os, "link", link)
    await rig.put(memory(1))
    assert await rig.everything() == [memory(1)]


async def test_a_staged_file_that_is_gone_is_an_error(rig: Rig) -> None:
    def vanish() -> None:
        for path in rig.staged():
            path.unlink()

    rig.probe.at["staged"] = vanish
    with pytest.raises(StoreUnreachable):
        await rig.put(memory(1))


async def test_lines_that_are_no_memories_are_refused_for_good(rig: Rig) -> None:
    for lines in (b"not json", b'{"time":"soon"}', b'{"time":1}\n{"time":2}'):
        with pytest.raises(StoreRefused):
            await rig.store.append(rig.binding, Parcel(ACME, (T0,), lines))
    with pytest.raises(StoreRefused, match="has 1 lines"):
        await rig.store.append(rig.binding, Parcel(ACME, (T0, T0 + HOUR), b"{}"))
    assert rig.files() == []
    assert rig.staged() == []


async def test_an_error_quotes_nothing_of_a_memory(rig: Rig) -> None:
    with pytest.raises(StoreRefused) as e:
        await rig.store.append(rig.binding, Parcel(ACME, (T0,), b'{"time":"SECRET"}'))
    assert "SECRET" not in e.value.message + str(e.value.fields) + str(e.value.hint)


async def test_other_processes_see_new_files_within_two_seconds(rig: Rig) -> None:
    other = rig.another_store()
    await rig.put(memory(0))
    assert await other.search(rig.binding, MemoryFilter(), ALWAYS, "asc", 9, None) == [memory(0)]
    for i in range(1, 6):
        await rig.put(memory(i), memory(i * HOUR), memory(30 * HOUR * i))
        rig.clock.advance(2)
        found = await other.search(rig.binding, MemoryFilter(), ALWAYS, "asc", 99, None)
        assert found == await rig.everything()


async def test_a_folder_that_did_not_change_is_not_listed_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.put(memory(0))
    for _ in range(3):
        rig.clock.advance(2)
        await rig.everything()
    listed: list[object] = []
    really = os.scandir

    def scandir(path: str) -> object:
        listed.append(path)
        return really(path)

    monkeypatch.setattr(os, "scandir", scandir)
    rig.clock.advance(2)
    assert await rig.everything() == [memory(0)]
    assert listed == []


async def test_a_file_merged_away_between_listing_and_reading_is_looked_for_again(rig: Rig) -> None:
    other = rig.another_store()
    await rig.put(memory(0))
    await other.search(rig.binding, MemoryFilter(), ALWAYS, "asc", 9, None)
    [name] = rig.files()
    (rig.folder / name).rename(rig.folder / name.replace(".parquet", "x.parquet"))
    for reader in (other, rig.another_store()):
        assert await reader.search(rig.binding, MemoryFilter(), ALWAYS, "asc", 9, None) == [memory(0)]


async def test_files_that_keep_vanishing_are_an_error_in_the_end(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.put(memory(0))
    units = rig.store.partitions.units

    def stale(place: Place, span: Span, *, fresh: bool = False) -> list[Unit]:
        nowhere = DataFile("/nowhere.parquet", 1, False)
        return [unit._replace(files=(nowhere,)) for unit in units(place, span, fresh=fresh)]

    monkeypatch.setattr(rig.store.partitions, "units", stale)
    with pytest.raises(StoreUnreachable, match="cannot read"):
        await rig.everything()


async def test_a_damaged_file_is_an_error_that_says_what_to_do(rig: Rig) -> None:
    await rig.put(memory(0))
    [name] = rig.files()
    (rig.folder / name).write_bytes(b"PAR1 but not really PAR1")
    with pytest.raises(StoreUnreachable) as e:
        await rig.everything()
    assert "damaged" in e.value.message
    assert "Parquet" in (e.value.hint or "")


ORIGINAL = f"""
    SELECT make_timestamptz({T0}) AS time, 'org_acme' AS org_id, 'a' AS agent_id, NULL::VARCHAR AS session_id,
        'episodic' AS memory_type, 'general' AS event_type, 'old' AS content, NULL::VARCHAR AS importance
"""


async def test_files_with_other_columns_are_read_beside_ours(rig: Rig) -> None:
    rig.write_foreign("2026/05/28/20", ORIGINAL)
    await rig.put(memory(5))
    key = default_dedup_key("a", "general", "old")
    old = memory(0, key, agent_id="a", session_id="", content="old")
    assert await rig.everything() == [old, memory(5)]
    assert (T0, key, "episodic", "general") in await rig.store.identities(rig.binding, MemoryFilter(), ALWAYS)
    assert await rig.count() == 2
    strong = MemoryFilter(min_importance=0.1)
    assert await rig.store.search(rig.binding, strong, ALWAYS, "asc", 9, None) == []


async def test_rows_without_a_key_have_an_identity_of_their_content(rig: Rig) -> None:
    content = "é" * 150
    columns = "'' AS session_id, 'episodic' AS memory_type, 'general' AS event_type"
    row = f"SELECT make_timestamptz({T0}) AS time, 'org_acme' AS org_id, 'a' AS agent_id, {columns}"
    rest = "'' AS metadata_json, '' AS tags_csv, '' AS dedup_key, 0.0::DOUBLE AS importance, '' AS parent_id"
    texts = [content, content, "two", "three"]
    rig.write_foreign("2026/05/28/20", " UNION ALL ".join(f"{row}, '{t}' AS content, {rest}" for t in texts))
    keys = {default_dedup_key("a", "general", text) for text in texts}
    found = await rig.store.identities(rig.binding, MemoryFilter(), ALWAYS)
    assert {key for _, key, _, _ in found} == keys
    assert await rig.count() == 3
    two = MemoryFilter(dedup_key=default_dedup_key("a", "general", "two"))
    assert [m.content for m in await rig.store.search(rig.binding, two, ALWAYS, "desc", 2, None)] == ["two"]
    seen: list[Memory] = []
    after: Position | None = None
    while page := await rig.store.search(rig.binding, MemoryFilter(), ALWAYS, "desc", 2, after):
        seen += page
        after = Position("desc", page[-1].time, page[-1].dedup_key)
    assert [m.dedup_key for m in dict.fromkeys(seen)] == sorted(keys, reverse=True)


async def test_folders_and_files_of_other_names_are_left_alone(rig: Rig) -> None:
    await rig.put(memory(0))
    for name in ("2026/05/28/20/x.parquet.tmp", "2026/05/28/20/.x.parquet", "2026/13/01/00/x.parquet",
                 "2026/05/28/99/x.parquet", "readme.txt", "20x6/05/28/20/x.parquet"):  # fmt: skip
        path = rig.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"nothing")
    assert await rig.another_store().search(rig.binding, MemoryFilter(), ALWAYS, "asc", 9, None) == [
        memory(0)
    ]


async def test_a_root_with_wildcards_and_quotes_in_its_name_works(tmp_path: Path) -> None:
    root = tmp_path / "it's [a] *?\\store__x=1"
    with rigged(tmp_path, f"file:{root}") as rig:
        await rig.store.prepare(rig.binding)
        await rig.put(memory(0), memory(HOUR))
        assert await rig.everything() == [memory(0), memory(HOUR)]


async def test_preparing_makes_the_folders_and_syncs_each_into_its_parent(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    below = Binding("arc_1", ACME, f"file:{rig.root}/a/b", "db", "events", 0)
    await rig.store.prepare(below)
    await rig.store.prepare(below)
    assert sorted(synced) == [str(rig.root), f"{rig.root}/a"]
    await rig.store.check(below)
    assert list((rig.root / "a/b").iterdir()) == []


async def test_a_place_that_cannot_be_made_is_unreachable(rig: Rig) -> None:
    (rig.root / "file").write_bytes(b"")
    with pytest.raises(StoreUnreachable):
        await rig.store.prepare(Binding("arc_1", ACME, f"file:{rig.root}/file/x", "db", "events", 0))


async def test_a_store_whose_folder_is_gone_is_unreachable_and_not_empty(rig: Rig) -> None:
    await rig.put(memory(0))
    rig.root.rename(rig.root.parent / "away")
    for call in (
        rig.store.search(rig.binding, MemoryFilter(), ALWAYS, "desc", 10, None),
        rig.store.tally(rig.binding, MemoryFilter(), ALWAYS, 0),
        rig.store.earliest(rig.binding),
        rig.store.append(rig.binding, parcel([memory(1)])),
        rig.store.check(rig.binding),
    ):
        with pytest.raises(StoreUnreachable):
            await call
    (rig.root.parent / "away").rename(rig.root)
    assert await rig.everything() == [memory(0)]


async def test_a_check_fails_where_the_folder_is_missing(rig: Rig) -> None:
    nowhere = Binding("arc_1", ACME, f"file:{rig.root}/no/such/folder", "db", "events", 0)
    with pytest.raises(StoreUnreachable, match="No such file"):
        await rig.store.check(nowhere)
    with pytest.raises(StoreUnreachable, match="No such file"):
        await rig.store.append(nowhere, parcel([memory(0)]))


async def test_a_check_fails_where_this_user_may_not_write(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(StoreUnreachable, match="may not be read and written"):
        await rig.store.check(rig.binding)


async def test_a_folder_that_cannot_be_listed_is_an_error(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.put(memory(0))

    def refuse(path: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(StoreUnreachable, match="Permission denied"):
        await rig.another_store().search(rig.binding, MemoryFilter(), ALWAYS, "asc", 9, None)


async def test_a_question_beyond_its_time_is_a_timeout(rig: Rig) -> None:
    hasty = ParquetStore(engine=rig.engine, clock=rig.clock, query_timeout=0)
    await rig.put(memory(0))
    with pytest.raises(StoreTimeout):
        await hasty.search(rig.binding, MemoryFilter(), ALWAYS, "asc", 9, None)


async def test_names_that_could_leave_the_root_never_reach_the_disk(rig: Rig) -> None:
    bad = Binding("arc_1", ACME, f"file:{rig.root}", "../up", "events", 0)
    with pytest.raises(StoreRefused):
        await rig.store.append(bad, parcel([memory(0)]))
    with pytest.raises(StoreRefused):
        await rig.store.search(bad, MemoryFilter(), Span(0, 1), "asc", 1, None)
    assert list(rig.root.iterdir()) == []


async def test_two_orgs_share_files_without_sharing_rows(rig: Rig) -> None:
    await rig.put(memory(0), memory(0, org=OTHER, content="theirs"))
    assert len(rig.files()) == 1
    assert await rig.everything() == [memory(0)]


async def test_a_slow_walk_is_taken_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.put(memory(0))
    walks: list[int] = []
    walk = rig.store.partitions.day_units

    def slow(place: Place, day: int, span: Span, *, fresh: bool = False) -> Iterator[Unit]:
        walks.append(1)
        rig.clock.advance(30 if len(walks) == 1 else 0)
        return walk(place, day, span, fresh=fresh)

    monkeypatch.setattr(rig.store.partitions, "day_units", slow)
    assert await rig.everything() == [memory(0)]
    assert len(walks) == 2


async def test_listings_are_bounded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.adapters.events.partitions._MAX_LISTINGS", 3)
    memories = [memory(i * 25 * HOUR) for i in range(5)]
    await rig.put(*memories)
    assert await rig.everything() == memories
    assert len(rig.store.partitions._listings) <= 3
