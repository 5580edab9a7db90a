"""Every example runs as it is, against a real server, with the stand-in in the place of the model."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1]

Played = Callable[..., list[str]]
Run = Callable[..., list[str]]


@pytest.fixture
def run(played: Played) -> Run:
    """What an example prints, by its own script."""

    def run_it(example: str, *arguments: str) -> list[str]:
        script = EXAMPLES / "scripts" / example.replace("/", "_").replace(".py", ".json")
        return played(EXAMPLES / example, arguments, script=script)

    return run_it


def command(*line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *line], cwd=EXAMPLES.parent, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_claude_agent_does_no_work_twice(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    assert run("claude/single_agent.py") == ["Take supplier B: it is cheaper."]
    again = run("claude/single_agent.py", "So", "which", "one?")
    assert again == ["Supplier B, as decided before: it is cheaper."]
    assert not [line for line in caplog.records if line.levelname == "ERROR"], (
        "what a model got wrong is no error"
    )


def test_an_openai_agent_does_no_work_twice(run: Run) -> None:
    assert run("openai/single_agent.py") == ["To Porto: it is cheaper."]
    assert run("openai/single_agent.py", "So", "where?") == ["To Porto, as decided before."]


@pytest.mark.parametrize("provider", ["claude", "openai"])
def test_agents_share_what_they_remember(run: Run, provider: str) -> None:
    for _ in range(2):  # the same findings in another session are no duplicates
        lines = run(f"{provider}/shared_memory.py")
        assert lines[0] == "Time-series databases append, and drop old data by whole files."
        assert lines[2].startswith("What the team remembers (sess_")
        assert lines[3:] == [
            "  writer, idea: The draft leaves out retention",
            "  researcher, finding: They drop what is old by whole files",
            "  researcher, finding: Time-series databases write in order of time",
        ]


def test_an_on_call_agent_begins_with_what_helped(run: Run) -> None:
    alert = ["checkout", "p99 latency above 2 s"]
    assert run("on_call_agent.py", *alert) == ["Resolved by recycling the connections."]
    assert run("on_call_agent.py", *alert) == ["Resolved at once, as the last time."]
    with pytest.raises(SystemExit, match=r"usage: on_call_agent.py SERVICE ALERT"):
        run("on_call_agent.py")


def test_a_worker_resumes_where_it_was_stopped() -> None:
    runs = [command("examples/etl_worker.py", *limit).stdout.splitlines() for limit in (["40"], [], [], [])]
    assert runs[0] == [
        "0 records are done, 0 have failed before",
        "company_00000 to company_00024: 23 done, 2 failed",
        "company_00025 to company_00039: 13 done, 2 failed",
    ]
    assert runs[1][0] == "36 records are done, 4 have failed before"
    assert runs[1][-1].startswith("company_00086 to company_00099: ")
    assert runs[2] == [
        "90 records are done, 10 have failed before",
        "company_00007 to company_00097: 0 done, 10 failed",
    ]
    assert runs[3] == [
        "90 records are done, 10 have failed before",
        "company_00047 to company_00097: 0 done, 6 failed",
    ]


def test_the_command_of_the_page_runs_an_example_without_a_key() -> None:
    done = command("examples/stand_in.py", "examples/openai/shared_memory.py", "memory")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Time-series databases append")


def test_every_example_is_on_the_page_and_run_here() -> None:
    names = {path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.py")}
    names = {name for name in names if not name.startswith("tests/")} - {"stand_in.py"}
    page, here = (EXAMPLES / "README.md").read_text(), Path(__file__).read_text()
    assert len(names) == 6
    for name in names:
        assert f"[`{name}`]({name})" in page, name
        assert name in here or name.replace("claude/", "{provider}/") in here, name
