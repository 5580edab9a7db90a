"""What Arc does over HTTP, held to by the double and, where MEMTRACE_TEST_ARC_URL is set, by a live one."""

import gzip
import math
from datetime import UTC, datetime
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
import zstandard

from tests.local.arcs import HOUR, IN_THE_HOUR, T0, Arc

TIMES = "SELECT epoch_us(time) FROM events ORDER BY time"


async def types_of(arc: Arc) -> dict[str, str]:
    rows = await arc.rows("DESCRIBE SELECT * FROM events")
    return {row[0]: row[1] for row in rows}


# Writing


async def test_columns_are_stored_with_the_types_of_their_values(arc: Arc) -> None:
    await arc.write({"time": [T0], "i": [1], "f": [1.5], "s": ["x"], "b": [True]})
    assert await types_of(arc) == {
        "time": "TIMESTAMP WITH TIME ZONE",
        "i": "BIGINT",
        "f": "DOUBLE",
        "s": "VARCHAR",
        "b": "BOOLEAN",
    }
    assert await arc.rows("SELECT i, f, s, b FROM events") == [[1, 1.5, "x", True]]


async def test_what_is_taken_is_answered_with_nothing(arc: Arc) -> None:
    answer = await arc.send({"m": "events", "columns": {"time": [T0], "a": [1]}})
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
async def test_compression_is_found_by_the_first_bytes(arc: Arc, compress: Any) -> None:
    body = compress(msgpack.packb({"m": "events", "columns": {"time": [T0], "a": [1]}}))
    assert (await arc.send(body)).status_code == 204
    await arc.flush()
    assert await arc.rows("SELECT a FROM events") == [[1]]


async def test_the_header_that_names_a_compression_is_not_looked_at(arc: Arc) -> None:
    answer = await arc.send({"m": "events", "columns": {"time": [T0], "a": [1]}}, content_encoding="gzip")
    assert answer.status_code == 204


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "Empty payload"),
        (b"\x1f\x8bbroken", "Invalid gzip compression: "),
        (b"\x28\xb5\x2f\xfdbroken", "Invalid zstd compression: "),
        (b"\xc1", "Invalid MessagePack payload: "),
        (7, "Invalid MessagePack payload: "),
        ({"columns": {"time": [T0]}}, "Invalid MessagePack payload: missing required field 'm'"),
        ({"m": 1.5, "columns": {"time": [T0]}}, "Invalid MessagePack payload: invalid measurement type"),
        ({"m": "events", "columns": {}}, "Invalid MessagePack payload: columnar format requires non-empty"),
        ({"m": "events"}, "Invalid MessagePack payload: missing required field 'fields' or 'f'"),
        (
            {"m": "events", "columns": {"time": [T0], "a": [1, 2]}},
            "Invalid MessagePack payload: columnar format: array length mismatch",
        ),
        (
            {"m": "events", "columns": {"time": [None]}},
            "Invalid MessagePack payload: failed to normalize timestamps: invalid timestamp type",
        ),
        (
            {"m": "events", "columns": {"time": ["2026"]}},
            "Invalid MessagePack payload: failed to normalize timestamps: invalid timestamp type",
        ),
        (
            {"m": "events", "columns": {"time": [T0, True]}},
            "Invalid MessagePack payload: failed to normalize timestamps: invalid timestamp type at index 1",
        ),
        (
            {"m": "events", "columns": {"time": [msgpack.Timestamp(1)]}},
            "Invalid MessagePack payload: failed to normalize timestamps: invalid timestamp type",
        ),
        (
            {"m": "events", "columns": {"time": [T0], "a": [msgpack.ExtType(5, b"x")]}},
            "Invalid MessagePack payload: failed to unmarshal msgpack: ",
        ),
        ({"m": "events", "columns": {7: [1]}}, "Invalid MessagePack payload: missing required field"),
        ({"m": "events", "t": "now", "fields": {}}, "Invalid MessagePack payload: invalid timestamp type"),
        ({"m": True, "columns": {"time": [T0]}}, "Invalid MessagePack payload: invalid measurement type"),
        (gzip.compress(b"\x80" * 500, mtime=0)[:-9], "Invalid gzip compression: "),
        (zstandard.compress(b"\x80" * 500)[:-3], "Invalid zstd compression: "),
        ({"m": "1events", "columns": {"time": [T0]}}, 'invalid measurement name "1events": must start with'),
        ({"m": "e" * 129, "columns": {"time": [T0]}}, "invalid measurement name"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(arc: Arc, body: object, words: str) -> None:
    answer = await arc.send(body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(words)


@pytest.mark.parametrize("name", ["1db", "_db", "d" * 65, "a/b", "a.b"])
async def test_a_database_has_a_plain_name(arc: Arc, name: str) -> None:
    arc.database = name
    answer = await arc.send({"m": "events", "columns": {"time": [T0]}})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("invalid database name: must start with a letter")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["x", 1], "unexpected type in string column 'a'"),
        ([True, 1], "unexpected type in bool column 'a'"),
        ([1, "x"], "cannot convert string to int64 in column 'a'"),
        ([1, True], "cannot convert bool to int64 in column 'a'"),
        ([1.5, "x"], "cannot convert string to float64 in column 'a'"),
        ([1, 2**63], "cannot convert uint64 to int64 in column 'a'"),
        ([2**63, 1], "cannot convert uint64 to int64 in column 'a'"),
        ([b"x", b"y"], "unsupported column type for 'a'"),
        ([[1], [2]], "unsupported column type for 'a'"),
        ([{"k": 1}, None], "unsupported column type for 'a'"),
        ([msgpack.Timestamp(1), None], "unsupported column type for 'a'"),
    ],
)
async def test_values_of_mixed_or_unknown_types_are_a_failure_for_good(
    arc: Arc, values: list[Any], words: str
) -> None:
    answer = await arc.send({"m": "events", "columns": {"time": [T0, T0 + 1], "a": values}})
    assert answer.status_code == 500
    assert answer.json()["error"].startswith(f"Failed to write records: failed to convert columns: {words}")


async def test_a_number_that_is_none_becomes_the_smallest_integer(arc: Arc) -> None:
    await arc.write({"time": [T0, T0 + 1], "a": [1, math.nan]})
    assert await arc.rows("SELECT a = -9223372036854775808 FROM events ORDER BY time") == [[False], [True]]


async def test_what_no_number_can_say_is_kept_in_a_float_column(arc: Arc) -> None:
    await arc.write({"time": [T0, T0 + 1, T0 + 2], "a": [math.nan, math.inf, -math.inf]})
    sql = "SELECT CAST(a AS VARCHAR) FROM events ORDER BY time"
    assert await arc.rows(sql) == [["nan"], ["inf"], ["-inf"]]


