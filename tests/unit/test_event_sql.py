"""The statements, as text: where the bounds stand, and what fits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.events import sql
from core.adapters.events.literal import literal
from core.adapters.events.sql import Matching, Statement
from core.model.memory import Exclusion, MemoryFilter, OrgId, Position, Span

ORG = OrgId("org_acme")
SPAN = Span(1_773_568_800_000_000, 1_773_576_000_000_001)
BOUNDS = (
    "time >= '2026-03-15T10:00:00.000000Z' AND time < '2026-03-15T12:00:00.000001Z' AND org_id = 'org_acme'"
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=3_000)


def matching(
    filter: MemoryFilter | None = None,
    after: Position | None = None,
    room: int | None = None,
    keyed: bool = True,
) -> Matching:
    return Matching("events", ORG, filter or MemoryFilter(), SPAN, after, room, keyed)


def statements(m: Matching) -> list[Statement]:
    return [sql.search(m, "desc", 10), sql.times(m, "desc", 10), sql.identities(m), sql.tally(m, 5)]


def where(statement: Statement) -> str:
    return statement.text.split("WHERE ", 1)[1]


@pytest.mark.parametrize(
    "filter", [MemoryFilter(), MemoryFilter(session_id="s", tags=("a",), content_contains="x")]
)
def test_the_first_where_begins_with_both_bounds_and_the_org(filter: MemoryFilter) -> None:
    for statement in statements(matching(filter)):
        assert where(statement).startswith(BOUNDS)
        assert statement.text.count("WHERE") == 1
        assert statement.is_exact


def test_the_page_after_a_place_moves_the_bound_and_keeps_or_away_from_time() -> None:
    after = Position("desc", SPAN.since + 1, "it's")
    text = where(sql.search(matching(after=after), "desc", 10))
    assert "time < '2026-03-15T10:00:00.000002Z'" in text
    assert (
        "(epoch_us(time) != 1773568800000001 OR dedup_key < 'it''s' OR coalesce(dedup_key, '') = '')" in text
    )
    onwards = where(sql.search(matching(after=Position("asc", SPAN.since + 1, "k")), "asc", 10))
    assert onwards.startswith("time >= '2026-03-15T10:00:00.000001Z'")
    assert "dedup_key > 'k'" in onwards


def test_rows_without_a_key_are_ordered_by_the_one_of_their_content() -> None:
    text = sql.search(matching(after=Position("asc", SPAN.since, "k"), keyed=False), "asc", 10).text
    assert "sha256" in text
    assert text.endswith("ORDER BY time ASC, k ASC LIMIT 10")


def test_alternatives_of_one_are_an_equation() -> None:
    text = where(sql.search(matching(MemoryFilter(agent_ids=("a",), event_types=("x", "y"))), "asc", 1))
    assert "agent_id = 'a'" in text
    assert "event_type IN ('x', 'y')" in text


def test_a_dedup_key_is_asked_for_and_rows_without_one_are_let_through_once() -> None:
    wanted = MemoryFilter(dedup_key="it's")
    assert "(dedup_key = 'it''s' OR coalesce(dedup_key, '') = '')" in where(
        sql.search(matching(wanted), "desc", 1)
    )
    text = where(sql.search(matching(wanted, keyed=False), "desc", 1))
    assert "END = 'it''s')" in text
    assert " OR " not in text


def test_an_importance_of_zero_asks_nothing() -> None:
    assert "importance" not in where(sql.search(matching(MemoryFilter(min_importance=0.0)), "asc", 1))
    assert "TRY_CAST(importance AS DOUBLE) >= 0.5" in where(
        sql.search(matching(MemoryFilter(min_importance=0.5)), "asc", 1)
    )


def test_exclusions_are_left_out_with_times_as_numbers_and_never_null() -> None:
    filter = MemoryFilter(
        excluded=(Exclusion(until=5), Exclusion(until=7, session_id="it's", agent_ids=("a", "b")))
    )
    session = literal("it's")
    for statement in statements(matching(filter)):
        assert "NOT (epoch_us(time) < 5)" in statement.text
        assert (
            f"NOT (epoch_us(time) < 7 AND coalesce(session_id, '') = {session}"
            " AND coalesce(agent_id, '') IN ('a', 'b'))"
        ) in statement.text
        assert where(statement).startswith(BOUNDS)


def test_exclusions_without_room_are_left_to_the_caller() -> None:
    filter = MemoryFilter(excluded=tuple(Exclusion(until=n, session_id="s" * 120) for n in range(64)))
    statement = sql.search(matching(filter, room=sql.ROOM), "desc", 10)
    assert not statement.is_exact
    assert len(statement.text.encode()) <= sql.ROOM


def test_a_tally_without_repeats_reads_no_keys() -> None:
    assert "dedup_key" not in sql.tally(matching(), 5, distinct=False).text
    assert "SELECT DISTINCT" in sql.tally(matching(), 5).text


@pytest.mark.parametrize(
    ("time", "text"), [(-1, "'1970-01-01T00:00:00.000000Z'"), (2**62, "'9999-12-31T23:59:59.999999Z'")]
)
def test_times_beyond_the_calendar_are_clamped(time: int, text: str) -> None:
    assert sql.moment(time) == text


@given(TEXTS, st.lists(TEXTS, max_size=4), st.lists(TEXTS, max_size=4), st.integers(900, 9_500))
def test_a_statement_stays_within_its_room(
    content: str, tags: list[str], types: list[str], room: int
) -> None:
    filter = MemoryFilter(tags=tuple(tags), event_types=tuple(types), content_contains=content)
    for statement in statements(matching(filter, room=room)):
        assert len(statement.text.encode()) <= room
        assert where(statement).startswith(BOUNDS)


def test_what_has_no_room_is_left_out_and_said_so() -> None:
    long = "x_" * 3_000
    prefix = sql.search(matching(MemoryFilter(content_contains=long), room=1_000), "asc", 1)
    assert not prefix.is_exact
    assert "contains(content, 'x_x_" in prefix.text
    types = sql.search(matching(MemoryFilter(event_types=(long,), session_id="s"), room=1_000), "asc", 1)
    assert not types.is_exact
    assert "session_id = 's'" in types.text
    assert "event_type IN" not in types.text
    little = len(sql.search(matching(), "asc", 1).text) + 25
    nothing = sql.search(matching(MemoryFilter(content_contains="\\" * 50), room=little), "asc", 1)
    assert not nothing.is_exact
    assert "contains" not in nothing.text
    roomy = sql.search(matching(MemoryFilter(content_contains="short"), room=1_000), "asc", 1)
    assert roomy.is_exact
