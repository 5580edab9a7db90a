"""Examples and blocks of pages, run as they are, with the stand-in in the place of the model."""

import json
import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from anthropic import Anthropic
from memtrace import Memtrace
from openai import OpenAI

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from examples import stand_in

Played = Callable[..., list[str]]


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Played:
    """The lines that a program prints. It runs in this process: importing a client takes a second."""

    def play(program: Path, arguments: Sequence[str] = (), *, script: Path) -> list[str]:
        monkeypatch.setattr(sys, "argv", [str(program), *arguments])
        with stand_in.standing_in(script) as variables:
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            left = runpy.run_path(str(program), run_name="__main__")
        for client in left.values():
            if isinstance(client, Memtrace | Anthropic | OpenAI):
                client.close()  # a process would end here
        return capsys.readouterr().out.splitlines()

    return play


@pytest.fixture
def played_block(played: Played, tmp_path: Path) -> Callable[[str, list[dict[str, Any]]], list[str]]:
    """The same for a block of a page, with the turns that the model takes."""

    def play(block: str, turns: list[dict[str, Any]]) -> list[str]:
        program, script = tmp_path / "block.py", tmp_path / "script.json"
        program.write_text(block)
        script.write_text(json.dumps([{"turns": turns}]))
        return played(program, script=script)

    return play
