"""Foreign text on one line, cut where no character is split."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.excerpt import one_line, opening, safe_cut

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
HOSTILE = st.text(
    alphabet=st.one_of(
        st.characters(),
        st.sampled_from("\n\r\t \x00\x0b\x0c\x1c\x1d\x1e\x7f\x85\u2028\u2029\u200d\u0301\ufe0f#- "),
    )
)


@pytest.mark.parametrize(
    "end", ["\n", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
)
def test_every_kind_of_line_end_becomes_a_space(end: str) -> None:
    assert one_line(f"a{end}### Errors (9)") == "a ### Errors (9)"


def test_indentation_around_a_line_break_goes_with_it() -> None:
    assert one_line("  if a:  \n\t\n    b\n") == "if a: b"


def test_spaces_without_a_line_break_stay() -> None:
    assert one_line("a  b\u3000\u00a0c") == "a  b\u3000\u00a0c"


def test_a_lone_surrogate_is_replaced() -> None:
    assert one_line("a\ud83d") == "a\ufffd"


@given(HOSTILE)
def test_one_line_is_one_line_for_every_reader(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in line)
    assert one_line(line) == line


@given(HOSTILE, st.integers(1, 30))
def test_an_opening_is_the_start_of_the_line(text: str, length: int) -> None:
    start, is_all = opening(text, length)
    line = one_line(text)
    assert len(start) <= length
    assert line.startswith(start)
    assert is_all == (len(line) <= length)
    assert start == (line if is_all else line[: safe_cut(line, length)])


def test_an_opening_after_many_line_breaks_is_found() -> None:
    assert opening("\n" * 5000 + "late", 80) == ("late", True)


@pytest.mark.parametrize(
    "cluster",
    [
        "e\u0301",
        "e\u0301\u0302\u0303",
        FAMILY,
        "\U0001f44d\U0001f3ff",
        "\u2764\ufe0f",
        "1\ufe0f\u20e3",
        "\U0001f1e9\U0001f1ea",
        "\u0928\u093f",
        "\u0915\u094d\u0937",
        "\u1112\u1161\u11ab",
        "\uff76\uff9e",
        "\U0001f3f4\U000e0067\U000e0062\U000e007f",
    ],
)
def test_no_cut_splits_a_character(cluster: str) -> None:
    text = f"ab{cluster}{cluster}cd"
    allowed = {0, 1, 2, 2 + len(cluster), 2 + 2 * len(cluster), len(text) - 1, len(text)}
    for at in range(len(text) + 1):
        cut = safe_cut(text, at)
        assert cut == max(place for place in allowed if place <= at)


def test_a_cut_beyond_the_end_is_the_end() -> None:
    assert safe_cut("abc", 9) == 3
