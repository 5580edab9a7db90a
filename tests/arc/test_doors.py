"""An Arc's doors: what is asked, how answers are read, and what is no answer."""

import dataclasses

import msgspec
import pytest
import zstandard

from core.adapters.arc import doors, names
from core.model.errors import (
    StoreAmbiguous,
    StoreDenied,
    StoreError,
    StoreRefused,
    StoreUnreachable,
)
from tests.arc.conftest import ADMIN_KEY, KEY, Bench, Open
from tests.arc.scripted import Answer, Script, columnar, failed, reply, rowwise, scripted

SQL = 'SELECT 1 AS one FROM "events"'


async def ask(bench: Bench, arc: Script) -> object:
    return await bench.doors.query(bench.binding(arc.url), SQL, 30)


async def test_a_question_goes_as_json_and_comes_back_by_column(bench: Bench) -> None:
    async with scripted(columnar({"a": [1, 2], "b": ["x", "y"]})) as arc:
        assert await ask(bench, arc) == [(1, "x"), (2, "y")]
    (asked,) = arc.asked
    assert (asked.method, asked.path) == ("POST", "/api/v1/query/msgpack")
    assert asked.headers["content-type"] == "application/json"
    assert msgspec.json.decode(asked.body) == {"sql": SQL}


async def test_no_rows_and_no_files_are_two_things(bench: Bench) -> None:
    async with scripted(columnar({"a": []}), columnar({}, columns=[], data=[], row_count=0)) as arc:
        assert await ask(bench, arc) == []
        assert await ask(bench, arc) is None


@pytest.mark.parametrize(
    "answer",
    [
        columnar({"a": [1, 2]}, row_count=3),
        columnar({"a": [1, 2], "b": [1]}),
        columnar({"a": [1]}, success=False),
        columnar({"a": [1]}, data=None),
        reply(200, columnar({"a": [1]}).partition(b"\r\n\r\n")[2][:-9]),
        reply(200, b""),
        reply(200, b'{"success": true}'),
    ],
)
async def test_an_answer_that_is_not_whole_says_nothing(bench: Bench, answer: bytes) -> None:
    async with scripted(answer) as arc:
        with pytest.raises(StoreAmbiguous):
            await ask(bench, arc)


async def test_a_page_of_html_is_no_arc(bench: Bench) -> None:
    async with scripted(reply(200, b"  <html>Welcome</html>")) as arc:
        with pytest.raises(StoreUnreachable, match="no Arc"):
            await ask(bench, arc)


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_an_arc_without_the_columnar_door_is_asked_by_the_other_one(bench: Bench, status: int) -> None:
    rows = rowwise(["one", "rows_in_all"], [[1, 2], [2, 2]])
    async with scripted(failed(status, "Cannot POST"), rows) as arc:
        assert await ask(bench, arc) == [(1,), (2,)]
        assert await ask(bench, arc) == [(1,), (2,)]
    assert [asked.path for asked in arc.asked] == [
        "/api/v1/query/msgpack",
        "/api/v1/query",
        "/api/v1/query",
    ]
    sent = msgspec.json.decode(arc.asked[1].body)["sql"]
    assert sent == f"SELECT *, count(*) OVER () AS rows_in_all FROM ({SQL}) AS page"


async def test_the_columnar_door_is_tried_again_after_a_while(bench: Bench) -> None:
    rows = rowwise(["one", "rows_in_all"], [[1, 1]])
    async with scripted(failed(404, "Cannot POST"), rows, columnar({"one": [1]})) as arc:
        await ask(bench, arc)
        bench.clock.advance(601)
        assert await ask(bench, arc) == [(1,)]
    assert arc.asked[-1].path == "/api/v1/query/msgpack"