async def test_an_integer_first_cuts_the_fractions_off_what_follows(arc: Arc) -> None:
    await arc.write({"time": [T0, T0 + 1, T0 + 2], "a": [1, 2.5, -2.5]})
    assert await arc.rows("SELECT a FROM events ORDER BY time") == [[1], [2], [-2]]


async def test_a_float_first_takes_integers(arc: Arc) -> None:
    await arc.write({"time": [T0, T0 + 1], "a": [1.5, 2]})
    assert await arc.rows("SELECT a FROM events ORDER BY time") == [[1.5], [2]]


async def test_nulls_before_the_first_value_do_not_decide_the_type(arc: Arc) -> None:
    await arc.write({"time": [T0, T0 + 1], "a": [None, 7]})
    assert await arc.rows("SELECT a FROM events ORDER BY time") == [[None], [7]]


async def test_a_column_of_nulls_is_a_text_column(arc: Arc) -> None:
    await arc.write({"time": [T0], "a": [None]})
    assert (await types_of(arc))["a"] == "VARCHAR"


async def test_one_file_of_nulls_turns_a_column_of_numbers_into_text(arc: Arc) -> None:
    await arc.write({"time": [T0], "a": [0.5]})
    await arc.write({"time": [T0 + 1], "a": [None]})
    assert await arc.rows("SELECT a FROM events ORDER BY time") == [["0.5"], [None]]


async def test_columns_with_an_underscore_in_front_are_not_stored(arc: Arc) -> None:
    await arc.write({"time": [T0], "a": [1], "_hidden": [1]})
    assert set(await types_of(arc)) == {"time", "a"}


async def test_a_column_that_is_no_array_is_not_stored(arc: Arc) -> None:
    await arc.write({"time": [T0], "a": [1], "b": 5})  # type: ignore[dict-item]
    assert set(await types_of(arc)) == {"time", "a"}


async def test_invalid_utf8_is_replaced(arc: Arc) -> None:
    text = msgpack.packb({"m": "events", "columns": {"time": [T0], "a": ["XX"]}}).replace(b"XX", b"\xff\xfe")
    assert (await arc.send(text)).status_code == 204
    await arc.flush()
    assert "�" in (await arc.rows("SELECT a FROM events"))[0][0]


async def test_texts_come_back_as_they_were(arc: Arc) -> None:
    texts = ["", "a'b\"c\\", "\n\t\r", "\x00\x01", "é😀\u2028", "__STR_0__ read_parquet"]
    await arc.write({"time": [T0 + i for i in range(len(texts))], "a": texts})
    assert await arc.rows("SELECT a FROM events ORDER BY time") == [[text] for text in texts]


async def test_an_integer_as_measurement_becomes_a_name(arc: Arc) -> None:
    await arc.send({"m": 7, "columns": {"time": [T0], "a": [1]}})
    await arc.flush()
    assert await arc.rows("SELECT a FROM measurement_7") == [[1]]


async def test_without_a_header_rows_land_in_the_default_database(arc: Arc) -> None:
    measurement = f"m{arc.database}"
    body = msgpack.packb({"m": measurement, "columns": {"time": [T0], "a": [1]}})
    assert (await arc.http.post("/api/v1/write/msgpack", content=body)).status_code == 204
    await arc.flush()
    answer = await arc.http.post("/api/v1/query", json={"sql": f"SELECT a FROM {measurement}"})
    assert answer.json()["data"] == [[1]]
    answer = await arc.http.post("/api/v1/query", json={"sql": f"SELECT a FROM default.{measurement}"})
    assert answer.json()["data"] == [[1]]


