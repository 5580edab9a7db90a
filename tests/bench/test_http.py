"""The driver against a stand-in server: what it sends, what it finds wrong, what it prints."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import cli
from bench.drafts import READ_SESSIONS, pieces
from bench.rounds import Course, Drive, Window, fill, run
from bench.targets import BenchError, Client
from bench.workloads import WORKLOADS, WorkloadName, plan
from bench.wrk import Load, drive
from tests.bench.target_server import Fault, Server, drive_in_python, serving

# The real load generator where it is installed; the same work from Python everywhere.
DRIVERS = [drive_in_python, *([drive] if shutil.which("wrk") else [])]
READS: tuple[WorkloadName, ...] = ("list", "session", "context", "search_common", "search_rare", "stats")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as running:
        yield running


def course(*workloads: WorkloadName, rounds: int = 1) -> Course:
    return Course(workloads=workloads, run="test", rounds=rounds, seconds=1, clients=4)


def run_on(server: Server, course: Course, drive: Drive = drive_in_python) -> list[Window]:
    return run([server.target], course, drive=drive, say=lambda line: None, before_each=lambda target: None)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("workload", ["batch", "mixed"])
def test_what_is_written_is_found_again(server: Server, driver: Drive, workload: WorkloadName) -> None:
    fill(server.target, course(), 1_000)
    (window,) = run_on(server, course(workload), driver)
    assert window.verdict.problems == []
    assert window.sample.succeeded == window.sample.requests > 0
    assert 0 < window.sample.p50 <= window.sample.p90 <= window.sample.p99 <= window.sample.max


@pytest.mark.parametrize("workload", READS)
def test_reads_find_what_was_filled_in(server: Server, workload: WorkloadName) -> None:
    fill(server.target, course(), 1_000)
    (window,) = run_on(server, course(workload))
    assert window.verdict.problems == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_refused_requests_are_counted_and_reported(driver: Drive) -> None:
    with serving(Server("refuses")) as server:
        (window,) = run_on(server, course("single"), driver)
    assert window.sample.errors.status == window.sample.requests
    assert any("requests failed" in problem for problem in window.verdict.problems)


def test_each_window_writes_what_none_wrote_before(server: Server) -> None:
    run_on(server, course("single", "batch", rounds=2))
    contents = [m["content"] for m in server.stored]
    assert len(set(contents)) == len(contents)


def test_the_load_generator_sends_what_the_checks_expect(server: Server) -> None:
    made = pieces(1)
    run_on(server, course("batch"))
    mark = f"{plan('batch', 'test A', 1).mark}t0"
    sent = json.loads(made.draft(mark, 100))
    assert {name: server.stored[0][name] for name in sent} == sent
    assert 180 <= len(sent["content"]) <= 240


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("loses", "memories are there, between"),
        ("repeats", "memories are there, between"),
        ("repeats", "2 times or changed"),
        ("repeats", "shows a memory twice"),
        ("alters", "1 times or changed"),
        ("misorders", "not newest first"),
    ],
)
def test_a_server_that_breaks_its_promise_is_found_out(
    fault: Fault, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.rounds.PATIENCE", 0.0)
    with serving(Server(fault)) as server:
        (window,) = run_on(server, course("single"))
    assert any(said in problem for problem in window.verdict.problems)


def test_lost_memories_are_missed_by_name_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.rounds.PATIENCE", 0.0)
    with serving(Server("loses")) as server:
        (window,) = run_on(server, course("single"))
    assert any("looked up are not there" in problem for problem in window.verdict.problems)


@pytest.mark.parametrize(
    ("workload", "said"),
    [
        ("session", "another session's memory"),
        ("context", "not of the session"),
        ("search_common", "a result without 'needle'"),
        ("search_rare", "a result without 'zebrafish'"),
        ("stats", "the agent has no memories"),
    ],
)
def test_a_wrong_answer_to_a_read_is_found_out(workload: WorkloadName, said: str) -> None:
    with serving(Server("mixes")) as server:
        fill(server.target, course(), 200)
        (window,) = run_on(server, course(workload))
    assert any(said in problem for problem in window.verdict.problems)


def test_filling_gives_every_read_session_as_many_memories(server: Server) -> None:
    fill(server.target, course(), 2_500)
    sessions = [m["session_id"] for m in server.stored]
    assert {sessions.count(s) for s in sessions} == {200}
    assert len(set(sessions)) == READ_SESSIONS


def test_two_targets_take_turns_at_going_first(server: Server) -> None:
    first, second = server.target, server.target
    object.__setattr__(second, "name", "B")
    windows = run(
        [first, second],
        course("single", rounds=2),
        drive=drive_in_python,
        say=lambda line: None,
        before_each=lambda target: None,
    )
    assert [w.target for w in windows] == ["A", "B", "B", "A"]


def test_without_wrk_the_error_names_the_package(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BenchError, match="apt-get install wrk"):
        drive(server.target, plan("single", "x", 1), pieces(1), Load(1, 1))


def test_a_wrk_that_fails_is_told_with_its_words(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "wrk"
    fake.write_text("#!/bin/sh\necho out of order >&2; exit 3\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(BenchError, match="wrk failed: out of order"):
        drive(server.target, plan("single", "x", 1), pieces(1), Load(1, 1))


def test_a_server_that_is_not_there_ends_the_run_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["http", "--target", "A=http://127.0.0.1:1,k"]) == 1
    assert "error: A: POST /memories: ConnectError" in capsys.readouterr().err


def test_an_error_status_is_told_with_the_servers_words(server: Server) -> None:
    with Client(server.target) as client, pytest.raises(BenchError, match="404 Not Found"):
        client.get("/nowhere")


def test_the_command_prints_a_table_and_writes_json(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.cli.drive", drive_in_python)
    out = tmp_path / "out.json"
    address = f"http://127.0.0.1:{server.port},mtk_bench"
    line = ["http", "--target", f"A={address}", "--target", f"B={address}", "--rounds", "1", "--seconds", "1"]
    assert cli.main([*line, "--fill", "1000", "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "requests/s B:A" in printed
    assert all(f"| {name} " in printed for name in WORKLOADS)
    written = json.loads(out.read_text())
    assert [s["workload"] for s in written["summaries"] if s["target"] == "A"] == list(WORKLOADS)
    assert len(written["ratios"]) == len(WORKLOADS)
    assert "mtk_bench" not in out.read_text()


def test_a_run_with_failed_checks_is_marked_and_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.cli.drive", drive_in_python)
    with serving(Server("misorders")) as server:
        address = f"A=http://127.0.0.1:{server.port},mtk_bench"
        line = ["http", "--target", address, "--rounds", "1", "--workloads", "list"]
        assert cli.main(line) == 1
    printed = capsys.readouterr().out
    assert "NOT VALID" in printed
    assert "! list on A, round 1: a page is not newest first" in printed


@pytest.mark.parametrize(
    "text", ["A", "A=http://h:1", "A=https://h:1,k", "A=http://h:1/x,k", "=http://h:1,k"]
)
def test_a_target_that_is_none_is_a_usage_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["http", "--target", text])
    assert ended.value.code == 2
    assert "is not " in capsys.readouterr().err


def test_two_targets_of_one_name_are_refused(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"A=http://127.0.0.1:{server.port},k"
    assert cli.main(["http", "--target", text, "--target", text]) == 1
    assert "different names" in capsys.readouterr().err
