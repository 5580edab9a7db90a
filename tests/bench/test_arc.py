"""Measuring against a live Arc begins with knowing one."""

import pytest

from bench.cli import main


@pytest.mark.parametrize("name", ["MEMTRACE_TEST_ARC_URL", "MEMTRACE_TEST_ARC_TOKEN"])
def test_without_an_arc_it_says_how_to_name_one(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEMTRACE_TEST_ARC_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("MEMTRACE_TEST_ARC_TOKEN", "token")
    monkeypatch.delenv(name)
    assert main(["arc"]) == 1
    assert "name an Arc by MEMTRACE_TEST_ARC_URL and MEMTRACE_TEST_ARC_TOKEN" in capsys.readouterr().err