# Time


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ([T0 // 10**6], [T0]),
        ([T0 // 10**3], [T0]),
        ([T0], [T0]),
        ([T0 * 1000 + 999], [T0]),
        ([float(T0 // 10**6) + 0.5], [T0]),
        # The first decides for all.
        ([T0 // 10**3, T0 // 10**3 + 1], [T0, T0 + 1000]),
        ([10**10 - 1], [(10**10 - 1) * 10**6]),
        ([10**10], [10**10 * 1000]),
        ([10**13], [10**13]),
        ([-5], [-5_000_000]),
    ],
)
async def test_the_unit_of_time_is_guessed_from_the_first_value(
    arc: Arc, sent: list[float], stored: list[int]
) -> None:
    await arc.write({"time": sent, "a": [1] * len(sent)})
    assert await arc.rows(TIMES) == [[time] for time in stored]


async def test_rows_without_a_time_are_stamped(arc: Arc) -> None:
    before = datetime.now(UTC).timestamp() * 1e6 - 5e6
    await arc.write({"a": [1, 2]})
    times = [row[0] for row in await arc.rows(TIMES)]
    assert times[0] == times[1]
    assert before < times[0] < before + 60e6


async def test_a_write_is_stored_by_the_hours_of_its_rows(arc: Arc) -> None:
    await arc.write({"time": [T0, T0 + HOUR, T0 + HOUR - 1], "a": [1, 2, 3]})
    assert await arc.rows(f"SELECT a FROM events WHERE {IN_THE_HOUR} ORDER BY a") == [[1], [3]]
    assert await arc.rows("SELECT count(DISTINCT filename) FROM events") == [[2]]


# Older shapes


async def test_a_row_gains_a_host_and_its_tags_are_texts(arc: Arc) -> None:
    row = {"m": "events", "t": T0, "fields": {"a": 1, "zone": 2}, "tags": {"zone": 5}}
    assert (await arc.send(row)).status_code == 204
    await arc.flush()
    assert await arc.rows("SELECT a, host, zone, zone_value FROM events") == [[1, "unknown", "5", 2]]


@pytest.mark.parametrize(
    ("sent", "host"), [("web1", "web1"), (5, "host_5"), (1.5, "unknown"), (None, "unknown")]
)
async def test_a_host_is_a_text_or_made_one(arc: Arc, sent: object, host: str | None) -> None:
    row = {"m": "events", "t": T0, "h": sent, "fields": {"a": 1}, "tags": {"on": True, "none": None}}
    assert (await arc.send(row)).status_code == 204
    await arc.flush()
    assert await arc.rows('SELECT "on", "none" FROM events') == [["true", "<nil>"]]
    if host is None:
        assert "host" not in await types_of(arc)
    else:
        assert await arc.rows("SELECT host FROM events") == [[host]]


async def test_a_row_without_a_time_is_stamped(arc: Arc) -> None:
    assert (await arc.send({"m": "events", "fields": {"a": 1}})).status_code == 204
    await arc.flush()
    assert await arc.rows("SELECT time > TIMESTAMPTZ '2026-01-01 00:00:00Z' FROM events") == [[True]]


async def test_compact_fields_are_numbered(arc: Arc) -> None:
    assert (await arc.send({"m": "events", "t": T0, "h": 3, "f": [1, "x"]})).status_code == 204
    await arc.flush()
    assert await arc.rows("SELECT field_0, field_1, host FROM events") == [[1, "x", "host_3"]]


async def test_bad_items_of_a_batch_are_passed_over(arc: Arc) -> None:
    good = {"m": "events", "columns": {"time": [T0], "a": [1]}}
    uneven = {"m": "events", "columns": {"time": [T0], "a": [1, 2]}}
    assert (await arc.send({"batch": [uneven, good, 7]})).status_code == 204
    assert (await arc.send([uneven, good])).status_code == 204
    assert (await arc.send([uneven])).status_code == 204
    await arc.flush()
    assert await arc.rows("SELECT a FROM events") == [[1], [1]]


async def test_a_batch_that_fails_keeps_what_came_before(arc: Arc) -> None:
    good = {"m": "events", "columns": {"time": [T0], "a": [1]}}
    bad = {"m": "events", "columns": {"time": [T0], "a": [b"x"]}}
    assert (await arc.send([good, bad, good])).status_code == 500
    await arc.flush()
    assert await arc.rows("SELECT a FROM events") == [[1]]


async def test_no_rows_are_taken_and_fail_when_they_are_written_out(arc: Arc) -> None:
    assert (await arc.send({"m": "events", "columns": {"time": [], "a": []}})).status_code == 204
    answer = await arc.http.post("/api/v1/write/line-protocol/flush")
    assert answer.status_code == 500
    assert "no time data in batch" in answer.json()["error"]


async def test_other_columns_write_out_what_waits(arc: Arc) -> None:
    await arc.send({"m": "events", "columns": {"time": [T0], "a": [1]}})
    await arc.send({"m": "events", "columns": {"time": [T0 + 1], "a": [1], "b": ["x"]}})
    assert await arc.rows(f"SELECT a FROM events WHERE {IN_THE_HOUR}") == [[1]]
    await arc.flush()
    assert await arc.rows("SELECT a, b FROM events ORDER BY time") == [[1, None], [1, "x"]]


async def test_rows_are_counted_as_they_wait_and_as_they_are_written(arc: Arc) -> None:
    async def counted() -> tuple[int, int]:
        buffer = (await arc.http.get("/api/v1/write/msgpack/stats")).json()["buffer"]
        return buffer["total_records_buffered"], buffer["total_records_written"]

    before = await counted()
    await arc.write({"time": [T0, T0 + 1], "a": [1, 2]})
    assert await counted() == (before[0] + 2, before[1] + 2)


# Rendering

VALUES = [
    ("42::BIGINT", 42, "int64", 42),
    ("1::TINYINT", 1, "int8", 1),
    ("7::UBIGINT", 7, "uint64", 7),
    ("1.0::DOUBLE", 1, "float64", 1.0),
    ("0.1::DOUBLE", 0.1, "float64", 0.1),
    ("1e21::DOUBLE", 10**21, "float64", 1e21),
    ("'inf'::DOUBLE", None, "float64", math.inf),
    ("1::HUGEINT", "1", "int64", 1),
    ("0.5", "0.5", "float64", 0.5),
    ("12.50::DECIMAL(9,2)", "12.5", "float64", 12.5),
    ("10.00::DECIMAL(9,2)", "10", "float64", 10.0),
    ("3::DECIMAL(9,0)", "3", "int64", 3),
    ("'nan'::FLOAT", None, "float32", math.nan),
    ("2::UHUGEINT", "2", "int64", 2),
    ("'x'::ENUM('x', 'y')", "x", "unknown:dictionary<values=utf8, indices=uint8, ordered=false>", "x"),
    ("TIMESTAMP_S '2020-01-02'", "2020-01-02T00:00:00Z", "timestamp[s]", msgpack.Timestamp(1577923200)),
    ("TIMESTAMP_MS '2020-01-02'", "2020-01-02T00:00:00Z", "timestamp[ms]", msgpack.Timestamp(1577923200)),
    ("true", True, "bool", True),
    ("'x\"\\n'", 'x"\\n', "utf8", 'x"\\n'),
    ("NULL", None, "int32", None),
    ("'ab'::BLOB", "ab", "binary", b"ab"),
    ("[1, 2]", "[1,2]", "list", "[1,2]"),
    ("{'k': 'v'}", '{"k":"v"}', "struct", '{"k":"v"}'),
    ("MAP {'k': 1}", '[{"key":"k","value":1}]', "map", '[{"key":"k","value":1}]'),
    ("TIME '10:00:01.5'", "10:00:01.500000", "string_encoded", "10:00:01.500000"),
    (
        "INTERVAL '14 months 3 days 2 seconds'",
        '{"months":14,"days":3,"nanoseconds":2000000000}',
        "string_encoded",
        '{"months":14,"days":3,"nanoseconds":2000000000}',
    ),
    ("DATE '2020-01-02'", "2020-01-02T00:00:00Z", "date32", msgpack.Timestamp(1577923200)),
    ("TIMESTAMP '2020-01-02'", "2020-01-02T00:00:00Z", "timestamp[us]", msgpack.Timestamp(1577923200)),
    (
        "TIMESTAMPTZ '2020-01-02 00:00:00.5Z'",
        "2020-01-02T00:00:00.5Z",
        "timestamp[us]",
        msgpack.Timestamp(1577923200, 500_000_000),
    ),
    (
        "TIMESTAMP '2020-01-02 00:00:00.123450'",
        "2020-01-02T00:00:00.12345Z",
        "timestamp[us]",
        msgpack.Timestamp(1577923200, 123_450_000),
    ),
    (
        "TIMESTAMP_NS '2020-01-02 00:00:00.123456789'",
        "2020-01-02T00:00:00.123456789Z",
        "timestamp[ns]",
        msgpack.Timestamp(1577923200, 123_456_789),
    ),
]


@pytest.mark.parametrize(("expression", "as_json", "type", "packed"), VALUES, ids=[v[0] for v in VALUES])
async def test_a_value_is_written_by_its_type(
    arc: Arc, expression: str, as_json: Any, type: str, packed: Any
) -> None:
    assert await arc.rows(f"SELECT {expression} AS v") == [[as_json]]
    status, document = await arc.ask_packed(f"SELECT {expression} AS v")
    assert status == 200
    assert document["types"] == [type]
    assert repr(document["data"]) == repr([[packed]])  # so that nan is nan


async def test_the_json_answer_has_rows_and_says_how_many(arc: Arc) -> None:
    answer = await arc.ask("SELECT x, x + 1 AS y FROM (VALUES (1::BIGINT), (2)) t(x) ORDER BY x")
    document = answer.json()
    assert list(document) == ["success", "columns", "data", "row_count", "execution_time_ms", "timestamp"]
    assert document["columns"] == ["x", "y"]
    assert document["data"] == [[1, 2], [2, 3]]
    assert (document["success"], document["row_count"]) == (True, 2)
    assert datetime.fromisoformat(document["timestamp"]).microsecond == 0


async def test_the_packed_answer_has_columns_and_their_types(arc: Arc) -> None:
    status, document = await arc.ask_packed(
        "SELECT x, 'a' AS y FROM (VALUES (1::BIGINT), (2)) t(x) ORDER BY x"
    )
    assert status == 200
    assert set(document) == {
        "success",
        "columns",
        "types",
        "data",
        "row_count",
        "execution_time_ms",
        "timestamp",
    }
    assert document["data"] == [[1, 2], ["a", "a"]]
    assert (document["types"], document["row_count"]) == (["int64", "utf8"], 2)


async def test_an_integer_too_large_for_64_bits_is_a_failure_when_packed(arc: Arc) -> None:
    status, document = await arc.ask_packed("SELECT 10::HUGEINT ** 20 // 1 AS v")
    assert status == 200  # a double by then
    status, document = await arc.ask_packed("SELECT 99999999999999999999::HUGEINT AS v")
    assert status == 500
    assert document["error"].startswith("decimal cast failed at row 0: ")


async def test_what_is_no_query_may_have_no_rows(arc: Arc) -> None:
    document = (await arc.ask("PREPARE nothing AS SELECT 1")).json()
    assert (document["columns"], document["data"]) == (["Success"], [])


async def test_two_columns_may_have_one_name(arc: Arc) -> None:
    status, document = await arc.ask_packed("SELECT 1 AS a, now() AS a")
    assert (status, document["columns"]) == (200, ["a", "a"])


async def test_no_rows_still_have_columns(arc: Arc) -> None:
    await arc.write({"time": [T0], "a": [1]})
    status, document = await arc.ask_packed("SELECT a FROM events WHERE a = 2")
    assert (status, document["columns"], document["data"]) == (200, ["a"], [[]])


@pytest.mark.parametrize(
    ("accepted", "used"),
    [
        ("gzip", "gzip"),
        ("zstd, gzip", "zstd"),
        ("gzip;q=1, zstd;q=0.0", "gzip"),
        ("br", None),
        ("", None),
        ("gzip;q=x", "gzip"),
    ],
)
async def test_answers_are_compressed_as_the_client_asks(arc: Arc, accepted: str, used: str | None) -> None:
    answer = await arc.ask("SELECT 1 AS a", accept_encoding=accepted)
    assert answer.headers.get("content-encoding") == used
    assert answer.json()["data"] == [[1]]


# What is refused, and what fails


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("", "SQL query is required"),
        ("  ", "SQL query is required"),
        (f"SELECT '{'x' * 10_000}'", "SQL query exceeds maximum length (10000 characters)"),
        (f"SELECT '{'é' * 5_000}'", "SQL query exceeds maximum length (10000 characters)"),
        ("SELECT 1; SELECT 2", "Multiple SQL statements are not allowed"),
        ("DROP TABLE events", "Dangerous SQL operation not allowed"),
        ("DROP /* x */ TABLE events", "Dangerous SQL operation not allowed"),
        ("DELETE FROM events", "Dangerous SQL operation not allowed"),
        ("SET threads = 1", "Dangerous SQL operation not allowed"),
        ("SELECT 1 AS set", "Dangerous SQL operation not allowed"),
        ("COPY (SELECT 1) TO 'x'", "Dangerous SQL operation not allowed"),
        ("CREATE OR REPLACE SECRET s (TYPE s3)", "Dangerous SQL operation not allowed"),
        ("SELECT * FROM read_csv('x')", "File I/O function not allowed in user SQL: read_csv()"),
        ("SELECT * FROM \"glob\"('*')", "File I/O function not allowed in user SQL: glob()"),
        ("SELECT * FROM '/etc/passwd'", "String literal not allowed in table position"),
        ("SELECT * FROM events, '/x.parquet'", "String literal not allowed in table position"),
        ("SELECT * FROM (SELECT 1) a, '/x.parquet'", "String literal not allowed in table position"),
        ('SELECT * FROM "a/*.parquet"', "Quoted identifier in table position is not a valid database"),
        ("SELECT * FROM other.events", "Cross-database queries (db.table syntax) not allowed"),
        ("SELECT a FROM events WHERE a IS DISTINCT FROM 'x'", "String literal not allowed in table position"),
    ],
)
async def test_a_statement_may_be_refused(arc: Arc, sql: str, words: str) -> None:
    status, said = await arc.refusal(sql)
    assert status == 400
    assert said.startswith(words)
    packed_status, document = await arc.ask_packed(sql)
    assert (packed_status, document["error"]) == (400, said)
    assert set(document) == {"success", "error", "execution_time_ms", "timestamp"}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1;",
        "SELECT 'DROP TABLE x; SET y' AS a",
        'SELECT 1 AS "set"',
        "SELECT 1 -- ; SELECT 2",
        "SELECT 'read_csv(' AS a",
        "SELECT a.x FROM (VALUES (1)) a(x), (VALUES ('y')) b(y)",
        "SELECT extract(year FROM DATE '2020-01-01') AS a",
        "SELECT x FROM (VALUES (1)) t(x) WHERE x IS DISTINCT FROM (2)",
    ],
)
async def test_a_statement_that_looks_dangerous_may_pass(arc: Arc, sql: str) -> None:
    assert len(await arc.rows(sql)) == 1


async def test_a_body_that_is_not_declared_as_json_is_refused(arc: Arc) -> None:
    answer = await arc.http.post("/api/v1/query", content=b'{"sql": "SELECT 1"}')
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Invalid request body")


async def test_a_body_that_is_not_json_is_refused(arc: Arc) -> None:
    headers = {"content-type": "application/json"}
    answer = await arc.http.post("/api/v1/query", content=b"SELECT 1", headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Invalid request body")


@pytest.mark.parametrize("body", [b"[1]", b'"SELECT 1"', b'{"sql": 5}'])
async def test_a_body_of_another_shape_is_refused(arc: Arc, body: bytes) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}
    answer = await arc.http.post("/api/v1/query", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Invalid request body: json: ")


@pytest.mark.parametrize("body", [b"null", b"{}", b'{"sql": null}'])
async def test_a_body_without_a_statement_asks_for_one(arc: Arc, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = await arc.http.post("/api/v1/query", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "SQL query is required")


async def test_only_the_right_method_opens_a_door(arc: Arc) -> None:
    answer = await arc.http.get("/api/v1/write/msgpack")
    assert (answer.status_code, answer.json()) == (405, {"error": "Method Not Allowed"})


@pytest.mark.parametrize("name", ["a'b", "a.b", "1", "d" * 129])
async def test_a_header_may_name_no_odd_database(arc: Arc, name: str) -> None:
    answer = await arc.ask("SELECT 1", x_arc_database=name)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("invalid x-arc-database header: ")


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT nope FROM events", "Binder Error"),
        ("SELEC 1", "Parser Error"),
        ("SELECT s::INTEGER FROM events", "Conversion Error"),
        ("SELECT * FROM events, events AS twice", "Catalog Error"),
        ("SELECT count(*) FROM events WHERE s = 'x\x00'", "Parser Error"),
    ],
)
async def test_what_duckdb_cannot_do_is_a_failure_in_its_words(arc: Arc, sql: str, kind: str) -> None:
    await arc.write({"time": [T0], "s": ["x"]})
    status, said = await arc.refusal(sql)
    assert status == 500
    assert said.startswith(f"arrow query failed: {kind}: ")
    assert (await arc.ask_packed(sql))[0] == 500


async def test_failures_tell_where_the_files_are(arc: Arc) -> None:
    await arc.write({"time": [T0], "s": ["x"]})
    assert "read_parquet('/" in (await arc.refusal("SELECT nope FROM events"))[1]


async def test_a_failure_has_every_key_of_an_answer(arc: Arc) -> None:
    document = (await arc.ask("SELEC 1")).json()
    empty = {"columns": None, "data": None, "row_count": 0}
    assert {key: document[key] for key in empty} == empty
    assert set(document) == {*empty, "success", "execution_time_ms", "timestamp", "error"}


# Tables


async def test_a_measurement_that_is_not_there_is_an_empty_success(arc: Arc) -> None:
    document = (await arc.ask("SELECT a FROM nothing")).json()
    assert (document["success"], document["columns"], document["data"]) == (True, [], [])
    status, packed = await arc.ask_packed("SELECT a FROM nothing")
    assert (status, packed["columns"], packed["types"], packed["data"]) == (200, [], [], [])


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT a FROM "events"',
        "SELECT e.a FROM events AS e",
        "WITH x AS (SELECT a FROM events) SELECT a FROM x",
        "SELECT a FROM (SELECT a FROM events) AS s",
        "SELECT e.a FROM events e JOIN events f ON e.a = f.a",
        "SELECT e.a FROM events e\nLEFT  JOIN (VALUES (1)) v(a) ON e.a = v.a",
        "SELECT a FROM events QUALIFY row_number() OVER (PARTITION BY a) = 1",
        "SELECT a FROM /* the table */ events -- all of it",
        "SELECT a FROM events WHERE s = 'FROM nothing'",
        "SELECT a FROM events WHERE extract(year FROM time) = 2026",
        "select a from events",
        "SELECT a\nFROM\n  events",
    ],
)
async def test_tables_are_found_wherever_they_are_named(arc: Arc, sql: str) -> None:
    await arc.write({"time": [T0], "a": [1], "s": ["FROM nothing"]})
    assert await arc.rows(sql) == [[1]]


async def test_the_case_of_a_table_is_kept(arc: Arc) -> None:
    await arc.write({"time": [T0], "a": [1]}, "Events")
    assert await arc.rows("SELECT a FROM Events") == [[1]]
    assert (await arc.ask("SELECT a FROM events")).json()["columns"] == []


async def test_a_name_with_a_hyphen_needs_quotes(arc: Arc) -> None:
    await arc.write({"time": [T0], "a": [1]}, "the-events")
    assert await arc.rows('SELECT a FROM "the-events"') == [[1]]


async def test_files_with_other_columns_are_united(arc: Arc) -> None:
    await arc.write({"time": [T0], "a": [1]})
    await arc.write({"time": [T0 + 1], "b": ["x"]})
    assert await arc.rows("SELECT a, b FROM events ORDER BY time") == [[1, None], [None, "x"]]


async def test_databases_and_tables_are_listed(arc: Arc) -> None:
    await arc.write({"time": [T0], "a": [1]})
    assert [arc.database] in await arc.rows("SHOW DATABASES")
    rows = await arc.rows("SHOW TABLES")
    assert [(row[0], row[1], row[3]) for row in rows] == [(arc.database, "events", 1)]
    assert await arc.rows(f"SHOW TABLES FROM {arc.database};") == rows
    found = (await arc.http.get(f"/api/v1/databases/{arc.database}/measurements")).json()
    assert found == {"database": arc.database, "measurements": [{"name": "events"}], "count": 1}


async def test_a_function_is_taken_for_a_table_where_no_text_stands_beside_it(arc: Arc) -> None:
    status, said = await arc.refusal("SELECT x FROM range(3) t(x)")
    assert status == 500
    assert "Parser Error" in said
    assert len(await arc.rows("SELECT x FROM range(3) t(x) WHERE '' = ''")) == 3


async def test_tables_of_a_database_with_an_odd_name_are_not_listed(arc: Arc) -> None:
    answer = await arc.http.post("/api/v1/query", json={"sql": "SHOW TABLES FROM a.b"})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("invalid database name: name contains invalid characters")


async def test_an_empty_database_lists_no_tables(arc: Arc) -> None:
    assert await arc.rows("SHOW MEASUREMENTS -- none\n") == []


async def test_without_a_header_a_table_names_its_database(arc: Arc) -> None:
    await arc.write({"time": [T0], "a": [1]})
    table = f"{arc.database}.events"
    sql = f"SELECT x.a FROM {table} x LEFT JOIN {table} y ON x.a = y.a"
    answer = await arc.http.post("/api/v1/query", json={"sql": sql})
    assert answer.json()["data"] == [[1]]


# Texts that Arc misreads


async def test_a_placeholder_in_a_text_is_replaced_by_another_text(arc: Arc) -> None:
    await arc.write({"time": [T0], "a": [1]})
    rows = await arc.ask("SELECT '__STR_1__' AS x, 'other' AS y FROM events")
    assert rows.status_code == 500 or rows.json()["data"] != [["__STR_1__", "other"]]


async def test_a_backslash_at_the_end_of_a_text_hides_what_follows(arc: Arc) -> None:
    await arc.write({"time": [T0], "a": [1]})
    answer = await arc.ask("SELECT a FROM events WHERE 'x\\' != '--' AND a = 2")
    assert answer.status_code != 200 or answer.json()["data"] == [[1]]


async def test_read_parquet_in_a_text_leaves_the_tables_alone(arc: Arc) -> None:
    await arc.write({"time": [T0], "a": [1]})
    status, said = await arc.refusal("SELECT a FROM events WHERE 'read_parquet' = ''")
    assert status == 500
    assert "Catalog Error" in said


async def test_truncated_times_are_rounded_and_weeks_begin_on_thursdays(arc: Arc) -> None:
    await arc.write({"time": [T0 + HOUR - 300_000], "a": [1]})
    hour = "SELECT epoch_us(date_trunc('hour', {})) FROM events"
    assert await arc.rows(hour.format("time")) == [[T0 + HOUR]]
    assert await arc.rows(hour.format("(time)")) == [[T0]]
    week = await arc.rows("SELECT dayname(date_trunc('week', time)) FROM events")
    assert week == [["Thursday"]]


@pytest.mark.parametrize(
    ("bucket", "start"),
    [
        ("time_bucket(INTERVAL '1 hour', time)", T0 + HOUR),
        ("time_bucket('30 minutes', time)", T0 + HOUR),
        ("time_bucket(INTERVAL '1 hour', time, TIMESTAMP '2026-05-28 00:30:00')", T0 + HOUR // 2),
        ("time_bucket(INTERVAL '1 hour', time, '2026-05-28T00:30:00Z')", T0 + HOUR // 2),
        ("time_bucket(INTERVAL '1 day', (time))", T0 // (24 * HOUR) * 24 * HOUR),
        ("time_bucket(INTERVAL '1 hour', (time), TIMESTAMPTZ '2026-05-28 00:30:00Z')", T0 + HOUR // 2),
        ("date_trunc('month', (time))", 1_777_593_600_000_000),
        ("time_bucket(INTERVAL '1 month', time)", 1_777_593_600_000_000),
        ("date_trunc('month', time)", 1_777_593_600_000_000),
    ],
)
async def test_buckets_of_bare_columns_are_computed_in_whole_seconds(
    arc: Arc, bucket: str, start: int
) -> None:
    await arc.write({"time": [T0 + HOUR - 300_000], "a": [1]})
    assert await arc.rows(f"SELECT epoch_us({bucket}) FROM events") == [[start]]


# Pruning: which hours are read


@pytest.fixture
async def hours(arc: Arc) -> Arc:
    """One row in each of three hours, and one at the very beginning of the last."""
    await arc.write({"time": [T0 + 1, T0 + HOUR + 1, T0 + 2 * HOUR], "a": [1, 2, 3], "event_time": ["x"] * 3})
    return arc


COUNTS = [
    # Read as meant.
    (IN_THE_HOUR, [1]),
    ("time >= '2026-05-28T20:00:00Z' AND time < '2026-05-28T22:00:00Z'", [1, 2]),
    ("time >= '2026-05-28T22:00:00+02:00' AND time < '2026-05-28T23:00:00+02:00'", [1]),
    ("time >= '2026-05-28 20:00:00' AND time < '2026-05-28 21:00'", [1]),
    ("time BETWEEN '2026-05-28T20:00:00Z' AND '2026-05-28T21:30:00Z'", [1, 2]),
    ("\"time\" >= '2026-05-28T20:00:00Z' AND \"time\" <= '2026-05-28T22:00:00Z'", [1, 2, 3]),
    ("time <= TIMESTAMPTZ '2026-05-28 22:00:00Z'", [1, 2, 3]),
    ("time > '2026/05/28 21:00:00' AND time < '2026-05-28 22:00:00.5' AND true", [2, 3]),
    # No date, so no range: all hours are read.
    ("time >= '2026-05-28T21:00:00' OR a > 0", [1, 2, 3]),
    ("time >= '2026-05-28 21:00:00Z' OR a > 0", [1, 2, 3]),
    ("event_time >= '2026-13-01 25:00:00' OR a > 0", [1, 2, 3]),
    ("event_time >= '2026-05-28T21:00:00+99:00' OR a > 0", [1, 2, 3]),
    # The hour that begins at the end is left out, though its first instant is asked for.
    ("time >= '2026-05-28T20:00:00Z' AND time <= '2026-05-28T22:00:00Z'", [1, 2]),
    ("time BETWEEN '2026-05-28T20:00:00Z' AND '2026-05-28T22:00:00Z'", [1, 2]),
    # OR is not seen: only the hours of the range are read.
    ("(time >= '2026-05-28T21:00:00Z' AND time < '2026-05-28T22:00:00Z') OR a = 1", [2]),
    # Any name that ends so counts.
    ("event_time >= '2026-05-28T21:00:00Z' AND event_time < '2026-05-28T22:00:00Z' OR a > 0", [2]),
    # Half a range is completed by Arc itself.
    ("time < '2026-05-28T21:00:00Z'", [1]),
    # No data in the range: everything is read, and nothing found.
    ("time >= '2026-05-30T00:00:00Z' AND time < '2026-05-31T00:00:00Z' OR a > 0", [1, 2, 3]),
    ("time >= '2026-05-28T21:00:00Z' AND time < '2026-05-28T20:00:00Z' OR a > 0", [1, 2, 3]),
    ("time > now() - INTERVAL '99999999 days' OR a > 0", [1, 2, 3]),
    ("event_time BETWEEN '2026-05-28T20:00:00Z' AND 'never' OR a > 0", [1, 2, 3]),
    # Too wide a range: everything is read.
    ("(time >= '2001-01-01T00:00:00Z' AND time < '2026-05-28T21:00:00Z') OR a > 0", [1, 2, 3]),
]


@pytest.mark.parametrize(("where", "found"), COUNTS)
async def test_the_hours_of_the_first_range_are_read(hours: Arc, where: str, found: list[int]) -> None:
    rows = await hours.rows(f"SELECT a FROM events WHERE {where} ORDER BY a")
    assert [row[0] for row in rows] == found


async def test_one_range_holds_for_all_tables(hours: Arc) -> None:
    later = "time >= '2026-05-28T21:00:00Z' AND time < '2026-05-28T22:00:00Z'"
    sql = f"SELECT a FROM events WHERE {IN_THE_HOUR} UNION ALL SELECT a FROM events WHERE {later}"
    assert await hours.rows(sql) == [[1]]


async def test_a_range_after_the_grouping_is_not_seen(hours: Arc) -> None:
    sql = f"SELECT a FROM (SELECT a, time FROM events WHERE a > 0 ORDER BY a) AS s WHERE {IN_THE_HOUR}"
    assert await hours.rows(sql) == [[1]]


async def test_a_merged_day_is_read_too(arc: Arc) -> None:
    """The day's folder is looked into beside those of its hours."""
    await arc.write({"time": [T0], "a": [1]})
    whole = "time >= '2026-05-28T00:00:00Z' AND time < '2026-05-29T00:00:00Z'"
    assert await arc.rows(f"SELECT a FROM events WHERE {whole}") == [[1]]


async def test_a_new_hour_stays_hidden_from_a_range_that_looked_before(arc: Arc) -> None:
    """Only the beginning of it, which costs no waiting: `test_arc_double.py` has its end."""
    await arc.write({"time": [T0], "a": [1]})
    both = "time >= '2026-05-28T20:00:00Z' AND time < '2026-05-28T22:00:00Z'"
    assert await arc.rows(f"SELECT a FROM events WHERE {both} ORDER BY a") == [[1]]
    await arc.write({"time": [T0 + HOUR], "a": [2]})
    assert await arc.rows(f"SELECT a FROM events WHERE {both} ORDER BY a") == [[1]]
    assert await arc.rows(f"SELECT a FROM events WHERE {both} AND a > 0 ORDER BY a") == [[1]]
    unpruned = both.replace("time", '"time"')
    assert await arc.rows(f"SELECT a FROM events WHERE {unpruned} ORDER BY a") == [[1], [2]]
    only = "time >= '2026-05-28T21:00:00Z' AND time < '2026-05-28T21:00:00.000001Z'"
    # Its folder is known as empty, so there is none to read and all are read.
    assert await arc.rows(f"SELECT a FROM events WHERE {only}") == [[2]]


# Deleting


@pytest.fixture
async def people(arc: Arc) -> Arc:
    await arc.write({"time": [T0, T0 + 1, T0 + 2], "who": ["ann", "bob", None], "n": [1, 2, 3]})
    await arc.write({"time": [T0 + HOUR], "who": ["bob"], "n": [4]})
    return arc


NUMBERS = "SELECT n FROM events ORDER BY n"


async def test_a_dry_run_counts_and_deletes_nothing(people: Arc) -> None:
    status, said = await people.delete("who = 'bob'", dry_run=True)
    assert (status, said["success"], said["dry_run"]) == (200, True, True)
    assert (said["deleted_count"], said["affected_files"], said["rewritten_files"]) == (2, 2, 0)
    assert len(said["files_processed"]) == 2
    assert len(await people.rows(NUMBERS)) == 4


async def test_a_file_that_is_touched_also_loses_its_unknown_rows(people: Arc) -> None:
    status, said = await people.delete("who = 'bob'", confirm=True)
    assert (status, said["deleted_count"], said["rewritten_files"]) == (200, 3, 2)
    assert await people.rows(NUMBERS) == [[1]]


async def test_a_predicate_that_is_never_unknown_deletes_what_it_says(people: Arc) -> None:
    status, said = await people.delete("who IS NOT NULL AND who = 'bob'", confirm=True)
    assert (status, said["deleted_count"]) == (200, 2)
    assert await people.rows(NUMBERS) == [[1], [3]]


async def test_nothing_to_delete_is_a_success(people: Arc) -> None:
    status, said = await people.delete("who = 'eve'", confirm=True)
    assert (status, said["success"], said["deleted_count"], said["files_processed"]) == (200, True, 0, [])


async def test_a_deletion_from_what_is_not_there_is_a_success(arc: Arc) -> None:
    status, said = await arc.delete("a = 1", confirm=True)
    assert (status, said["success"], said["affected_files"]) == (200, True, 0)


async def test_everything_may_be_deleted_when_confirmed(people: Arc) -> None:
    assert (await people.delete("1=1", dry_run=True))[0] == 400
    status, said = await people.delete("1=1", confirm=True)
    assert (status, said["deleted_count"]) == (200, 4)
    assert (await people.ask(NUMBERS)).json()["columns"] == []


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("who = 'ann'", "Confirmation required for delete operation"),
        ("", "WHERE clause is required"),
        ("who = 'a;b'", "WHERE clause contains forbidden pattern: ;"),
        ("who = 'a--b'", "WHERE clause contains forbidden pattern: --"),
        ("who = 'please select'", "WHERE clause contains forbidden keyword: SELECT"),
        ("who = 'set'", "WHERE clause contains forbidden keyword: SET"),
        ("glob('*') = who", "WHERE clause contains forbidden file I/O function: glob()"),
        ("who = 'o''brien", "WHERE clause has unmatched quotes"),
        ("(who = 'ann'", "WHERE clause has unmatched parentheses"),
        ("who = ':)'", "WHERE clause has unmatched parentheses"),
        ("true", "Full table delete detected"),
        ("WHERE 1", "Full table delete detected"),
    ],
)
async def test_a_deletion_may_be_refused(people: Arc, where: str, words: str) -> None:
    status, said = await people.delete(where)
    assert (status, said["success"]) == (400, False)
    assert said["error"].startswith(words)
    assert len(await people.rows(NUMBERS)) == 4


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"measurement": "events", "where": "a = 1"}, "database is required"),
        ({"database": "d", "where": "a = 1"}, "measurement is required"),
        ({"database": "../d", "measurement": "e", "where": "a = 1"}, "database name contains invalid"),
        ({"database": "d", "measurement": "e/f", "where": "a = 1"}, "measurement name contains invalid"),
        ({"database": 5, "measurement": "e", "where": "a = 1"}, "Invalid request body: json: "),
    ],
)
async def test_a_deletion_names_what_it_is_from(arc: Arc, body: dict[str, object], words: str) -> None:
    answer = await arc.http.post("/api/v1/delete", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(words)


async def test_a_leading_where_deletes_nothing_and_calls_it_a_success(people: Arc) -> None:
    status, said = await people.delete("WHERE who = 'bob'", confirm=True)
    assert (status, said["success"], said["deleted_count"]) == (200, True, 0)


async def test_an_unknown_column_deletes_nothing_and_calls_it_a_success(people: Arc) -> None:
    status, said = await people.delete("nope = 'bob'", confirm=True)
    assert (status, said["success"], said["deleted_count"]) == (200, True, 0)


async def test_a_hidden_file_behind_a_stale_list_empties_the_answer(people: Arc) -> None:
    """The folder is still believed to have files: the whole list fails, and looks like no data."""
    both = "time >= '2026-05-28T20:00:00Z' AND time < '2026-05-28T22:00:00Z'"
    assert len(await people.rows(f"SELECT n FROM events WHERE {both}")) == 4
    await people.delete("n = 4", confirm=True)
    document = (await people.ask(f"SELECT n FROM events WHERE {both}")).json()
    assert (document["success"], document["columns"]) == (True, [])
    assert await people.rows(NUMBERS) == [[1], [2], [3]]


async def test_the_rules_of_deletion_can_be_asked_for(arc: Arc) -> None:
    rules = (await arc.http.get("/api/v1/delete/config")).json()
    assert (rules["enabled"], rules["confirmation_threshold"], rules["max_rows_per_delete"]) == (
        True,
        10_000,
        1_000_000,
    )


# Tokens, probes, databases


async def token(arc: Arc, *permissions: str) -> str:
    body = {"name": arc.database, "permissions": list(permissions)}
    answer = await arc.http.post("/api/v1/auth/tokens", json=body)
    assert answer.status_code == 201
    made: str = answer.json()["token"]
    return made


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "Token name is required"),
        (
            {"name": "x", "permissions": ["all"]},
            "Invalid permission: all. Valid permissions are: ",
        ),
    ],
)
async def test_a_token_needs_a_name_and_known_permissions(
    arc: Arc, body: dict[str, object], words: str
) -> None:
    answer = await arc.http.post("/api/v1/auth/tokens", json=body)
    assert (answer.status_code, answer.json()["success"]) == (400, False)
    assert answer.json()["error"].startswith(words)


