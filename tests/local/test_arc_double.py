"""What only a double can be asked for: time that is moved by hand, crashes, and faults on demand."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import msgpack  # type: ignore[import-untyped]
import pytest
import zstandard

from local.arc.buffers import FlushFailed
from local.arc.caches import Cache
from local.arc.decompressing import sized
from local.arc.double import ArcDouble
from local.arc.engine import Engine, QueryFailed, Statements
from local.arc.faults import Fault
from local.arc.settings import ArcSettings
from tests.clock import ManualClock
from tests.local.arcs import HOUR, T0, Arc, reached

AGE = 5.0
BOTH = "time >= '2026-05-28T20:00:00Z' AND time < '2026-05-28T22:00:00Z'"
NUMBERS = "SELECT a FROM events ORDER BY a"


@dataclass
class Stage:
    """A double whose clock stands still, and a client of its."""

    double: ArcDouble
    arc: Arc
    clock: ManualClock

    async def put(self, *numbers: int, hour: int = 0) -> None:
        """Rows that wait in memory."""
        times = [T0 + hour * HOUR + n for n in numbers]
        answer = await self.arc.send({"m": "events", "columns": {"time": times, "a": list(numbers)}})
        assert answer.status_code == 204

    async def numbers(self, where: str = "a > 0") -> list[int]:
        return [row[0] for row in await self.arc.rows(f"SELECT a FROM events WHERE {where} ORDER BY a")]


Stager = Callable[..., contextlib.AbstractAsyncContextManager[Stage]]


@pytest.fixture
def staged(tmp_path: Path, clock: ManualClock) -> Stager:
    """Opens a stage with other settings than usual; the folder stays the same."""

    @contextlib.asynccontextmanager
    async def opened(**changes: Any) -> AsyncIterator[Stage]:
        settings = replace(ArcSettings(tmp_path, buffer_age=AGE), **changes)
        async with (
            ArcDouble(settings, clock=clock) as double,
            reached(double.url, settings.admin_token) as arc,
        ):
            yield Stage(double, arc, clock)

    return opened


@pytest.fixture
async def stage(staged: Stager) -> AsyncIterator[Stage]:
    async with staged() as it:
        yield it


# Buffering


async def test_rows_show_when_they_have_waited_long_enough(stage: Stage) -> None:
    await stage.put(1)
    stage.clock.advance(AGE - 0.01)
    assert await stage.numbers() == []
    stage.clock.advance(0.01)
    assert await stage.numbers() == [1]


async def test_the_oldest_row_decides_how_long_the_others_wait(stage: Stage) -> None:
    await stage.put(1)
    stage.clock.advance(AGE - 1)
    await stage.put(2)
    stage.clock.advance(1)
    assert await stage.numbers() == [1, 2]


async def test_enough_rows_do_not_wait(staged: Stager) -> None:
    async with staged(buffer_rows=3) as stage:
        await stage.put(1, 2)
        assert await stage.numbers() == []
        await stage.put(3)
        assert await stage.numbers() == [1, 2, 3]


async def test_an_age_of_nothing_shows_rows_at_once(staged: Stager) -> None:
    async with staged(buffer_age=0) as stage:
        await stage.put(1)
        assert await stage.numbers() == [1]


async def test_by_the_real_clock_rows_are_written_out_without_being_asked_for(tmp_path: Path) -> None:
    async with ArcDouble(ArcSettings(tmp_path, buffer_age=0.02)) as double:
        async with reached(double.url, double.settings.admin_token) as arc:
            await arc.send({"m": "events", "columns": {"time": [T0], "a": [1]}})
            buffers = double.process.buffers
            while not buffers.stats.written:
                await httpx.AsyncClient().aclose()  # gives way to the loop
                await arc.http.get("/health")
            assert buffers.active == 0


async def test_measurements_wait_apart(stage: Stage) -> None:
    await stage.put(1)
    stage.clock.advance(AGE - 1)
    await stage.arc.send({"m": "others", "columns": {"time": [T0], "a": [9]}})
    stage.clock.advance(1)
    assert await stage.numbers() == [1]
    assert await stage.arc.rows("SELECT a FROM others") == []


async def test_rows_that_wait_are_not_deleted(stage: Stage) -> None:
    await stage.put(1)
    await stage.double.flush()
    await stage.put(1)
    status, said = await stage.arc.delete("a = 1", confirm=True)
    assert (status, said["deleted_count"]) == (200, 1)
    await stage.double.flush()
    stage.clock.advance(90)
    assert await stage.numbers() == [1]


async def test_a_flush_that_fails_loses_rows_that_were_acknowledged(stage: Stage) -> None:
    await stage.put(1)
    stage.double.faults.flushes = 1
    with pytest.raises(FlushFailed):
        await stage.double.flush()
    await stage.put(2)
    await stage.double.flush()
    assert await stage.numbers() == [2]
    assert stage.double.process.buffers.stats.last_error == "failed to write to storage: made to fail"


async def test_a_disk_that_fails_loses_rows_too(stage: Stage) -> None:
    folder = stage.double.settings.root / stage.arc.database
    folder.write_text("in the way")
    await stage.put(1)
    with pytest.raises(FlushFailed, match="failed to write to storage"):
        await stage.double.flush()
    await stage.put(2)
    await stage.double.restart()  # a stop tells nobody
    folder.unlink()
    await stage.put(3)
    await stage.double.flush()
    assert await stage.numbers() == [3]


async def test_two_flushes_at_once_write_each_row_once(stage: Stage) -> None:
    await stage.put(1)
    await asyncio.gather(stage.double.flush(), stage.double.flush())
    assert await stage.numbers() == [1]


# Hours that stay hidden


async def test_a_new_hour_is_hidden_for_30_seconds_from_statements_that_differ(stage: Stage) -> None:
    await stage.put(1)
    await stage.double.flush()
    assert await stage.numbers(f"{BOTH} AND a > 0") == [1]
    await stage.put(2, hour=1)
    await stage.double.flush()
    stage.clock.advance(29)
    assert await stage.numbers(f"{BOTH} AND a > -1") == [1]
    stage.clock.advance(1.1)
    assert await stage.numbers(f"{BOTH} AND a > -2") == [1, 2]


async def test_a_new_hour_is_hidden_for_60_seconds_from_the_same_statement(stage: Stage) -> None:
    await stage.put(1)
    await stage.double.flush()
    assert await stage.numbers(BOTH) == [1]
    await stage.put(2, hour=1)
    await stage.double.flush()
    stage.clock.advance(59)
    assert await stage.numbers(BOTH) == [1]
    stage.clock.advance(1.1)
    assert await stage.numbers(BOTH) == [1, 2]


async def test_the_two_caches_may_add_up_to_90_seconds(stage: Stage) -> None:
    await stage.put(1)
    await stage.double.flush()
    assert await stage.numbers(f"{BOTH} AND a > 0") == [1]
    await stage.put(2, hour=1)
    await stage.double.flush()
    stage.clock.advance(29)
    assert await stage.numbers(BOTH) == [1]  # the list is made of folders known for 29 s
    stage.clock.advance(59)
    assert await stage.numbers(BOTH) == [1]
    stage.clock.advance(1.1)
    assert await stage.numbers(BOTH) == [1, 2]


async def test_a_new_hour_shows_at_once_where_no_folder_of_the_range_was_there(stage: Stage) -> None:
    await stage.put(1)
    await stage.double.flush()
    later = "time >= '2026-05-28T21:00:00Z' AND time < '2026-05-28T22:00:00Z'"
    for _ in range(3):
        assert await stage.numbers(later) == []
    await stage.put(2, hour=1)
    await stage.double.flush()
    assert await stage.numbers(later) == [2]


async def test_a_restart_forgets_what_was_hidden(stage: Stage) -> None:
    await stage.put(1)
    await stage.double.flush()
    assert await stage.numbers(BOTH) == [1]
    await stage.put(2, hour=1)
    await stage.double.restart()
    assert await stage.numbers(BOTH) == [1, 2]


async def test_half_a_range_ends_a_day_from_now_or_begins_in_2020(stage: Stage) -> None:
    now = stage.clock.micros()
    far = {"time": [now, now + 30 * HOUR], "a": [1, 2]}
    await stage.arc.write(far)
    assert await stage.numbers("time >= '2026-01-01T00:00:00Z'") == [1]
    await stage.arc.write({"time": [1_577_836_800_000_000 - 1, 1_577_836_800_000_000], "a": [3, 4]})
    assert await stage.numbers("time < '2021-01-01T00:00:00Z'") == [4]


async def test_a_cache_that_is_full_keeps_nothing_new_until_something_expires(clock: ManualClock) -> None:
    cache: Cache[int] = Cache(clock, 60, most=2)
    cache.put("a", 1)
    clock.advance(30)
    cache.put("b", 2)
    for _ in range(2):
        cache.put("c", 3)
        assert cache.get("c") is None
    cache.put("a", 4)  # what it has may be renewed
    assert cache.get("a") == 4
    clock.advance(60.1)
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (None, None, 3)
    cache.clear()
    assert cache.get("c") is None


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("time >= now() - INTERVAL '2 hours'", [2, 3]),
        ("time > CURRENT_TIMESTAMP - INTERVAL '7200 second' AND time <= now() + INTERVAL '1 day'", [2, 3]),
        ("time >= now() - INTERVAL '1 month' OR a > 0", [1, 2, 3]),
        ("time < now() - INTERVAL '1 day' OR a > 0", [1, 2, 3]),  # from 2020 on: too wide
        ("time > now() - INTERVAL '3 days' AND time < now() - INTERVAL '1 day' OR a > 0", [1]),
        ("time >= now() OR a > 0", [1, 2, 3]),
        ("time >= now() - INTERVAL 2 HOURS OR a > 0", [1, 2, 3]),
    ],
)
async def test_ranges_may_be_relative_to_now(staged: Stager, where: str, found: list[int]) -> None:
    """By the clock of the pruner. DuckDB's own `now()` is real, so only what is not read matters."""
    async with staged() as stage:
        now = stage.clock.micros()
        times = [now - 48 * HOUR, now - HOUR, now]
        await stage.arc.write({"time": times, "a": [1, 2, 3]})
        sql = f"SELECT a FROM events WHERE {where} OR true ORDER BY a"
        assert [row[0] for row in await stage.arc.rows(sql)] == found


