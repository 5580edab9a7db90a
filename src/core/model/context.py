"""A session's memories as markdown for a language model's prompt, within a token budget if asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from core.model.excerpt import ELLIPSIS, one_line, opening, safe_cut
from core.model.memory import ERROR_EVENT, Memory
from core.model.timewindow import rfc3339
from core.model.tokens import HUNDREDTHS, estimate, price, reach

MOST_SHOWN: Final = 100
"""Without a budget, this many memories, the newest, are shown."""
CUT_AT: Final = 80
"""Characters of content that a short line shows."""

_ERRORS: Final = "Errors"
_OTHER: Final = "Other"
_SECTION_OF_TYPE: Final = {"episodic": "Recent Actions", "decision": "Decisions Made"}
_SECTIONS: Final = ("Recent Actions", "Decisions Made", _ERRORS, _OTHER)
_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Rendered:
    """The markdown, how much of the memories is in it, and the estimate of its tokens."""

    text: str
    shown: int
    omitted: int
    truncated: bool
    """Whether memories are left out or the content of any is cut."""
    tokens: int


def render(session_id: str, memories: Sequence[Memory], max_tokens: int | None) -> Rendered:
    """The newest first in each section; the same memories and arguments give the same bytes.

    `memories` come newest first. Each is one line, whatever it holds. Without a budget its line
    depends on that memory alone. With a budget the text is never estimated above it, and the
    line of a memory can change when others come; not while everything fits in full.
    """
    page = _Page(session_id, max_tokens)
    if max_tokens is None:
        page.admit(memories[:MOST_SHOWN])
    else:
        by_priority = sorted(memories, key=_priority)
        page.admit(by_priority)
        page.lengthen(by_priority)
    return page.finished(memories)


def section_of(memory: Memory) -> str:
    """Where a memory is listed: an error is one whatever its type."""
    if memory.event_type == ERROR_EVENT:
        return _ERRORS
    return _SECTION_OF_TYPE.get(memory.memory_type, _OTHER)


def _priority(memory: Memory) -> tuple[bool, float, int]:
    """Decisions and errors, then importance, then recency (sorting keeps the newest first among equals)."""
    is_urgent = memory.event_type == ERROR_EVENT or memory.memory_type == "decision"
    return (not is_urgent, -memory.importance, -memory.time)


class _Page:
    """Lines chosen so far and what they cost, exactly: prices add up at the ends of lines."""

    def __init__(self, session_id: str, max_tokens: int | None) -> None:
        self._budget = None if max_tokens is None else max_tokens * HUNDREDTHS
        self._title = f"## Session Context ({session_id})\n"
        self._spent = price(self._title) if max_tokens is not None else 0
        self._lines: dict[tuple[int, str], str] = {}
        self._cut: set[tuple[int, str]] = set()
        self._counts = dict.fromkeys(_SECTIONS, 0)

    def admit(self, memories: Sequence[Memory]) -> None:
        """Gives each its short line, in this order; one that does not fit is passed over."""
        for memory in memories:
            content, is_all = opening(memory.content, CUT_AT)
            line = _line(memory, content, is_all)
            section = section_of(memory)
            if self._budget is not None:
                count = self._counts[section]
                cost = price(line) + _heading_price(section, count + 1) - _heading_price(section, count)
                if self._spent + cost > self._budget:
                    continue
                self._spent += cost
            self._counts[section] += 1
            self._lines[memory.identity] = line
            if not is_all:
                self._cut.add(memory.identity)

    def lengthen(self, memories: Sequence[Memory]) -> None:
        """Gives the cut ones, in this order, as much of their content as the rest of the budget holds."""
        assert self._budget is not None
        for memory in memories:
            if self._budget - self._spent < HUNDREDTHS:
                return
            if memory.identity not in self._cut:
                continue
            short = self._lines[memory.identity]
            available = self._budget - self._spent + price(short)
            line, is_all = _longest_line(memory, available)
            if is_all or len(line) > len(short):
                self._lines[memory.identity] = line
                self._spent += price(line) - price(short)
            if is_all:
                self._cut.discard(memory.identity)

    def finished(self, memories: Sequence[Memory]) -> Rendered:
        """The text; empty when the budget does not even hold the title."""
        if self._budget is not None and self._spent > self._budget:
            return Rendered("", 0, len(memories), bool(memories), 0)
        listed = [memory for memory in memories if memory.identity in self._lines]
        parts = [self._title]
        for section in _SECTIONS:
            if count := self._counts[section]:
                parts.append(_heading(section, count))
                parts += [self._lines[m.identity] for m in listed if section_of(m) == section]
        text = "".join(parts)
        omitted = len(memories) - len(listed)
        return Rendered(text, len(listed), omitted, bool(omitted or self._cut), estimate(text))


def _heading(section: str, count: int) -> str:
    return f"\n### {section} ({count})\n"


@lru_cache(maxsize=4_096)
def _heading_price(section: str, count: int) -> int:
    """What the heading adds: its empty line joins the end of the line before it."""
    return price("\n" + _heading(section, count)) - price("\n") if count else 0


def _line(memory: Memory, content: str, is_all: bool) -> str:
    time = rfc3339(memory.time - memory.time % _SECOND)
    end = "" if is_all else ELLIPSIS
    return f"- [{time}] {one_line(memory.event_type)}: {content}{end}\n"


def _longest_line(memory: Memory, available: int) -> tuple[str, bool]:
    """(the line with as much content as this price buys, whether that is all of it).

    Where it buys none, a line without content, which is no longer than the short one. A character
    costs a hundredth at the very least, so no more of a long content is looked at.
    """
    start = len(_line(memory, "", is_all=True)) - 1
    head = memory.content[:available]
    content = one_line(head)
    line = _line(memory, content, is_all=True)
    if len(head) == len(memory.content) and price(line) <= available:
        return line, True
    at = max(0, reach(line, available - price(f"{ELLIPSIS}\n")) - start)
    while True:
        at = safe_cut(content, at)
        line = _line(memory, content[:at], is_all=False)
        if at == 0 or price(line) <= available:
            return line, False
        at -= max(1, at // 100)
