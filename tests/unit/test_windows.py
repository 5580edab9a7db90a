"""Windows cover a span once, in reading order; clusters hold every time they are made for."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from core.model.memory import MemoryFilter, Order, Span
from core.model.windows import DAY, HOUR, MINUTE, clusters, complement, cut, pieces, widths

TIMES = st.integers(min_value=0, max_value=40 * DAY)
SPANS = st.tuples(TIMES, TIMES).map(lambda ends: Span(min(ends), max(ends) + 1))
ORDERS = st.sampled_from(["desc", "asc"])


def read_all(span: Span, order: Order, filter: MemoryFilter) -> list[Span]:
    found = []
    rest = span
    for width in widths(filter):
        if rest.is_empty:
            break
        window, rest = cut(rest, order, width)
        found.append(window)
    assert rest.is_empty
    return found


@given(SPANS, ORDERS, st.booleans())
def test_windows_cover_the_span_without_gap_or_overlap(span: Span, order: Order, narrow: bool) -> None:
    found = read_all(span, order, MemoryFilter(session_id="s" if narrow else ""))
    if order == "desc":
        found.reverse()
    assert found[0].since == span.since
    assert found[-1].until == span.until
    assert all(a.until == b.since for a, b in pairwise(found))
    assert not any(window.is_empty for window in found)


def test_a_broad_question_starts_with_five_minutes() -> None:
    window, _ = cut(Span(0, 10 * DAY), "desc", widths(MemoryFilter())[0])
    assert window == Span(10 * DAY - 5 * MINUTE, 10 * DAY)


def test_a_narrow_question_starts_with_a_day_and_a_substring_with_an_hour() -> None:
    assert widths(MemoryFilter(session_id="s"))[0] == DAY
    assert widths(MemoryFilter(tags=("t",), content_contains="x"))[0] == DAY
    assert widths(MemoryFilter(content_contains="x"))[0] == HOUR


def test_windows_of_hours_end_on_full_hours_and_of_weeks_on_full_days() -> None:
    now = 100 * DAY + 5 * HOUR + 7
    assert cut(Span(0, now), "desc", HOUR)[0].since == 100 * DAY + 4 * HOUR
    assert cut(Span(0, now), "desc", 7 * DAY)[0].since == 93 * DAY
    assert cut(Span(7, now), "asc", HOUR)[0].until == 2 * HOUR
    assert cut(Span(7, now), "asc", 7 * DAY)[0].until == 8 * DAY


@given(st.lists(TIMES), TIMES, st.integers(1, 8), st.integers(1, 30 * HOUR))
def test_clusters_are_disjoint_in_order_and_hold_each_time_before_the_end(
    times: list[int], until: int, most: int, gap: int
) -> None:
    found = clusters(times, until, gap=gap, most=most, longest=DAY)
    assert all(a.until <= b.since for a, b in pairwise(found))
    assert all(not span.is_empty and span.until - span.since <= DAY for span in found)
    assert all(span.until <= until for span in found)
    for time in times:
        assert sum(span.since <= time < span.until for span in found) == (time < until)


@given(st.lists(TIMES, min_size=1), st.integers(1, 8))
def test_there_are_never_more_clusters_than_allowed(times: list[int], most: int) -> None:
    assert len(clusters(times, 50 * DAY, gap=1, most=most, longest=100 * DAY)) <= most


def test_clusters_stay_tight_around_what_is_unsettled() -> None:
    times = [1 * DAY, 1 * DAY + 5, 9 * DAY]
    found = clusters(times, 10 * DAY, gap=HOUR, most=8, longest=DAY)
    assert found == [Span(DAY, DAY + 6), Span(9 * DAY, 9 * DAY + 1)]


def test_the_last_cluster_reaches_the_end_when_it_is_near() -> None:
    assert clusters([10 * DAY - 5], 10 * DAY, gap=HOUR, most=8, longest=DAY) == [Span(10 * DAY - 5, 10 * DAY)]


@given(SPANS, st.lists(TIMES))
def test_a_span_and_its_complement_hold_every_time_once(whole: Span, times: list[int]) -> None:
    inner = clusters(times, whole.until, gap=HOUR, most=8, longest=DAY)
    rest = complement(whole, inner)
    for time in [whole.since, whole.until - 1, *times]:
        if whole.since <= time < whole.until:
            assert sum(span.since <= time < span.until for span in [*inner, *rest]) == 1
    assert not any(span.is_empty for span in rest)


def test_pieces_of_a_span_are_consecutive() -> None:
    assert pieces(Span(0, 25), 10) == [Span(0, 10), Span(10, 20), Span(20, 25)]