# Crashes


async def test_a_crash_loses_what_waits(stage: Stage) -> None:
    await stage.put(1)
    await stage.double.flush()
    await stage.put(2)
    await stage.double.crash()
    with pytest.raises(httpx.TransportError):
        await stage.arc.http.get("/health")
    await stage.double.start()
    await stage.double.flush()
    assert await stage.numbers() == [1]


async def test_a_restart_loses_nothing(stage: Stage) -> None:
    await stage.put(1)
    await stage.double.restart()
    assert await stage.numbers() == [1]


async def test_with_a_log_a_crash_shows_again_what_was_written_out(staged: Stager) -> None:
    async with staged(wal=True) as stage:
        await stage.put(1)
        await stage.double.flush()
        await stage.put(2)
        await stage.double.crash()
        await stage.double.start()
        assert await stage.numbers() == [1]  # replayed rows wait like any others
        stage.clock.advance(AGE)
        assert await stage.numbers() == [1, 1, 2]


async def test_what_the_log_had_not_written_is_lost(staged: Stager) -> None:
    async with staged(wal=True) as stage:
        for number in (1, 2, 3):
            await stage.put(number)
        await stage.double.crash(unsynced=2)
        await stage.double.start()
        await stage.double.flush()
        assert await stage.numbers() == [1]


