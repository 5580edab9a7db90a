"""Turns that are asked for again and again: never longer than the patience, and soon after a release."""

import errno
import fcntl
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.adapters.sqlite.waiting_turns import WaitingTurns
from core.model.errors import DatabaseError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.db.turn"


@pytest.fixture
def turns(path: Path) -> Iterator[WaitingTurns]:
    with closing(WaitingTurns(path, 0.1)) as opened:
        yield opened


def test_a_turn_that_does_not_come_is_given_up_in_time(turns: WaitingTurns, path: Path) -> None:
    with closing(WaitingTurns(path, 5)) as other, other.held():
        started = time.monotonic()
        with pytest.raises(DatabaseError, match=r"within 0.1 s") as refused:
            turns.take()
        assert 0.1 <= time.monotonic() - started < 2
        assert refused.value.retry_after == 1
        assert not turns.try_take()


def test_who_gave_up_is_in_nobodys_way(turns: WaitingTurns, path: Path) -> None:
    with closing(WaitingTurns(path, 5)) as other:
        with other.held(), pytest.raises(DatabaseError):
            turns.take()
        assert other.try_take()
        other.release()


def test_who_waits_has_the_turn_soon_after_it_is_free(path: Path) -> None:
    with closing(WaitingTurns(path, 5)) as first, closing(WaitingTurns(path, 5)) as second:
        first.take()
        taken = threading.Event()

        def wait() -> None:
            second.take()
            taken.set()
            second.release()

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not taken.wait(0.05)
        first.release()
        assert taken.wait(2)
        waiting.join()


def test_nobody_overtakes_the_one_that_is_next(path: Path) -> None:
    with closing(WaitingTurns(path, 5)) as first, closing(WaitingTurns(path, 5)) as second:
        first.take()
        waiting = threading.Thread(target=second.take)
        waiting.start()
        gate = (path.with_name(path.name + ".gate")).open("r+")
        with gate:
            while True:
                try:
                    fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    break
                fcntl.flock(gate, fcntl.LOCK_UN)
        first.release()
        assert not first.try_take()
        waiting.join()


def test_the_files_are_made_with_the_first_lock_only(path: Path) -> None:
    turns = WaitingTurns(path, 1)
    turns.release()
    turns.close()
    assert not path.exists()
    turns.take()
    turns.release()
    assert path.exists()
    turns.close()
    turns.close()


def test_a_folder_that_is_not_there_is_named_as_the_trouble(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="cannot be locked"):
        WaitingTurns(tmp_path / "nowhere" / "m.db.turn", 1).take()


def test_a_file_that_cannot_be_made_leaves_none_open(path: Path) -> None:
    path.mkdir()
    turns = WaitingTurns(path, 1)
    for _ in range(2):
        with pytest.raises(DatabaseError):
            turns.take()
    path.rmdir()
    turns.take()
    turns.close()


def test_a_lock_that_the_file_system_refuses_is_no_wait(
    turns: WaitingTurns, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(DatabaseError, match="No locks available"):
        turns.take()
    monkeypatch.undo()
    turns.take()
    turns.release()
