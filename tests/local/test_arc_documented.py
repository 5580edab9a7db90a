"""`docs/development.md` says what the double takes: its doors, its options and its faults."""

import re
from pathlib import Path
from typing import Any

from starlette.routing import Route

from local.arc.__main__ import parser
from local.arc.control import control_routes
from local.arc.double import ArcDouble
from local.arc.faults import KINDS
from local.arc.settings import ArcSettings

_WHOLE = (Path(__file__).parents[2] / "docs" / "development.md").read_text()
PAGE = _WHOLE.partition("## The double of Arc")[2].partition("\n## ")[0]


def test_its_doors_are_those_of_the_page(tmp_path: Path) -> None:
    double = ArcDouble(ArcSettings(tmp_path))
    served: dict[str, set[str]] = {}
    for route in control_routes(double):
        assert isinstance(route, Route)
        served.setdefault(route.path, set()).update((route.methods or set()) - {"HEAD"})
    rows = re.findall(r"^\| `(/_double/\w+)` \| ([A-Z, ]+) \|", PAGE, re.MULTILINE)
    assert {path: set(methods.split(", ")) for path, methods in rows} == served


def test_its_options_are_those_of_the_page() -> None:
    actions: list[Any] = parser()._actions
    options = {name for action in actions for name in action.option_strings} - {"-h", "--help"}
    assert options == set(re.findall(r"--[a-z][a-z-]+", PAGE))


def test_its_faults_are_those_of_the_page() -> None:
    listed = PAGE.partition("Kinds of `Fault`:")[2].partition("Beside")[0]
    assert set(re.findall(r"`(\w+)`", listed)) == set(KINDS)