async def test_a_second_crash_before_the_flush_loses_what_was_replayed(staged: Stager) -> None:
    """A file of the log is gone once it was read, and what was read is in memory only."""
    async with staged(wal=True) as stage:
        await stage.put(1)
        for _ in range(2):
            await stage.double.crash()
            await stage.double.start()
        await stage.double.flush()
        assert (await stage.arc.ask(NUMBERS)).json()["columns"] == []


async def test_a_stop_leaves_no_log_to_replay(staged: Stager) -> None:
    async with staged(wal=True) as stage:
        await stage.put(1)
        await stage.double.restart()
        await stage.double.flush()
        assert await stage.numbers() == [1]


async def test_the_log_of_an_hour_ago_is_replayed_too(staged: Stager) -> None:
    async with staged(wal=True) as stage:
        await stage.put(1)
        stage.clock.advance(3601)
        await stage.put(2)
        await stage.double.crash(unsynced=9)  # of the active file only
        await stage.double.start()
        await stage.double.flush()
        assert await stage.numbers() == [1, 1]


async def test_rows_without_a_time_are_stamped_again_when_they_are_replayed(staged: Stager) -> None:
    async with staged(wal=True) as stage:
        await stage.arc.send({"m": "events", "columns": {"a": [1]}})
        await stage.double.flush()
        stage.clock.advance(10)
        await stage.double.crash()
        await stage.double.start()
        await stage.double.flush()
        times = [row[0] for row in await stage.arc.rows("SELECT epoch_us(time) FROM events ORDER BY time")]
        assert times[1] - times[0] == 10_000_000