@pytest.mark.parametrize("path", ["auth/tokens", "databases", "delete", "query"])
@pytest.mark.parametrize("body", [b"{", b"[1]"])
async def test_what_is_no_json_object_opens_no_door(arc: Arc, path: str, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = await arc.http.post(f"/api/v1/{path}", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Invalid request body: ")


async def test_a_token_may_write_and_read_unless_told_otherwise(arc: Arc) -> None:
    made = await arc.http.post("/api/v1/auth/tokens", json={"name": arc.database})
    headers = {"authorization": f"Bearer {made.json()['token']}"}
    verified = (await arc.http.get("/api/v1/auth/verify", headers=headers)).json()
    assert sorted(verified["permissions"]) == ["read", "write"]


async def test_a_token_is_taken_from_the_query(arc: Arc) -> None:
    answer = await arc.http.get(
        "/api/v1/databases", headers={"authorization": ""}, params={"p": await token(arc, "read")}
    )
    assert answer.status_code == 200


DOORS = [
    ("POST", "/api/v1/write/msgpack", "write"),
    ("POST", "/api/v1/query", "read"),
    ("POST", "/api/v1/query/msgpack", "read"),
    ("POST", "/api/v1/write/line-protocol/flush", "admin"),
    ("POST", "/api/v1/delete", "admin"),
    ("GET", "/api/v1/delete/config", "admin"),
    ("GET", "/api/v1/auth/tokens", "admin"),
    ("POST", "/api/v1/databases", "admin"),
]


@pytest.mark.parametrize(("method", "path", "permission"), DOORS)
async def test_a_door_asks_for_its_permission(arc: Arc, method: str, path: str, permission: str) -> None:
    others = [p for p in ("read", "write", "delete") if p != permission]
    headers = {"authorization": f"Bearer {await token(arc, *others)}"}
    answer = await arc.http.request(method, path, headers=headers)
    assert (answer.status_code, answer.json()) == (
        403,
        {"success": False, "error": f"Permission denied: {permission} required"},
    )


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"authorization": ""}, "Authentication required"),
        ({"authorization": "Bearer x"}, "Invalid or expired token"),
    ],
)
async def test_nobody_comes_in_without_a_token(arc: Arc, headers: dict[str, str], words: str) -> None:
    answer = await arc.http.post("/api/v1/query", json={"sql": "SELECT 1"}, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"success": False, "error": words})


