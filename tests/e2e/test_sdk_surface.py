"""All that code can take from the released client is there in ours, and means the same."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.installation import ROOT, environment, finished

OURS: Final = str(ROOT / "sdks" / "python" / "src")
Surface = dict[str, Any]


async def surface(python: Path, path: str) -> Surface:
    """What the client tells of itself that is found on this path."""
    env = environment(PYTHONPATH=path) | ({} if path else {"PYTHONPATH": ""})
    done = await finished([python, Path(__file__).with_name("sdk_surface.py")], env=env)
    assert done.returncode == 0, done.stderr
    told: Surface = json.loads(done.stdout)
    return told


def lacking(released: Surface, ours: Surface) -> list[str]:
    """What the released client has and ours has not."""
    found = []
    for module, names in released.items():
        for name, value in names.items():
            where = f"memtrace{module}.{name}"
            if name not in ours[module]:
                found.append(f"{where} is missing")
            elif isinstance(value, dict):
                found += [f"{where}: {what}" for what in of_class(value, ours[module][name])]
            elif isinstance(value, list):
                found += [f"{where}: {what}" for what in of_function(value, ours[module][name])]
            elif value != ours[module][name]:
                found.append(f"{where} is of another type")
    return found


def of_class(released: Surface, ours: Surface) -> list[str]:
    found = [f"is no {base}" for base in released["bases"] if base not in ours["bases"]]
    for name, method in released["methods"].items():
        if name not in ours["methods"]:
            found.append(f"{name} is missing")
        else:
            found += [f"{name}: {what}" for what in of_function(method, ours["methods"][name])]
    for name, field in released["fields"].items():
        if ours["fields"].get(name) != field:
            found.append(f"field {name} was {field}")
    added = {name: field for name, field in ours["fields"].items() if name not in released["fields"]}
    return found + [f"new field {name} is required" for name, (_, required, *_) in added.items() if required]


def of_function(released: list[list[str]], ours: list[list[str]]) -> list[str]:
    """The same places and names; what was required may have become optional, and new ones are by name."""
    positional = [p for p in ours if p[1] not in ("KEYWORD_ONLY", "VAR_KEYWORD")]
    found = []
    for place, (name, kind, default) in enumerate(p for p in released if p[1] != "KEYWORD_ONLY"):
        mine = positional[place] if place < len(positional) else ["nothing", "", ""]
        if mine[:2] != [name, kind] or (default != mine[2] and default != "<class 'inspect._empty'>"):
            found.append(f"parameter {place} was {name}={default} and is {mine[0]}={mine[2]}")
    by_name = [p for p in released if p[1] == "KEYWORD_ONLY"]
    return found + [f"parameter {p[0]} was {p}" for p in by_name if p not in ours]


async def test_ours_has_all_that_the_released_client_has(sdk_python: Path) -> None:
    released, ours = await surface(sdk_python, ""), await surface(sdk_python, OURS)
    assert len(released[".models"]) >= 15
    assert lacking(released, ours) == []


@pytest.mark.parametrize(
    ("released", "ours"),
    [
        ([["a", "POSITIONAL_OR_KEYWORD", "1"]], [["a", "POSITIONAL_OR_KEYWORD", "2"]]),
        ([["a", "POSITIONAL_OR_KEYWORD", "1"]], [["b", "POSITIONAL_OR_KEYWORD", "1"]]),
        ([["a", "POSITIONAL_OR_KEYWORD", "1"]], []),
        ([["a", "KEYWORD_ONLY", "1"]], [["a", "KEYWORD_ONLY", "2"]]),
    ],
)
def test_the_comparison_sees_what_changed(released: list[list[str]], ours: list[list[str]]) -> None:
    assert of_function(released, ours)
