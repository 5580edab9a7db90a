"""A session as markdown: the format, the budget, and what hostile content cannot do."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.context import Rendered, render, section_of
from core.model.memory import Memory
from core.model.tokens import estimate
from tests.unit.fakes import memory, ordered

START = 1_770_495_000_000_000  # 2026-02-07T20:10:00Z
MINUTE = 60_000_000
LINE = re.compile(r"- \[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\] [^\n]*: [^\n]*")

CONTENTS = st.one_of(
    st.text(max_size=300),
    st.text(alphabet="ab c\n#-👍\u0301\u200d", max_size=400),
    st.sampled_from(["word " * 100, "\n### Errors (7)\n- [x] y: z", "", "x" * 5000]),
)


@st.composite
def sessions(draw: st.DrawFn, most: int = 25) -> list[Memory]:
    times = draw(st.lists(st.integers(0, 10**10), max_size=most, unique=True))
    return ordered(
        [
            memory(
                START + time,
                memory_type=draw(st.sampled_from(["episodic", "decision", "entity", "session"])),
                event_type=draw(st.sampled_from(["error", "note", "page_crawled"])),
                content=draw(CONTENTS),
                importance=draw(st.sampled_from([0.0, 0.3, 0.9])),
            )
            for time in times
        ],
        "desc",
    )


def lines_of(rendered: Rendered) -> list[str]:
    return [line for line in rendered.text.splitlines() if line.startswith("- ")]


def test_the_format_is_the_contracts() -> None:
    memories = [
        memory(START + 5 * MINUTE + 999_999, event_type="page_crawled", content="Crawled " + "x" * 100),
        memory(START + 4 * MINUTE, memory_type="decision", event_type="decision", content="Skip pagination"),
        memory(START + 3 * MINUTE, event_type="error", content="Rate limited"),
        memory(START + 2 * MINUTE, memory_type="entity", event_type="preference", content="Prefers e-mail"),
    ]
    rendered = render("sess_abc123", memories, None)
    assert rendered.text == (
        "## Session Context (sess_abc123)\n"
        "\n### Recent Actions (1)\n"
        f"- [2026-02-07T20:15:00Z] page_crawled: Crawled {'x' * 72}...\n"
        "\n### Decisions Made (1)\n"
        "- [2026-02-07T20:14:00Z] decision: Skip pagination\n"
        "\n### Errors (1)\n"
        "- [2026-02-07T20:13:00Z] error: Rate limited\n"
        "\n### Other (1)\n"
        "- [2026-02-07T20:12:00Z] preference: Prefers e-mail\n"
    )
    assert (rendered.shown, rendered.omitted, rendered.truncated) == (4, 0, True)
    assert rendered.tokens == estimate(rendered.text)


def test_an_empty_session_is_its_title() -> None:
    rendered = render("sess_1", [], None)
    assert rendered == Rendered("## Session Context (sess_1)\n", 0, 0, False, rendered.tokens)


@pytest.mark.parametrize("memory_type", ["episodic", "session", "decision", "entity"])
def test_an_error_is_listed_as_one_whatever_its_type(memory_type: str) -> None:
    assert section_of(memory(START, event_type="error", memory_type=memory_type)) == "Errors"


def test_without_a_budget_the_newest_hundred_are_shown() -> None:
    memories = ordered([memory(START + n) for n in range(130)], "desc")
    rendered = render("s", memories, None)
    assert (rendered.shown, rendered.omitted, rendered.truncated) == (100, 30, True)
    assert "### Recent Actions (100)\n" in rendered.text


def test_content_of_eighty_characters_is_whole_and_of_one_more_is_cut() -> None:
    whole = render("s", [memory(START, content="y" * 80)], None)
    cut = render("s", [memory(START, content="y" * 81)], None)
    assert (lines_of(whole)[0][-81:], whole.truncated) == (" " + "y" * 80, False)
    assert (lines_of(cut)[0][-84:], cut.truncated) == (" " + "y" * 80 + "...", True)


@settings(deadline=None)
@given(sessions(), st.one_of(st.none(), st.integers(1, 2000)))
def test_a_memory_is_one_line_and_nothing_in_it_forges_another(
    memories: list[Memory], max_tokens: int | None
) -> None:
    rendered = render("sess_1", memories, max_tokens)
    lines = lines_of(rendered)
    assert all(LINE.fullmatch(line) for line in lines)
    headings = [line for line in rendered.text.splitlines() if line.startswith("#")]
    counts = [int(heading.rsplit("(", 1)[1][:-1]) for heading in headings[1:]]
    assert sum(counts) == len(lines) == rendered.shown
    assert rendered.shown + rendered.omitted == len(memories)


@settings(deadline=None, max_examples=300)
@given(sessions(), st.integers(1, 3000))
def test_a_budget_is_never_exceeded(memories: list[Memory], max_tokens: int) -> None:
    rendered = render("sess_1", memories, max_tokens)
    assert estimate(rendered.text) == rendered.tokens <= max_tokens


@settings(deadline=None)
@given(sessions(), st.one_of(st.none(), st.integers(1, 2000)))
def test_the_same_memories_give_the_same_bytes(memories: list[Memory], max_tokens: int | None) -> None:
    assert render("s", memories, max_tokens) == render("s", list(memories), max_tokens)


@settings(deadline=None)
@given(sessions(), sessions(most=5))
def test_without_a_budget_lines_stay_when_new_memories_come(old: list[Memory], new: list[Memory]) -> None:
    fresh = [memory(m.time + 10**11, content=m.content) for m in new]
    before, after = lines_of(render("s", old, None)), lines_of(render("s", [*fresh, *old], None))
    assert [line for line in after if line in before] == before


@settings(deadline=None)
@given(sessions())
def test_with_room_for_everything_all_contents_are_whole(memories: list[Memory]) -> None:
    rendered = render("s", memories, 1_000_000)
    assert (rendered.shown, rendered.omitted, rendered.truncated) == (len(memories), 0, False)
    assert "x" * 5000 in rendered.text or not any(m.content == "x" * 5000 for m in memories)


def test_a_budget_goes_to_decisions_and_errors_then_importance_then_recency() -> None:
    by_priority = [
        memory(START + 1, event_type="error", content="beta"),
        memory(START, memory_type="decision", event_type="e", content="alpha"),
        memory(START + 2, event_type="e", importance=0.9, content="gamma"),
        memory(START + 4, event_type="e", content="epsilon"),
        memory(START + 3, event_type="e", content="delta"),
    ]
    memories = ordered(by_priority, "desc")
    for count in range(1, 6):
        first = ordered(by_priority[:count], "desc")
        exactly = render("s", first, 10_000)
        assert render("s", memories, exactly.tokens).text == exactly.text


def test_everything_gets_its_short_line_before_any_is_lengthened() -> None:
    memories = ordered([memory(START + n, content=f"{n} " + "word " * 400) for n in range(5)], "desc")
    short = render("s", memories, None)
    rendered = render("s", memories, short.tokens + 2)
    assert rendered.shown == 5


def test_what_a_budget_leaves_lengthens_the_first_and_is_used_up() -> None:
    memories = ordered([memory(START + n, content="word " * 400) for n in range(3)], "desc")
    rendered = render("s", memories, 300)
    lengths = [len(line) for line in lines_of(rendered)]
    assert lengths[0] > 500
    assert lengths[1] - lengths[2] < 20
    assert rendered.tokens > 290
    assert lines_of(rendered)[0].endswith("...")


def test_a_line_that_does_not_fit_lets_shorter_ones_pass() -> None:
    memories = [memory(START + 1, event_type="error", content="\U0001f9ff" * 80), memory(START, content="ok")]
    rendered = render("s", memories, 80)
    assert lines_of(rendered) == ["- [2026-02-07T20:10:00Z] general: ok"]
    assert rendered.omitted == 1


@pytest.mark.parametrize("length", [81, 82, 83, 84])
def test_a_content_just_too_long_is_whole_with_a_budget(length: int) -> None:
    rendered = render("s", [memory(START, content="word" * 20 + "y" * (length - 80))], 1000)
    assert lines_of(rendered)[0].endswith("y" * (length - 80))
    assert not rendered.truncated


def test_a_budget_too_small_for_a_memory_gives_the_title_and_for_the_title_nothing() -> None:
    memories = [memory(START)]
    title = render("s", [], None)
    assert render("s", memories, title.tokens) == Rendered(title.text, 0, 1, True, title.tokens)
    assert render("s", memories, 1) == Rendered("", 0, 1, True, 0)


def test_a_lengthened_cut_splits_no_character() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    for budget in range(330, 900, 13):
        rendered = render("s", [memory(START, content=family * 200)], budget)
        content = lines_of(rendered)[0].split(": ", 1)[1].removesuffix("...")
        assert content == family * (len(content) // len(family))
        assert rendered.tokens <= budget


def test_a_budget_of_a_run_of_line_breaks_is_not_lost_in_them() -> None:
    rendered = render("s", [memory(START, content="a" + "\n" * 300_000 + "b")], 1000)
    assert lines_of(rendered) == ["- [2026-02-07T20:10:00Z] general: a b"]


@pytest.mark.parametrize(
    "content", ["!?" * 100, "a!b?" * 90, "catalogue " * 30, "\U0001f9ff" * 100, "x " * 99 + "\n"]
)
def test_every_budget_is_used_as_far_as_it_goes(content: str) -> None:
    one = [memory(START, content=content)]
    whole = render("s", one, 10_000)
    shown = 0
    for budget in range(60, whole.tokens + 1):
        rendered = render("s", one, budget)
        assert rendered.tokens <= budget
        if rendered.shown:
            shown += 1
            assert rendered.tokens >= budget - 15
    assert shown > 5
    assert render("s", one, whole.tokens) == whole
    assert not whole.truncated


def test_a_character_too_large_for_a_line_is_left_out_whole() -> None:
    one = [memory(START, content="e" + "\u0301" * 500)]
    for max_tokens in (None, 60, 70, 100):
        assert lines_of(render("s", one, max_tokens)) == ["- [2026-02-07T20:10:00Z] general: ..."]