@pytest.mark.parametrize("form", ["Bearer {}", "Token {}", "{}"])
async def test_a_token_is_taken_in_three_forms(arc: Arc, form: str) -> None:
    headers = {"authorization": form.format(await token(arc, "read"))}
    assert (await arc.http.get("/api/v1/auth/verify", headers=headers)).json()["permissions"] == ["read"]


async def test_a_token_is_taken_as_an_api_key(arc: Arc) -> None:
    headers = {"authorization": "", "x-api-key": await token(arc, "read")}
    assert (await arc.http.get("/api/v1/auth/verify", headers=headers)).status_code == 200


async def test_verifying_no_token_says_so(arc: Arc) -> None:
    answer = await arc.http.get("/api/v1/auth/verify", headers={"authorization": ""})
    assert (answer.status_code, answer.json()) == (401, {"valid": False, "error": "No token provided"})
    answer = await arc.http.get("/api/v1/auth/verify", headers={"authorization": "Bearer x"})
    assert (answer.status_code, answer.json()) == (401, {"valid": False, "error": "Invalid or expired token"})


async def test_probes_are_open(arc: Arc) -> None:
    for path, status in (("/health", "ok"), ("/ready", "ready")):
        answer = await arc.http.get(path, headers={"authorization": ""})
        assert (answer.status_code, answer.json()["status"]) == (200, status)


