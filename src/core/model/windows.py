"""Which stretches of time to read, in which order, so that the cost follows the answer."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from core.model.memory import MemoryFilter, Micros, Order, Span

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_WIDTHS: Final = (5 * MINUTE, HOUR, 24 * HOUR, 7 * DAY, 30 * DAY, 366 * DAY)


def widths(filter: MemoryFilter) -> tuple[Micros | None, ...]:
    """How wide the first, second, … window is; None means all that is left.

    A narrow filter finds little in minutes, so it starts with a day. A substring alone may be
    as common as anything: it starts with an hour.
    """
    if not filter.is_narrow:
        return (*_WIDTHS, None)
    if filter == MemoryFilter(content_contains=filter.content_contains):
        return (*_WIDTHS[1:], None)
    return (*_WIDTHS[2:], None)


def cut(rest: Span, order: Order, width: Micros | None) -> tuple[Span, Span]:
    """(the window to read next, what is left after it); together they are `rest`, and they are disjoint.

    The far edge of a window of an hour or more falls on a full hour, of a week or more on a
    full day, because the store keeps its files so: none is opened for two windows.
    """
    if width is None:
        return rest, Span(rest.until, rest.until)
    grain = DAY if width >= 7 * DAY else HOUR if width >= HOUR else 1
    if order == "desc":
        edge = (rest.until - width) // grain * grain
        edge = max(rest.since, edge)
        return Span(edge, rest.until), Span(rest.since, edge)
    edge = -(-(rest.since + width) // grain) * grain
    edge = min(rest.until, edge)
    return Span(rest.since, edge), Span(edge, rest.until)


def clusters(
    times: Sequence[Micros], until: Micros, *, gap: Micros, most: int, longest: Micros
) -> list[Span]:
    """Disjoint spans in order that hold all these times, each of them `longest` at most.

    Times closer than `gap` share a span, and so does `until` with the last of them. No more
    than `most` spans before they are cut to length: where there would be more, those with the
    least between them are joined.
    """
    ordered = sorted({time for time in times if time < until})
    if not ordered:
        return []
    between = sorted((b - a for a, b in pairwise(ordered)), reverse=True)
    apart = max(gap, between[most - 1] + 1) if len(between) >= most else gap
    spans: list[Span] = []
    since = ordered[0]
    for last, following in pairwise(ordered):
        if following - last >= apart:
            spans.append(Span(since, last + 1))
            since = following
    end = ordered[-1] + 1
    spans.append(Span(since, until if until - end < gap else end))
    return [piece for span in spans for piece in pieces(span, longest)]


def pieces(span: Span, longest: Micros) -> list[Span]:
    """The span in consecutive parts of this length at most."""
    return [Span(since, min(since + longest, span.until)) for since in range(span.since, span.until, longest)]


def complement(whole: Span, spans: Sequence[Span]) -> list[Span]:
    """What is in `whole` and in none of the spans, which are disjoint and in order."""
    rest: list[Span] = []
    since = whole.since
    for span in spans:
        if since < span.since:
            rest.append(Span(since, min(span.since, whole.until)))
        since = max(since, span.until)
    if since < whole.until:
        rest.append(Span(since, whole.until))
    return rest
