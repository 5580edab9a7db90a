"""Every example runs as it is, against a real server, with the stand-in in the place of the model."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[1]
STAND_IN = EXAMPLES / "stand_in.py"


def python(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def played(example: str, *arguments: str) -> list[str]:
    """The lines that an example prints beside the stand-in."""
    done = python(STAND_IN, EXAMPLES / example, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_claude_agent_does_no_work_twice() -> None:
    assert played("claude/single_agent.py") == ["Take supplier B: it is cheaper."]
    again = played("claude/single_agent.py", "So", "which", "one?")
    assert again == ["Supplier B, as decided before: it is cheaper."]


def test_an_openai_agent_does_no_work_twice() -> None:
    assert played("openai/single_agent.py") == ["To Porto: it is cheaper."]
    assert played("openai/single_agent.py", "So", "where?") == ["To Porto, as decided before."]


@pytest.mark.parametrize("provider", ["claude", "openai"])
def test_agents_share_what_they_remember(provider: str) -> None:
    for _ in range(2):  # the same findings in another session are no duplicates
        lines = played(f"{provider}/shared_memory.py")
        assert lines[0] == "Time-series databases append, and drop old data by whole files."
        assert lines[2].startswith("What the team remembers (sess_")
        assert lines[3:] == [
            "  writer, idea: The draft leaves out retention",
            "  researcher, finding: They drop what is old by whole files",
            "  researcher, finding: Time-series databases write in order of time",
        ]


def test_an_on_call_agent_begins_with_what_helped() -> None:
    alert = ["checkout", "p99 latency above 2 s"]
    assert played("on_call_agent.py", *alert) == ["Resolved by recycling the connections."]
    assert played("on_call_agent.py", *alert) == ["Resolved at once, as the last time."]
    assert python(EXAMPLES / "on_call_agent.py").stderr == "usage: on_call_agent.py SERVICE ALERT\n"


def test_a_worker_resumes_where_it_was_stopped() -> None:
    first, second, third, fourth = (
        python(EXAMPLES / "etl_worker.py", *limit).stdout.splitlines() for limit in (["40"], [], [], [])
    )
    assert first == [
        "0 records are done, 0 have failed before",
        "company_00000 to company_00024: 23 done, 2 failed",
        "company_00025 to company_00039: 13 done, 2 failed",
    ]
    assert second[0] == "36 records are done, 4 have failed before"
    assert second[-1].startswith("company_00086 to company_00099: ")
    assert third == [
        "90 records are done, 10 have failed before",
        "company_00007 to company_00097: 0 done, 10 failed",
    ]
    assert fourth == [
        "90 records are done, 10 have failed before",
        "company_00047 to company_00097: 0 done, 6 failed",
    ]


def test_every_example_is_on_the_page_and_run_here() -> None:
    names = {path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.py")}
    names = {name for name in names if not name.startswith("tests/")} - {"stand_in.py"}
    page, here = (EXAMPLES / "README.md").read_text(), Path(__file__).read_text()
    assert len(names) == 6
    for name in names:
        assert f"[`{name}`]({name})" in page, name
        assert (
            name in here or name.replace("claude/", "{provider}/").replace("openai/", "{provider}/") in here
        )


# --- the stand-in itself

ASKS = """
import json, os, sys, urllib.request
for body in json.loads(sys.argv[2]):
    url = os.environ["ANTHROPIC_BASE_URL"] + sys.argv[1]
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode())).read()
"""


@pytest.mark.parametrize(
    ("turns", "requests", "path", "problem"),
    [
        ([], [{}], "/v1/messages", "the script has no more turns"),
        ([{"says": "a"}, {"says": "b"}], [{}], "/v1/messages", "the example ended before its script"),
        ([{"says": "a", "expects": ["x"]}], [{}], "/v1/messages", "the request does not have 'x'"),
        ([{"calls": [{"name": "t", "input": {}}]}], [{}], "/v1/messages", "the request has no tool t"),
        (
            [{"calls": [{"name": "t", "input": {"b": 1}}]}],
            [{"tools": [{"name": "t", "input_schema": {"properties": {"a": {}}, "required": ["a"]}}]}],
            "/v1/messages",
            "t: no parameters ['b'], missing ['a']",
        ),
        ([{"says": "a"}], [{}], "/v1/other", "'/v1/other'"),
    ],
)
def test_the_stand_in_notices_what_is_not_in_the_script(
    tmp_path: Path, turns: list[Any], requests: list[Any], path: str, problem: str
) -> None:
    asks, script = tmp_path / "asks.py", tmp_path / "script.json"
    asks.write_text(ASKS)
    script.write_text(json.dumps([{"turns": turns}]))
    run = f"import sys; sys.path.insert(0, {str(EXAMPLES)!r}); import stand_in; from pathlib import Path; "
    run += f"sys.exit(stand_in.run(Path({str(asks)!r}), sys.argv[1:], script=Path({str(script)!r})))"
    done = python("-c", run, path, json.dumps(requests))
    assert done.returncode == 1
    assert f"stand-in: {problem}" in done.stderr