async def test_a_database_can_be_made_and_dropped(arc: Arc) -> None:
    made = await arc.http.post("/api/v1/databases", json={"name": arc.database})
    assert (made.status_code, made.json()["measurement_count"]) == (201, 0)
    again = await arc.http.post("/api/v1/databases", json={"name": arc.database})
    assert again.status_code == 409
    path = f"/api/v1/databases/{arc.database}"
    listed = (await arc.http.get("/api/v1/databases")).json()
    assert {"name": arc.database, "measurement_count": 0} in listed["databases"]
    assert (await arc.http.get(path)).json() == {"name": arc.database, "measurement_count": 0}
    assert (await arc.http.delete(path)).status_code == 400
    assert (await arc.http.delete(f"{path}?confirm=true")).status_code == 200
    assert (await arc.http.get(path)).status_code == 404
    assert (await arc.http.delete(f"{path}?confirm=true")).status_code == 404
    assert (await arc.http.get(f"{path}/measurements")).status_code == 404


@pytest.mark.parametrize("name", ["", "1x", "system"])
async def test_a_database_needs_a_name_that_is_free(arc: Arc, name: str) -> None:
    assert (await arc.http.post("/api/v1/databases", json={"name": name})).status_code == 400


async def test_an_unknown_door_is_not_found(arc: Arc) -> None:
    answer = await arc.http.get("/api/v1/nothing")
    assert (answer.status_code, answer.json()) == (404, {"error": "Cannot GET /api/v1/nothing"})
