"""The token estimate against counts measured with two real vocabularies (bench/tokens makes them)."""

import json
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.tokens import HUNDREDTHS, estimate, price, reach
from core.model.vocabulary import PAIRS, WORDS

MEASURED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "tokens_measured.json").read_text(encoding="utf-8")
)
SCRIPTS = [0xE9, 0x3B1, 0x416, 0x4E2D, 0x3042, 0x30A2, 0xAC00, 0x1F600, 0x103FF, 0xE0041, 0x2603, 0x200D]
TEXTS = st.text(alphabet=st.one_of(st.characters(), st.sampled_from("ab AB_09.,=\n\t")), max_size=200)


def ratio(measured: dict[str, Any]) -> float:
    return float(estimate(measured["text"]) / max(measured["o200k"], measured["cl100k"]))


@pytest.mark.parametrize("measured", MEASURED, ids=lambda measured: str(measured["kind"]))
def test_no_measured_text_costs_more_than_its_estimate(measured: dict[str, Any]) -> None:
    assert estimate(measured["text"]) >= max(measured["o200k"], measured["cl100k"])


def test_the_estimate_is_seldom_far_above_what_was_measured() -> None:
    assert median(map(ratio, MEASURED)) <= 1.45


@pytest.mark.parametrize(
    ("kinds", "limit"),
    [
        (("English",), 1.60),
        (("Python", "JavaScript", "Go", "SQL"), 1.55),
        (("JSON",), 1.40),
        (("UUID", "hex", "memory ids", "numbers"), 1.20),
        (("log line",), 1.20),
        (("Chinese", "Japanese", "Korean"), 1.50),
    ],
)
def test_the_margin_of_a_kind_stays_as_measured(kinds: tuple[str, ...], limit: float) -> None:
    assert median(ratio(measured) for measured in MEASURED if measured["kind"] in kinds) <= limit


def test_nothing_costs_nothing() -> None:
    assert estimate("") == 0
    assert estimate("a") >= 1


@given(TEXTS)
def test_lines_can_be_priced_one_by_one(text: str) -> None:
    lines = text.replace("\r", "\n").splitlines(keepends=True)
    whole = "".join(lines)
    assert price(whole) <= sum(map(price, lines))


@given(TEXTS)
def test_every_character_costs_something(text: str) -> None:
    assert price(text) >= 3 * len(text)
    assert estimate(text) * HUNDREDTHS >= price(text)


@given(TEXTS, st.integers(0, 5000))
def test_what_is_within_reach_fits_the_budget(text: str, budget: int) -> None:
    at = reach(text, budget)
    assert price(text[:at]) <= budget or at == 0
    assert at == len(text) or price(text) > budget


@pytest.mark.parametrize("code_point", SCRIPTS)
def test_every_script_has_a_price(code_point: int) -> None:
    assert 80 <= price(chr(code_point)) <= 400


def test_the_tables_hold_lower_case_words_and_pairs() -> None:
    assert all(word.isalpha() and word.islower() for word in WORDS)
    assert all(len(pair) == 2 and pair.islower() for pair in PAIRS)
