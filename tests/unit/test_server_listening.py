"""The server's socket, and what is said when it cannot be had."""

import resource
import socket
from collections.abc import Iterator

import pytest

from core.model.errors import ConfigurationError
from handlers.listening import FILES_KEPT, MOST_FILES, allow_files, handles, is_loopback, listen


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def test_port_0_takes_a_free_one() -> None:
    with listen("127.0.0.1", 0) as bound:
        assert bound.getsockname()[1] > 0


def test_a_port_just_given_up_can_be_taken_again() -> None:
    with listen("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = socket.socket.accept(_blocking(bound))
            accepted.close()
    with listen("127.0.0.1", port) as again:
        assert again.getsockname()[1] == port


def test_every_handle_accepts_what_any_of_them_is_asked() -> None:
    with handles(listen("127.0.0.1", 0)) as doors:
        for door in doors:
            with socket.create_connection(doors[0].getsockname()):
                accepted, _ = _blocking(door).accept()
                accepted.close()
    assert len(doors) == 16
    assert {door.fileno() for door in doors} == {-1}, "all are closed"


def _blocking(bound: socket.socket) -> socket.socket:
    bound.settimeout(5)
    return bound


def test_a_taken_port_is_said_with_a_way_out(taken: int) -> None:
    with pytest.raises(ConfigurationError, match=f"port {taken} is in use") as refused:
        listen("127.0.0.1", taken)
    assert "--port" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("no.such.host.invalid", 0, "cannot resolve"),
        ("a" * 300, 0, "cannot resolve"),
        ("192.0.2.1", 0, "not an address of this machine"),
    ],
)
def test_an_impossible_address_is_said(host: str, port: int, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        listen(host, port)


@pytest.fixture
def limits() -> Iterator[tuple[int, int]]:
    """The process's limit of open files, put back afterwards."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_low_limit_of_open_files_is_raised(limits: tuple[int, int]) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, limits[1]))
    wanted = MOST_FILES if limits[1] == resource.RLIM_INFINITY else min(limits[1], MOST_FILES)
    assert allow_files() == wanted - FILES_KEPT
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (wanted, limits[1])


def test_a_high_limit_of_open_files_is_left_alone(limits: tuple[int, int]) -> None:
    allow_files()
    raised = resource.getrlimit(resource.RLIMIT_NOFILE)
    allow_files()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == raised


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("memory.example", False),
    ],
)
def test_what_only_this_machine_reaches(host: str, answer: bool) -> None:
    assert is_loopback(host) is answer
