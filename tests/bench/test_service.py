"""The published measurement in miniature, on real processes, and how figures meet their targets."""

import json
from pathlib import Path

import pytest

from bench import cli
from bench.goals import Finding, at_least, at_most, finding_table
from bench.installation import Installation, resident, wait_until
from bench.stages import QUICK, Scale, write_in_batches
from bench.tables import table
from bench.targets import BenchError, Client
from tests.bench.target_server import drive_in_python

TINY = Scale(
    rows=4_000,
    claims=100,
    tail=200,
    pending=0,  # any would be delivered after the flush interval of ten seconds
    rounds=1,
    seconds=1,
    drain_seconds=1,
    idle_seconds=0,
    repeats=1,
)


@pytest.fixture
def in_miniature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.service.QUICK", TINY)
    monkeypatch.setattr("bench.stages.drive", drive_in_python)


@pytest.mark.usefixtures("in_miniature")
@pytest.mark.parametrize(
    ("stage", "figures"),
    [
        ("writing", ["resident, server idle", "single writes, p99", "drained while single writes come in"]),
        ("day", ["4,000 rows in 24 hours: search_rare, p50", "the store's own share, 24 hours: list"]),
        ("month", ["resident, server after reads of 30 days", "200 unsettled add to context, p50"]),
    ],
)
def test_a_stage_measures_what_it_says(
    stage: str, figures: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    ended = cli.main(["service", "--quick", "--stages", stage, "--json", str(out)])
    printed = capsys.readouterr().out
    assert ended in (0, 1), printed
    assert all(figure in printed for figure in figures)
    written = json.loads(out.read_text())
    assert all(w["sample"]["errors"]["status"] == 0 for w in written["windows"])
    assert {type(f["met"]) for f in written["findings"]} == {bool}


def test_an_installation_tells_its_memory_and_what_it_owes(tmp_path: Path) -> None:
    with Installation(tmp_path, {"MEMTRACE_FLUSHER_EMBEDDED": "false"}) as running:
        write_in_batches(running.target("A"), 1_200, "test")
        backlog = running.backlog()
        assert (backlog.owed, backlog.unsettled, backlog.taken) == (1_200, 1_200, 1_200)
        assert 20 < running.server_memory() < 500
        with pytest.raises(BenchError, match="no flusher"):
            running.flusher_memory()
        with Client(running.target("A")) as client:
            assert client.get("/memories", limit=1)["count"] == 1
    with pytest.raises(BenchError, match="does not run"):
        running.server_memory()


def test_a_server_that_does_not_start_is_told_with_its_words(tmp_path: Path) -> None:
    refused = Installation(tmp_path, {"MEMTRACE_JOURNAL_MAX_MEMORIES": "none"})
    with pytest.raises(BenchError, match=r"journal\.max_memories"):
        refused.__enter__()


def test_waiting_has_an_end() -> None:
    with pytest.raises(BenchError, match="the moon rises: not within 0 seconds"):
        wait_until(lambda: False, 0, "the moon rises")


def test_the_memory_of_a_process_that_is_gone_is_an_error() -> None:
    with pytest.raises(BenchError, match="is gone"):
        resident(2**30)


@pytest.mark.parametrize(
    ("finding", "met"),
    [
        (at_least("x", 6_000, 6_000, "/s"), True),
        (at_least("x", 6_000, 5_999.9, "/s"), False),
        (at_most("x", 10, 10, "ms"), True),
        (at_most("x", 10, 10.01, "ms"), False),
    ],
)
def test_a_target_is_met_or_not(finding: Finding, met: bool) -> None:
    assert finding.met is met
    assert ("NOT MET" in finding_table([finding])) is not met


def test_numbers_stand_to_the_right_and_words_to_the_left() -> None:
    assert table(("word", "n"), [("a", "1"), ("b", "12,000")]) == (
        "| word |      n |\n| ---- | -----: |\n| a    |      1 |\n| b    | 12,000 |"
    )


def test_the_quick_scale_leaves_nothing_out() -> None:
    assert min(QUICK.rows, QUICK.claims, QUICK.tail, QUICK.pending, QUICK.rounds, QUICK.seconds) > 0
