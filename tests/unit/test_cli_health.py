"""`memtrace health`: one look at a server, and an exit code."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from core.adapters.clock import SystemClock
from core.adapters.sqlite.database import Database
from core.adapters.sqlite.leases import SqliteLeases
from handlers.cli.main import run
from handlers.holding import Holder, held

_KEY = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="


class Probe(BaseHTTPRequestHandler):
    """Answers with the status that the path's first part names, and remembers what it was asked."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status = int(self.path.split("/")[1]) if self.path != "/livez" else 200
        self.send_response(status)
        self.send_header("Location", "/livez")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    Probe.asked.clear()
    serving = HTTPServer(("127.0.0.1", 0), Probe)
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield serving
    serving.shutdown()
    thread.join()
    serving.server_close()


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation's database, of which no process knows yet."""
    path = tmp_path / "memtrace.db"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MEMTRACE_AUTH_DB_PATH", str(path))
    monkeypatch.setenv("MEMTRACE_MASTER_KEY", _KEY)
    return path


def url_of(server: HTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_server_that_answers_is_alive(server: HTTPServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["health", "--url", url_of(server)]) == 0
    assert capsys.readouterr().out == f"{url_of(server)} is alive\n"
    assert Probe.asked == ["/livez"]


@pytest.mark.parametrize("status", [503, 404, 302])
def test_any_other_answer_is_none_and_nothing_is_followed(
    server: HTTPServer, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    assert run(["health", "--url", f"{url_of(server)}/{status}/"]) == 1
    assert f"answers {status}" in capsys.readouterr().err
    assert Probe.asked == [f"/{status}/livez"]


def test_a_proxy_of_the_environment_is_not_asked(server: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert run(["health", "--url", url_of(server)]) == 0


def test_a_port_on_which_nobody_listens_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["health", "--url", f"http://127.0.0.1:{free_port()}"]) == 1
    assert "does not answer: Connection refused" in capsys.readouterr().err


def test_something_else_than_http_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            visitor, _ = other.accept()
            with visitor:
                visitor.recv(1024)
                visitor.sendall(b"220 mail\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        assert run(["health", "--url", f"http://127.0.0.1:{other.getsockname()[1]}"]) == 1
        thread.join()
    assert "not in HTTP" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["127.0.0.1:9100", "file:/etc/passwd", "http://", "http://h:x", "http://h:0"])
def test_what_is_no_url_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["health", "--url", url]) == 1
    assert "--url must be like" in capsys.readouterr().err


def test_the_installation_knows_where_it_is_served(database: Path, server: HTTPServer) -> None:
    with held(database) as claim:
        claim.tell(Holder(pid=1, host="0.0.0.0", port=server.server_port, started_at=""))
        assert run(["health"]) == 0
    assert Probe.asked == ["/livez"]


def test_a_server_that_is_starting_is_not_alive_yet(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with held(database):
        assert run(["health"]) == 1
    assert "is starting" in capsys.readouterr().err


def test_an_installation_that_nobody_serves_is_not_alive(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["health"]) == 1
    assert "nobody serves" in capsys.readouterr().err


def test_an_installation_without_a_flusher_is_said(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["health", "--flusher"]) == 1
    assert "no flusher works" in capsys.readouterr().err


def test_a_flusher_that_holds_the_lease_is_named(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate"]) == 0
    with contextlib.closing(Database(database, synchronous="full")) as opened:
        asyncio.run(SqliteLeases(opened, clock=SystemClock()).acquire("elsewhere:7", 60))
    assert run(["health", "--flusher"]) == 0
    assert capsys.readouterr().out.endswith("elsewhere:7 flushes\n")


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_flusher_with_an_endpoint_is_asked_there(
    database: Path, server: HTTPServer, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("MEMTRACE_FLUSHER_HEALTH_HOST", host)
    monkeypatch.setenv("MEMTRACE_FLUSHER_HEALTH_PORT", str(server.server_port))
    assert run(["health", "--flusher"]) == 0
    assert Probe.asked == ["/livez"]


def test_a_flusher_whose_endpoint_is_silent_is_not_alive(
    database: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEMTRACE_FLUSHER_HEALTH_HOST", "::1")
    monkeypatch.setenv("MEMTRACE_FLUSHER_HEALTH_PORT", str(free_port()))
    assert run(["health", "--flusher"]) == 1
    assert "http://[::1]:" in capsys.readouterr().err
