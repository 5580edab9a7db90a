"""A server as people run it, and a network in front of it that breaks."""

import contextlib
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LISTENING: Final = re.compile(r"http://127\.0\.0\.1:\d+")


@dataclass(frozen=True)
class Address:
    """Where a server is, and a key for it."""

    url: str
    key: str


@contextlib.contextmanager
def real_server(folder: Path) -> Iterator[Address]:
    """`memtrace dev` of this repository on a free port."""
    line = [sys.executable, "-m", "memtrace_server", "dev", "--port", "0", "--data", str(folder / "data")]
    env = {k: v for k, v in os.environ.items() if not k.startswith("MEMTRACE_")}
    env["PYTHONPATH"] = str(ROOT / "src")
    with subprocess.Popen(
        line, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        assert server.stdout is not None
        printed = []
        for told in server.stdout:
            printed.append(told)
            if _LISTENING.search(told):
                break
        else:
            raise AssertionError("".join(printed))
        # Whatever it says from now on must not fill the pipe.
        reader = threading.Thread(target=server.stdout.read)
        reader.start()
        try:
            yield _address(folder / "data" / "dev.env")
        finally:
            server.terminate()
            reader.join()


def _address(exports: Path) -> Address:
    words = [shlex.split(line)[-1] for line in exports.read_text().splitlines()]
    said = dict(word.split("=", 1) for word in words if "=" in word)
    return Address(said["MEMTRACE_URL"], said["MEMTRACE_API_KEY"])


class BreakingNetwork:
    """Stands before a server and loses as many answers as it is told to: the connection breaks instead."""

    def __init__(self, address: Address) -> None:
        host, _, port = address.url.removeprefix("http://").partition(":")
        self._server = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.to_lose = 0
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, name="network")
        self._thread.start()

    def close(self) -> None:
        """Lets nobody in any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with caller, socket.create_connection(self._server) as server:
                self._carry(caller, server)

    def _carry(self, caller: socket.socket, server: socket.socket) -> None:
        while asked := _message(caller):
            server.sendall(asked)
            answer = _message(server)
            if self.to_lose:
                self.to_lose -= 1
                return
            caller.sendall(answer)


def _message(sender: socket.socket) -> bytes:
    """A request or an answer, whole; empty where there is none any more."""
    told = b""
    while b"\r\n\r\n" not in told:
        more = sender.recv(65_536)
        if not more:
            return b""
        told += more
    head, _, body = told.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    missing = int(length[1]) - len(body) if length else 0
    while missing > 0:
        more = sender.recv(65_536)
        missing -= len(more)
        told += more
    return told
