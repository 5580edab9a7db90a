"""The measuring of cold starts: what is read from a process, what is weighed, and what is told of it."""

import os
import zipfile
from pathlib import Path

import pytest

from bench import coldstart
from bench.cli import main
from bench.coldstart import Size, Started, findings, place_of, printed, size_of, started, warm
from bench.targets import BenchError

FOUND = Started(wall=300.0, fastest=250.0, cpu=200.0, modules={"a.b": 3.0, "a.c": 2.5, "d": 4.0})


def quiet(_: str) -> None: ...


def test_libraries_are_summed_and_the_dearest_comes_first() -> None:
    assert FOUND.libraries() == [("a", 5.5), ("d", 4.0)]


def test_every_target_is_held_against_its_figure() -> None:
    found = findings(FOUND, (1.0, 2.0), Size(unpacked=90_000_000, zipped=31_000_000))
    assert [one.met for one in found] == [True, True, False]
    assert len(findings(FOUND, (1.0, 2.0), None)) == 2


def test_the_tables_show_all_of_it() -> None:
    text = printed(FOUND, (1.0, 2.0), Size(unpacked=90_000_000, zipped=20_000_000))
    for shown in ("300 ms", "250 ms", "200 ms", "2.00 ms", "90.0 MB", "20 MB", "a.b", "5.5"):
        assert shown in text
    assert "MB" not in printed(FOUND, (1.0, 2.0), None)


def test_a_folder_weighs_what_its_zip_would(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a").write_bytes(b"x" * 10_000)
    size = size_of(tmp_path)
    assert (size.unpacked, size.zipped < 1_000) == (10_000, True)


def test_a_zip_weighs_what_it_is(tmp_path: Path) -> None:
    package = tmp_path / "p.zip"
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"x" * 10_000)
    assert size_of(package) == Size(10_000, package.stat().st_size)


def test_anything_else_has_no_size(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="neither a folder nor a zip"):
        size_of(tmp_path / "nothing")


def test_what_does_not_start_is_told(tmp_path: Path) -> None:
    (tmp_path / "handlers").mkdir()
    (tmp_path / "handlers" / "__init__.py").write_text("raise SystemExit('no')\n")
    with pytest.raises(BenchError, match="the edge did not start"):
        started(place_of(tmp_path, None, "sqlite", tmp_path), 1, quiet)


def test_an_edge_that_answers_something_else_is_told(tmp_path: Path) -> None:
    package = tmp_path / "handlers"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "lambda_api.py").write_text("def handler(event, context):\n    return {'statusCode': 200}\n")
    place = place_of(tmp_path, None, "sqlite", tmp_path)
    with pytest.raises(BenchError, match="the edge did not answer"):
        warm(place, 1)


def test_the_command_measures_and_says_what_was_met(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(os.urandom(2_000))
    package = tmp_path / "p.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.write(tmp_path / "a", "a")
    monkeypatch.setattr(coldstart, "GOAL_MS", 60_000.0)
    monkeypatch.setattr(coldstart, "GOAL_WARM_MS", 60_000.0)
    options = ["coldstart", "--rounds", "1", "--invocations", "1", "--package", str(package)]
    assert main(options) == 0
    shown = capsys.readouterr().out
    assert "import and start, median" in shown
    assert "core.settings" in shown
    monkeypatch.setattr(coldstart, "GOAL_MS", 0.0)
    assert main(options[:5]) == 1