@pytest.mark.parametrize(
    "answers",
    [
        [rowwise(["one", "rows_in_all"], [[1, 2]])],
        [rowwise(["one", "rows_in_all"], []), rowwise(["n", "rows_in_all"], [])],
        [rowwise(["one", "rows_in_all"], []), rowwise([], [])],
        [rowwise(["one", "rows_in_all"], []), rowwise(["n", "rows_in_all"], [[3, 1]])],
        [rowwise(["one", "rows_in_all"], [[1, 1]], success=False)],
        [reply(200, b'{"success": true, "columns": ["one"], "da')],
    ],
)
async def test_an_answer_that_ended_early_is_found_out(bench: Bench, answers: list[Answer]) -> None:
    async with scripted(failed(404, "Cannot POST"), *answers) as arc:
        with pytest.raises(StoreAmbiguous):
            await ask(bench, arc)


async def test_no_rows_are_believed_when_the_count_says_so_too(bench: Bench) -> None:
    none, zero = rowwise(["one", "rows_in_all"], []), rowwise(["n", "rows_in_all"], [[0, 1]])
    async with scripted(failed(404, "Cannot POST"), none, zero) as arc:
        assert await ask(bench, arc) == []


async def test_no_files_are_no_files_by_the_other_door_too(bench: Bench) -> None:
    async with scripted(failed(404, "Cannot POST"), rowwise([], [])) as arc:
        assert await ask(bench, arc) is None


async def test_an_error_of_the_other_door_is_judged(bench: Bench) -> None:
    async with scripted(failed(404, "Cannot POST"), failed(503, "busy")) as arc:
        with pytest.raises(StoreUnreachable):
            await ask(bench, arc)


async def test_a_write_is_one_body_and_its_204_is_all_that_is_taken(bench: Bench) -> None:
    async with scripted(reply(204), reply(200, b"ok")) as arc:
        await bench.doors.write(bench.binding(arc.url), b"body", 30)
        with pytest.raises(StoreUnreachable, match="no Arc"):
            await bench.doors.write(bench.binding(arc.url), b"body", 30)
    asked = arc.asked[0]
    assert (asked.path, asked.body) == ("/api/v1/write/msgpack", b"body")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (failed(500, "failed to convert columns"), StoreRefused),
        (failed(403, "Permission denied: write required"), StoreDenied),
        (failed(503, "schema churn", **{"retry-after": "9"}), StoreUnreachable),
    ],
)
async def test_a_write_that_fails_is_judged(bench: Bench, answer: bytes, error: type[StoreError]) -> None:
    async with scripted(answer) as arc:
        with pytest.raises(error):
            await bench.doors.write(bench.binding(arc.url), b"body", 30)


async def test_a_large_write_is_compressed_when_that_is_wanted(open_bench: Open) -> None:
    bench = open_bench(compression="gzip")
    async with scripted(reply(204)) as arc:
        await bench.doors.write(bench.binding(arc.url), bytes(100_000), 30)
    assert arc.asked[0].body[:2] == b"\x1f\x8b"
    assert "content-encoding" not in arc.asked[0].headers


async def test_an_arc_elsewhere_is_written_and_answers_compressed(
    open_bench: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "resolve", lambda host: ["127.0.0.1"])
    bench = open_bench(compression="auto")
    packed = zstandard.compress(columnar({"one": [7]}).partition(b"\r\n\r\n")[2])
    async with scripted(reply(204), reply(200, packed, headers={"content-encoding": "zstd"})) as arc:
        far = bench.binding(f"http://arc.example:{arc.port}")
        await bench.doors.write(far, bytes(100_000), 30)
        assert await bench.doors.query(far, SQL, 30) == [(7,)]
    assert zstandard.decompress(arc.asked[0].body) == bytes(100_000)
    assert arc.asked[1].headers["accept-encoding"] == "zstd, gzip"


async def test_an_arc_on_this_machine_is_spared_compression(open_bench: Open) -> None:
    bench = open_bench(compression="auto")
    async with scripted(reply(204), columnar({"one": [7]})) as arc:
        await bench.doors.write(bench.binding(arc.url), bytes(100_000), 30)
        await ask(bench, arc)
    assert arc.asked[0].body == bytes(100_000)
    assert "accept-encoding" not in arc.asked[1].headers


