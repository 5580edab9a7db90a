"""Literals, as DuckDB understands them: every text comes back as it went in."""

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.adapters.events.literal import literal

FRAGMENTS = [
    *(
        "'",
        "\\",
        "_",
        "__STR_0__",
        "__IDENT_1__",
        "read_parquet",
        "READ_",
        "PARQUET(",
        "\0",
        "--",
        "/*",
        "*/",
    ),
    *(
        ";",
        '"',
        "`",
        "$$",
        "E'",
        "%",
        "\n",
        "é",
        "😀",
        " time >= '2020-01-01' ",
        " WHERE ",
        "chr(92)",
        "' || '",
    ),
]
TEXTS = st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=200
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


@given(TEXTS, TEXTS)
@settings(max_examples=500, deadline=None)
def test_two_texts_of_one_statement_come_back_whole(
    connection: duckdb.DuckDBPyConnection, one: str, other: str
) -> None:
    sql = f"SELECT {literal(one)}, contains({literal(other + one)}, {literal(one)}), {literal(other)}"
    assert connection.execute(sql).fetchall() == [(one, True, other)]


@pytest.mark.parametrize("text", ["\\" * 8_192, "_" * 8_192, "'" * 8_192, "\\_\0'" * 2_048])
def test_the_longest_and_worst_texts_are_not_too_deep(
    connection: duckdb.DuckDBPyConnection, text: str
) -> None:
    assert connection.execute(f"SELECT {literal(text)}").fetchall() == [(text,)]