async def test_a_column_without_a_name_ends_the_process_when_it_is_written_out(stage: Stage) -> None:
    answer = await stage.arc.send({"m": "events", "columns": {"time": [T0], "": [1]}})
    assert answer.status_code == 204
    stage.clock.advance(AGE)
    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            await stage.arc.http.get("/health")
    assert stage.double.process.fatal == "a column without a name was written out"
    await stage.double.restart()
    assert (await stage.arc.http.get("/health")).status_code == 200


# Strictness


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT 'a\\b'", "a backslash"),
        ("SELECT 'it''s a \\'", "a backslash"),
        ("SELECT 'a__b'", "two underscores"),
        ("SELECT 'a\x00b'", "a NUL"),
        ("SELECT 'Read_Parquet'", "read_parquet"),
        ("SELECT E'a'", "an escape string"),
        ("SELECT $$a$$", "dollar quotes"),
        ("SELECT s FROM events WHERE s <> '' AND s LIKE 'a%'", "LIKE"),
        ("SELECT date_trunc('hour', time) FROM events", "date_trunc"),
        ("SELECT time_bucket(INTERVAL '1 hour', e.time) FROM events e", "time_bucket"),
        ("SELECT regexp_replace('a', 'b', 'c')", "regexp_replace"),
    ],
)
async def test_a_strict_double_refuses_what_arc_gets_wrong(stage: Stage, sql: str, words: str) -> None:
    status, said = await stage.arc.refusal(sql)
    assert status == 400
    assert said.startswith("refused by the double, Arc would get it wrong: ")
    assert words in said


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ('a' || chr(92) || 'b_' || '_c')",
        'SELECT 1 AS "a__b\\"',
        "SELECT 'it''s' WHERE '' <> ''",
        "SELECT date_trunc('hour', (now()))",
    ],
)
async def test_a_strict_double_takes_what_the_encoder_makes(stage: Stage, sql: str) -> None:
    assert (await stage.arc.ask(sql)).status_code == 200


# Faults

DOOR = "/api/v1/query"


async def test_a_fault_strikes_as_often_as_it_was_asked_for(stage: Stage) -> None:
    stage.double.faults.add(Fault("status", times=2, status=503, error="busy", retry_after=7))
    for _ in range(2):
        answer = await stage.arc.ask("SELECT 1")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
        assert (answer.json()["success"], answer.json()["error"]) == (False, "busy")
    assert (await stage.arc.ask("SELECT 1")).status_code == 200


async def test_a_fault_strikes_where_it_was_asked_for(stage: Stage) -> None:
    stage.double.faults.add(Fault("status", path="/api/v1/write/", times=-1))
    assert (await stage.arc.ask("SELECT 1")).status_code == 200
    for _ in range(3):
        answer = await stage.arc.send({"m": "events", "columns": {"time": [T0]}})
        assert (answer.status_code, answer.json()) == (500, {"error": "made to fail"})
    stage.double.faults.clear()
    await stage.put(1)


async def test_a_failing_door_keeps_its_format(stage: Stage) -> None:
    stage.double.faults.add(Fault("status"))
    status, document = await stage.arc.ask_packed("SELECT 1")
    assert (status, document["success"], document["error"]) == (500, False, "made to fail")


async def test_garbage_comes_after_the_deed(stage: Stage) -> None:
    stage.double.faults.add(Fault("garbage"))
    answer = await stage.arc.send({"m": "events", "columns": {"time": [T0], "a": [1]}})
    assert answer.status_code == 200
    assert answer.content.startswith(b"\xc1<html>")
    await stage.double.flush()
    assert await stage.numbers() == [1]


@pytest.mark.parametrize("kind", ["reset_after", "truncated"])
async def test_an_answer_may_be_lost_after_the_deed(stage: Stage, kind: Any) -> None:
    stage.double.faults.add(Fault(kind))
    with pytest.raises(httpx.TransportError):
        await stage.arc.send({"m": "events", "columns": {"time": [T0], "a": [1]}})
    await stage.double.flush()
    assert await stage.numbers() == [1]


async def test_half_an_answer_is_no_answer(stage: Stage) -> None:
    stage.double.faults.add(Fault("truncated"))
    with pytest.raises(httpx.RemoteProtocolError):
        await stage.arc.ask("SELECT 1")


async def test_a_reset_before_the_deed_prevents_it(stage: Stage) -> None:
    stage.double.faults.add(Fault("reset"))
    with pytest.raises(httpx.TransportError):
        await stage.arc.send({"m": "events", "columns": {"time": [T0], "a": [1]}})
    await stage.double.flush()
    assert (await stage.arc.ask(NUMBERS)).json()["columns"] == []


