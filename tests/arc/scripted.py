"""A server on 127.0.0.1 that answers what a test says, byte for byte, and notes what it was asked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field

import msgspec

Answer = bytes | Callable[[asyncio.StreamWriter], Coroutine[None, None, None]]


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Script:
    """Answers in order; the last one goes on. Bytes are written whole, a function does as it likes."""

    port: int = 0
    answers: list[Answer] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.add(writer)
        try:
            while (asked := await _read(reader)) is not None:
                self.asked.append(asked)
                answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
                if isinstance(answer, bytes):
                    writer.write(answer)
                    await writer.drain()
                else:
                    await _unless_gone(answer(writer), reader)
                if writer.is_closing():
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self.open.discard(writer)
            writer.close()


async def _unless_gone(answering: Coroutine[None, None, None], reader: asyncio.StreamReader) -> None:
    """Ends where the other side closes the connection first; it sends nothing before the answer."""
    tasks = {asyncio.create_task(answering), asyncio.create_task(reader.read(1))}
    _, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    await asyncio.wait(tasks)


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    method, path, _ = lines[0].split(" ")
    raw = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    headers = {name.lower(): value for name, value in raw.items()}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(method, path, headers, body)


@contextlib.asynccontextmanager
async def scripted(*answers: Answer) -> AsyncIterator[Script]:
    script = Script(answers=list(answers))
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    script.port = server.sockets[0].getsockname()[1]
    try:
        yield script
    finally:
        server.close()
        for writer in script.open:
            writer.transport.abort()
        while script.open:  # noqa: ASYNC110 - the handlers end by themselves
            await asyncio.sleep(0)


def reply(
    status: int = 200, body: bytes = b"", *, headers: dict[str, str] | None = None, length: int | None = None
) -> bytes:
    """A whole HTTP/1.1 answer; a `length` that is not the body's makes it a broken one."""
    lines = {"content-length": str(len(body) if length is None else length), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode() + body


def columnar(given: dict[str, list[object]], **changes: object) -> bytes:
    """An answer of /api/v1/query/msgpack."""
    rows = len(next(iter(given.values()), []))
    answer = {
        "success": True,
        "columns": list(given),
        "types": ["int64"] * len(given),
        "data": list(given.values()),
        "row_count": rows,
        "execution_time_ms": 1,
        "timestamp": "2026-11-21T00:00:00Z",
        **changes,
    }
    return reply(200, msgspec.msgpack.encode(answer), headers={"content-type": "application/msgpack"})


def rowwise(columns: list[str], rows: list[list[object]], **changes: object) -> bytes:
    """An answer of /api/v1/query."""
    answer = {"success": True, "columns": columns, "data": rows, "row_count": len(rows), **changes}
    return reply(200, msgspec.json.encode(answer), headers={"content-type": "application/json"})


def failed(status: int, words: str, **headers: str) -> bytes:
    body = msgspec.json.encode({"success": False, "error": words})
    return reply(status, body, headers={"content-type": "application/json", **headers})


async def reset(writer: asyncio.StreamWriter) -> None:
    """Breaks the connection off without an answer."""
    writer.transport.abort()


async def silence(writer: asyncio.StreamWriter) -> None:
    """Never answers."""
    await asyncio.Event().wait()
