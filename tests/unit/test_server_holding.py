"""One server per installation, and who it is."""

import contextlib
import json
import os
from pathlib import Path

import pytest

from core.model.errors import ConfigurationError, HeldByOther
from handlers.holding import Holder, held, holder_of, lock_path, url_of

_HOLDER = Holder(pid=4711, host="127.0.0.1", port=9100, started_at="2026-11-21T00:00:00Z")


def test_a_second_server_is_told_who_holds_the_installation(tmp_path: Path) -> None:
    database = tmp_path / "memtrace.db"
    with held(database) as claim:
        claim.tell(_HOLDER)
        with (
            pytest.raises(HeldByOther, match=r"process 4711 at http://127.0.0.1:9100") as refusal,
            held(database),
        ):
            pass
    assert "--data" in str(refusal.value.hint)


def test_a_holder_that_has_not_told_yet_holds_all_the_same(tmp_path: Path) -> None:
    database = tmp_path / "memtrace.db"
    with held(database):
        with pytest.raises(HeldByOther, match="another process"), held(database):
            pass
        assert holder_of(database) == Holder(pid=0, host="", port=0, started_at="")


def test_the_holder_can_be_read_by_others_while_it_lives(tmp_path: Path) -> None:
    database = tmp_path / "memtrace.db"
    assert holder_of(database) is None
    with held(database) as claim:
        claim.tell(Holder(pid=1, host="a-rather-long-host-name", port=65535, started_at=""))
        claim.tell(_HOLDER)
        assert holder_of(database) == _HOLDER
    assert holder_of(database) is None


def test_what_a_dead_holder_left_is_not_believed(tmp_path: Path) -> None:
    database = tmp_path / "memtrace.db"
    lock_path(database).write_text(json.dumps({"pid": 1, "host": "x", "port": 1, "started_at": ""}))
    assert holder_of(database) is None
    with held(database):
        assert lock_path(database).read_text() == ""


def test_the_lock_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    with held(tmp_path / "memtrace.db"):
        assert lock_path(tmp_path / "memtrace.db").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_written_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot write"), held(tmp_path / "missing" / "memtrace.db"):
        pass


def test_somebody_who_only_looks_does_not_refuse_a_server(tmp_path: Path) -> None:
    database = tmp_path / "memtrace.db"
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            assert holder_of(database) is None
        stack.enter_context(held(database))
    assert os.path.exists(lock_path(database))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:9100"),
        ("0.0.0.0", "http://127.0.0.1:9100"),
        ("::", "http://[::1]:9100"),
        ("::1", "http://[::1]:9100"),
        ("memory.example", "http://memory.example:9100"),
    ],
)
def test_the_url_is_one_that_this_machine_can_reach(host: str, url: str) -> None:
    assert url_of(host, 9100) == url