async def test_a_slow_door_does_nothing_for_a_client_that_left(stage: Stage) -> None:
    stage.double.faults.add(Fault("slow"))
    with pytest.raises(httpx.ReadTimeout):
        await stage.arc.http.post("/api/v1/write/msgpack", content=b"x", timeout=0.05)
    assert stage.double.process.buffers.stats.buffered == 0


async def test_a_slow_door_answers_in_the_end(stage: Stage) -> None:
    stage.double.faults.add(Fault("slow", seconds=0.01))
    stage.double.faults.add(Fault("slow_after", seconds=0.01))
    for _ in range(2):
        assert await stage.arc.rows("SELECT 1") == [[1]]


@pytest.mark.parametrize("kind", ["slow", "slow_after"])
async def test_a_slow_door_does_not_hold_up_a_stop(stage: Stage, kind: Any) -> None:
    stage.double.faults.add(Fault(kind))
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(refused(stage.arc))
        while stage.double.faults.waiting:
            await stage.arc.http.get("/_double/state")
        await asyncio.wait_for(stage.double.stop(), 30)
        assert await asked
    await stage.double.start()


async def refused(arc: Arc) -> bool:
    try:
        await arc.http.get("/api/v1/databases")
    except httpx.TransportError:
        return True
    return False


async def test_an_answer_that_is_late_was_given_to_something_done(stage: Stage) -> None:
    stage.double.faults.add(Fault("slow_after"))
    body = msgpack.packb({"m": "events", "columns": {"time": [T0], "a": [1]}})
    headers = {"x-arc-database": stage.arc.database}
    with pytest.raises(httpx.ReadTimeout):
        await stage.arc.http.post("/api/v1/write/msgpack", content=body, headers=headers, timeout=0.2)
    assert stage.double.process.buffers.stats.buffered == 1


async def test_a_router_may_do_it_twice(stage: Stage) -> None:
    stage.double.faults.add(Fault("done_twice"))
    await stage.put(1)
    await stage.double.flush()
    assert await stage.numbers() == [1, 1]


async def test_an_answer_may_come_twice_on_its_connection(stage: Stage) -> None:
    """The second one waits there for whoever asks next: httpx takes it for the answer to that."""
    stage.double.faults.add(Fault("answered_twice"))
    assert await stage.arc.rows("SELECT 1") == [[1]]
    assert await stage.arc.rows("SELECT 2") == [[1]]


async def test_rows_may_be_cut_off_without_a_word(stage: Stage) -> None:
    stage.double.faults.add(Fault("cut_rows", rows=1))
    document = (await stage.arc.ask("SELECT * FROM (VALUES (1), (2)) t(x) WHERE '' = ''")).json()
    assert (document["success"], document["row_count"], document["data"]) == (True, 1, [[1]])


async def test_connections_may_be_refused(stage: Stage) -> None:
    await stage.put(1)
    await stage.double.refuse()
    with pytest.raises(httpx.ConnectError):
        await stage.arc.http.get("/health")
    await stage.double.accept()
    await stage.double.flush()
    assert await stage.numbers() == [1]


async def test_some_files_of_a_deletion_may_fail(stage: Stage) -> None:
    for hour in (0, 1):
        await stage.put(1, 2, hour=hour)
        await stage.double.flush()
    stage.double.faults.rewrites = 1
    status, said = await stage.arc.delete("a = 1", confirm=True)
    assert (status, said["success"], said["deleted_count"], said["error"]) == (
        207,
        False,
        1,
        "1 of 2 files failed to process",
    )
    assert len(said["failed_files"]) == len(said["files_processed"]) == 1
    assert await stage.numbers() == [1, 2, 2]


async def test_a_file_without_the_column_is_not_rewritten(stage: Stage) -> None:
    await stage.put(1)
    await stage.double.flush()
    await stage.arc.write({"time": [T0 + 9], "b": [1]})
    status, said = await stage.arc.delete("a = 1 OR b = 1", confirm=True)
    assert (status, said["deleted_count"], len(said["failed_files"])) == (207, 0, 2)


