"""The stand-in notices where an example and its script part, so that the examples' tests can fail."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples import stand_in

Ask = Callable[..., list[Any]]
TOOL = {"name": "t", "input_schema": {"properties": {"a": {}}, "required": ["a"]}}


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """What the stand-in answers to requests, by these scenes."""

    def ask_it(scenes: list[Any], *requests: dict[str, Any], path: str = "/v1/messages") -> list[Any]:
        script, answers = tmp_path / "script.json", []
        script.write_text(json.dumps(scenes))
        with stand_in.standing_in(script) as variables:
            for body in requests:
                request = urllib.request.Request(
                    variables["ANTHROPIC_BASE_URL"] + path, json.dumps(body).encode()
                )
                try:
                    with urllib.request.urlopen(request) as answer:
                        answers.append(json.load(answer))
                except urllib.error.HTTPError as refusal:
                    refusal.close()
        return answers

    return ask_it


@pytest.mark.parametrize(
    ("turns", "request_body", "path", "problem"),
    [
        ([], {}, "/v1/messages", "the script has no more turns"),
        ([{"says": "a"}, {"says": "b"}], {}, "/v1/messages", "the example ended before its script"),
        ([{"says": "a", "expects": ["x"]}], {}, "/v1/messages", "the request does not have 'x'"),
        ([{"calls": [{"name": "t", "input": {}}]}], {}, "/v1/messages", "the request has no tool t"),
        (
            [{"calls": [{"name": "t", "input": {"b": 1}}]}],
            {"tools": [TOOL]},
            "/v1/messages",
            r"t: no parameters \['b'\], missing \['a'\]",
        ),
        ([{"says": "a"}], {}, "/v1/other", "/v1/other"),
    ],
)
def test_what_is_not_in_the_script_is_an_error(
    ask: Ask, turns: list[Any], request_body: dict[str, Any], path: str, problem: str
) -> None:
    with pytest.raises(stand_in.NotAsScripted, match=problem):
        ask([{"turns": turns}], request_body, path=path)


def test_the_first_scene_that_fits_is_played(ask: Ask) -> None:
    scenes = [
        {"when": "known", "turns": [{"says": "again"}]},
        {"turns": [{"says": "new"}]},
    ]
    assert ask(scenes, {"system": "all is known"})[0]["content"] == [{"type": "text", "text": "again"}]
    assert ask(scenes, {"system": "nothing"})[0]["content"] == [{"type": "text", "text": "new"}]


def test_a_thread_that_goes_on_has_the_tools_it_began_with(ask: Ask) -> None:
    turns = [{"says": "a"}, {"expects": ["first", "second"], "calls": [{"name": "t", "input": {"a": 1}}]}]
    thread = {"type": "continue", "previous_message_id": "msg_0"}
    first = {
        "messages": [{"role": "user", "content": "first"}],
        "tools": [TOOL],
        "thread": {"type": "create"},
    }
    second = {"messages": [{"role": "user", "content": "second"}], "thread": thread}
    answers = ask([{"turns": turns}], first, second)
    assert answers[1]["stop_reason"] == "tool_use"
    assert answers[1]["content"][0]["input"] == {"a": 1}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "usage: stand_in.py EXAMPLE"),
        (["examples/etl_worker.py"], "no script for examples/etl_worker.py"),
    ],
)
def test_the_command_says_what_it_cannot_run(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.setattr("sys.argv", ["stand_in.py", *arguments])
    with pytest.raises(SystemExit, match=says):
        stand_in.main()
