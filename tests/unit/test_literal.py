"""The literal encoder: what its output looks like (what it means is proved in tests/events)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.events.literal import literal, literal_within

PIECE = re.compile(r"'((?:[^']|'')*)'|chr\((92|0)\)")
NASTY = st.text(st.sampled_from("_\\'\"\0;-READ_PARQUETread_parquet \n%é😀"), max_size=60)
TEXTS = st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), NASTY)


def value_of(sql: str) -> str:
    """What the pieces of a literal add up to."""
    return "".join(chr(int(m[2])) if m[2] else m[1].replace("''", "'") for m in PIECE.finditer(sql))


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("", "''"),
        ("plain", "'plain'"),
        ("it's", "'it''s'"),
        ("a_b", "'a_b'"),
        ("a__b", "('a_' || '_b')"),
        ("___", "('_' || '_' || '_')"),
        ("\\", "(chr(92))"),
        ("a\\'b", "('a' || chr(92) || '''b')"),
        ("\0", "(chr(0))"),
        ("Read_Parquet(", "('Read' || '_Parquet(')"),
        ("__STR_1__", "('_' || '_STR_1_' || '_')"),
    ],
)
def test_dangerous_pieces_are_taken_apart(text: str, sql: str) -> None:
    assert literal(text) == sql


@given(TEXTS)
def test_the_pieces_add_up_to_the_text(text: str) -> None:
    assert value_of(literal(text)) == text


@given(TEXTS)
def test_no_piece_holds_anything_that_arc_misreads(text: str) -> None:
    sql = literal(text)
    assert "\\" not in sql
    assert "\0" not in sql
    for match in PIECE.finditer(sql):
        assert "__" not in match[0]
        assert "read_parquet" not in match[0].lower()
    assert not PIECE.sub("", sql).strip(" |()")


@given(st.text(st.sampled_from("_\\"), min_size=500, max_size=3_000))
def test_many_pieces_nest_a_few_levels_deep(text: str) -> None:
    depth = deepest = 0
    for char in PIECE.sub("", literal(text)):
        depth += (char == "(") - (char == ")")
        deepest = max(deepest, depth)
    assert depth == 0
    assert deepest <= 4


@given(TEXTS, st.integers(-5, 200))
def test_a_prefix_is_the_longest_that_fits(text: str, room: int) -> None:
    sql, is_whole = literal_within(text, room)
    prefix = value_of(sql)
    assert text.startswith(prefix)
    assert is_whole == (len(literal(text).encode()) <= room)
    if prefix:
        assert len(sql.encode()) <= room
    if not is_whole:
        assert len(literal(text[: len(prefix) + 1]).encode()) > room