async def test_a_deletion_may_be_too_large(staged: Stager) -> None:
    async with staged(confirmation_threshold=1, max_rows_per_delete=2, buffer_age=0) as stage:
        await stage.put(1, 2, 3)
        status, said = await stage.arc.delete("a > 0", confirm=True)
        assert (status, said["error"][:42]) == (400, "Delete would affect 3 rows, exceeding maxi")
        status, said = await stage.arc.delete("a > 1", dry_run=True)
        assert (status, said["error"][:40]) == (400, "Delete would affect 2 rows (threshold: 1")
        assert (await stage.arc.delete("a > 1", dry_run=True, confirm=True))[1]["dry_run"] is True


async def test_deletion_may_be_switched_off(staged: Stager) -> None:
    async with staged(delete_enabled=False) as stage:
        status, said = await stage.arc.delete("a = 1", confirm=True)
        assert (status, said["error"].startswith("Delete operations are disabled")) == (403, True)
        path = f"/api/v1/databases/{stage.arc.database}"
        assert (await stage.arc.http.delete(path)).status_code == 403


async def test_compaction_shows_rows_twice_until_it_is_done(stage: Stage) -> None:
    for number in (1, 2):
        await stage.put(number)
        await stage.double.flush()
    async with stage.double.compaction(stage.arc.database, "events") as files:
        assert files == 2
        assert await stage.numbers() == [1, 1, 2, 2]
    assert await stage.numbers() == [1, 2]


async def test_compaction_clears_the_caches(stage: Stage) -> None:
    await stage.put(1)
    await stage.double.flush()
    assert await stage.numbers(BOTH) == [1]
    await stage.put(2, hour=1)
    await stage.double.flush()
    assert await stage.numbers(BOTH) == [1]
    async with stage.double.compaction(stage.arc.database, "events") as files:
        assert files == 0
    assert await stage.numbers(BOTH) == [1, 2]


async def test_a_body_may_be_too_large(staged: Stager) -> None:
    async with staged(max_payload=100) as stage:
        answer = await stage.arc.send(b"x" * 101)
        assert (answer.status_code, answer.json()) == (413, {"error": "Request Entity Too Large"})


@pytest.mark.parametrize(
    ("compress", "words"),
    [
        (gzip.compress, "Invalid gzip compression: decompressed payload exceeds 1.5KB limit"),
        (
            zstandard.compress,
            "Invalid zstd compression: failed to decompress zstd: decompressed size exceeds",
        ),
    ],
    ids=["gzip", "zstd"],
)
async def test_a_body_may_grow_too_large(
    staged: Stager, compress: Callable[[bytes], bytes], words: str
) -> None:
    async with staged(max_payload=1536) as stage:
        answer = await stage.arc.send(compress(b"\x00" * 2000))
        assert answer.status_code == 400
        assert answer.json()["error"].startswith(words)


@pytest.mark.parametrize(("size", "text"), [(5, "5B"), (1 << 10, "1KB"), (3 << 20, "3MB"), (1 << 30, "1GB")])
def test_sizes_are_told_in_the_largest_unit(size: int, text: str) -> None:
    assert sized(size) == text


async def test_a_job_that_was_stopped_does_nothing_more(tmp_path: Path) -> None:
    engine = Engine(128, 1)
    try:

        def work(statements: Statements) -> None:
            statements.stop()
            statements.rows("SELECT 1")

        with pytest.raises(QueryFailed, match="Interrupted"):
            await engine.run(work)
    finally:
        engine.close()


async def test_a_query_may_take_too_long(staged: Stager) -> None:
    async with staged(query_timeout=0.05) as stage:
        sql = "SELECT count(*) FROM range(100000000000) a(x) WHERE '' = '' AND x % 7 = 3"
        assert await stage.arc.refusal(sql) == (504, "Query timed out")
        assert (await stage.arc.ask_packed(sql))[0] == 504


async def test_a_token_that_was_revoked_opens_nothing(stage: Stage) -> None:
    token = stage.double.token("read")
    headers = {"authorization": f"Bearer {token}"}
    assert (await stage.arc.http.get("/api/v1/databases", headers=headers)).status_code == 200
    tokens = (await stage.arc.http.get("/api/v1/auth/tokens")).json()["tokens"]
    path = f"/api/v1/auth/tokens/{tokens[-1]['id']}"
    assert (await stage.arc.http.delete(path)).status_code == 200
    assert (await stage.arc.http.post(f"{path}/revoke")).status_code == 404
    assert (await stage.arc.http.get("/api/v1/databases", headers=headers)).status_code == 401


def test_a_double_that_does_not_run_says_so(tmp_path: Path) -> None:
    double = ArcDouble(ArcSettings(tmp_path))
    with pytest.raises(RuntimeError, match="not running"):
        _ = double.process
