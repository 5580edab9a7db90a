"""Merging two ordered sources into one page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import InvalidCursor, InvalidRequest
from core.model.memory import Memory, MemoryQuery, Order, Position, Span
from core.model.paging import MAX_OFFSET, PageMerge, beyond, check_query, far_edge, span_of
from core.model.timewindow import LATEST
from tests.unit.fakes import memory, ordered

ROWS = st.lists(st.builds(memory, st.integers(1, 12), st.sampled_from(["a", "b", "c"])), max_size=25)
ORDERS = st.sampled_from(["desc", "asc"])


@given(ROWS, ROWS, ORDERS, st.integers(1, 6), st.integers(0, 6), st.integers(1, 5))
def test_a_page_is_the_slice_of_the_distinct_union(
    tail: list[Memory], stored: list[Memory], order: Order, limit: int, offset: int, fetch: int
) -> None:
    query = MemoryQuery(order=order, limit=limit, offset=offset)
    merge = PageMerge(query, ordered(tail, order))
    rest = ordered(stored, order)
    while rest and not merge.is_full:
        merge.take(rest[:fetch], rest[:fetch][-1].identity)
        rest = beyond(rest, Position(order, *rest[:fetch][-1].identity))
    merge.finish()
    truth = ordered(list({m.identity: m for m in [*tail, *stored]}.values()), order)
    page = merge.page()
    assert page.memories == truth[offset : offset + limit]
    assert page.has_more == (len(truth) > offset + limit)
    assert (page.next is None) == (not page.has_more)


def test_a_page_continues_after_its_last_memory() -> None:
    merge = PageMerge(MemoryQuery(limit=1), [memory(2), memory(1)])
    merge.finish()
    assert merge.page().next == Position("desc", 2, "k2")


@pytest.mark.parametrize("order", ["desc", "asc"])
def test_the_far_edge_takes_in_the_whole_window_and_nothing_beyond(order: Order) -> None:
    tail = ordered([memory(t) for t in (9, 10, 19, 20)], order)
    merge = PageMerge(MemoryQuery(order=order, limit=10), tail)
    merge.take((), far_edge(Span(10, 20), order))
    expected = {"desc": [20, 19, 10], "asc": [9, 10, 19]}
    assert [m.time for m in merge.page().memories] == expected[order]


def test_a_cursor_narrows_the_span_from_its_side() -> None:
    assert span_of(MemoryQuery()) == Span(0, LATEST + 1)
    assert span_of(MemoryQuery(since=3, until=9, after=Position("desc", 5, "k"))) == Span(3, 6)
    assert span_of(MemoryQuery(since=3, until=9, order="asc", after=Position("asc", 5, "k"))) == Span(5, 9)
    assert span_of(MemoryQuery(since=7, until=9, order="asc", after=Position("asc", 5, "k"))) == Span(7, 9)


def test_a_cursor_of_the_other_order_is_refused() -> None:
    with pytest.raises(InvalidCursor):
        check_query(MemoryQuery(order="asc", after=Position("desc", 5, "k")))


def test_an_offset_too_large_is_refused_with_the_way_out() -> None:
    check_query(MemoryQuery(offset=MAX_OFFSET))
    with pytest.raises(InvalidRequest) as caught:
        check_query(MemoryQuery(offset=MAX_OFFSET + 1))
    assert "cursor" in (caught.value.hint or "")
