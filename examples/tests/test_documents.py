"""The Python of the integrations' pages runs as it stands, and prints what they say."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
AGENTS = [{"turns": [{"says": "Noted."}]}]


def blocks(page: str, language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    return [block for named, block in found if named == language]


def printed(block: str, folder: Path, scenes: list[Any]) -> str:
    """What a block prints, with the stand-in for models that it may ask."""
    example, script = folder / "example.py", folder / "script.json"
    example.write_text(block)
    script.write_text(json.dumps(scenes))
    run = "import sys; from pathlib import Path; import stand_in; "
    run += "sys.exit(stand_in.run(Path(sys.argv[1]), [], script=Path(sys.argv[2])))"
    line = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT / 'examples')!r}); {run}"]
    done = subprocess.run([*line, example, script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("page", "number"),
    [
        ("docs/openai-agents.md", 0),
        ("integrations/openai-agents/README.md", 0),
        ("integrations/openai-agents/README.md", 1),
    ],
)
def test_the_agents_of_the_pages_answer(page: str, number: int, tmp_path: Path) -> None:
    output = printed(blocks(page, "python")[number], tmp_path, AGENTS).splitlines()
    assert output[0] == "Noted."
    assert [line.split("_")[0] for line in output[1:]] in ([], ["Go on with sess"])


@pytest.mark.parametrize("number", [0, 1])
def test_the_page_on_langgraph_prints_what_it_shows(number: int, tmp_path: Path) -> None:
    page = "docs/langgraph.md"
    assert printed(blocks(page, "python")[number], tmp_path, []) == blocks(page, "")[number]


def test_the_graph_of_the_readme_remembers(tmp_path: Path) -> None:
    (block,) = blocks("integrations/langgraph/README.md", "python")
    assert printed(block, tmp_path, []) == "Hello\nWelcome back\n"


def test_every_block_of_the_pages_is_run_here() -> None:
    pages = {"docs/openai-agents.md": 1, "docs/langgraph.md": 2}
    pages |= {"integrations/openai-agents/README.md": 2, "integrations/langgraph/README.md": 1}
    assert {page: len(blocks(page, "python")) for page in pages} == pages
    assert blocks("examples/README.md", "python") == []