async def test_only_so_many_arcs_without_the_columnar_door_are_remembered(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "_MOST_REMEMBERED", 2)
    rows = rowwise(["one", "rows_in_all"], [[1, 1]])
    async with scripted(*[failed(404, "Cannot POST"), rows] * 3) as arc:
        for path in ("/a", "/b", "/c"):
            await bench.doors.query(bench.binding(arc.url + path), SQL, 30)
        assert list(bench.doors._without_columnar) == [arc.url + "/c"]


def verified(**answer: object) -> bytes:
    return reply(200, msgspec.json.encode(answer))


@pytest.mark.parametrize(
    "answer",
    [
        verified(valid=True, permissions=["read", "write"]),
        verified(valid=True, permissions=["admin"]),
        verified(valid=True, permissions=[]),
        failed(404, "Cannot GET"),
    ],
)
async def test_a_key_that_may_read_and_write_is_enough(bench: Bench, answer: bytes) -> None:
    async with scripted(answer, columnar({"one": [1]})) as arc:
        await bench.store.check(bench.binding(arc.url))
    assert [asked.method for asked in arc.asked] == ["GET", "POST"]


async def test_a_key_that_lacks_a_right_is_found_out(bench: Bench) -> None:
    async with scripted(verified(valid=True, permissions=["read"])) as arc:
        with pytest.raises(StoreDenied, match="may not write"):
            await bench.store.check(bench.binding(arc.url))


async def test_a_key_that_is_unknown_is_found_out(bench: Bench) -> None:
    async with scripted(failed(401, "invalid token")) as arc:
        with pytest.raises(StoreDenied):
            await bench.store.check(bench.binding(arc.url))


async def test_a_check_of_what_is_no_arc_says_so(bench: Bench) -> None:
    async with scripted(reply(200, b"<html>")) as arc:
        with pytest.raises(StoreUnreachable, match="no Arc"):
            await bench.store.check(bench.binding(arc.url))


# --- deleting


async def test_a_deletion_goes_with_the_admin_key_alone(bench: Bench) -> None:
    answer = reply(200, b'{"success":true,"deleted_count":4}')
    async with scripted(reply(200, b"{}"), answer) as arc:
        await bench.doors.flush(bench.binding(arc.url), 30)
        assert await bench.doors.delete(bench.binding(arc.url), "false", 1, dry_run=True) == 4
    flushed, deleted = arc.asked
    assert flushed.path == "/api/v1/write/line-protocol/flush"
    assert {asked.headers["authorization"] for asked in arc.asked} == {f"Bearer {ADMIN_KEY}"}
    assert KEY not in str(arc.asked)
    assert msgspec.json.decode(deleted.body) == {
        "database": "memory",
        "measurement": "events",
        "where": "false",
        "dry_run": True,
        "confirm": True,
    }


async def test_more_than_the_arc_removes_at_once_is_said_apart(bench: Bench) -> None:
    async with scripted(failed(400, "Delete would affect 9 rows, exceeding maximum of 5")) as arc:
        assert await bench.doors.delete(bench.binding(arc.url), "false", 1, dry_run=True) is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply(207, b'{"deleted_count":1}'), StoreAmbiguous),
        (failed(403, "Delete operations are disabled"), StoreDenied),
        (failed(400, "WHERE clause contains forbidden keyword"), StoreRefused),
        (failed(503, "node is not primary writer"), StoreUnreachable),
        (reply(200, b"<html>"), StoreUnreachable),
    ],
)
async def test_a_deletion_that_fails_is_judged(bench: Bench, answer: bytes, error: type[StoreError]) -> None:
    async with scripted(answer) as arc:
        with pytest.raises(error):
            await bench.doors.delete(bench.binding(arc.url), "false", 1, dry_run=False)


async def test_a_flush_that_is_refused_says_so(bench: Bench) -> None:
    async with scripted(failed(403, "admin required")) as arc:
        with pytest.raises(StoreDenied):
            await bench.doors.flush(dataclasses.replace(bench.binding(arc.url), admin_key="weak"), 30)
