"""The Python of the integrations' pages runs as it stands, and prints what they say."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TURNS = [{"says": "Noted."}]
Played = Callable[[str, list[dict[str, Any]]], list[str]]


def blocks(page: str, language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    return [block for named, block in found if named == language]


@pytest.mark.parametrize(
    ("page", "number"),
    [
        ("docs/openai-agents.md", 0),
        ("integrations/openai-agents/README.md", 0),
        ("integrations/openai-agents/README.md", 1),
    ],
)
def test_the_agents_of_the_pages_answer(page: str, number: int, played_block: Played) -> None:
    output = played_block(blocks(page, "python")[number], TURNS)
    assert output[0] == "Noted."
    assert [line.split("_")[0] for line in output[1:]] in ([], ["Go on with sess"])


@pytest.mark.parametrize("number", [0, 1])
def test_the_page_on_langgraph_prints_what_it_shows(number: int, played_block: Played) -> None:
    page = "docs/langgraph.md"
    assert played_block(blocks(page, "python")[number], []) == blocks(page, "")[number].splitlines()


def test_the_graph_of_the_readme_remembers(played_block: Played) -> None:
    (block,) = blocks("integrations/langgraph/README.md", "python")
    assert played_block(block, []) == ["Hello", "Welcome back"]


def test_every_block_of_the_pages_is_run_here() -> None:
    pages = {"docs/openai-agents.md": 1, "docs/langgraph.md": 2}
    pages |= {"integrations/openai-agents/README.md": 2, "integrations/langgraph/README.md": 1}
    assert {page: len(blocks(page, "python")) for page in pages} == pages
    assert blocks("examples/README.md", "python") == []
