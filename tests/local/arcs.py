"""Every Arc there is, behind a client that speaks HTTP to it: the double, and a live one if named."""

import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import msgpack  # type: ignore[import-untyped]

from local.arc.double import ArcDouble
from local.arc.settings import ArcSettings

T0: Final = 1_780_000_000_000_000 // 3_600_000_000 * 3_600_000_000
"""The beginning of an hour, in microseconds: 2026-05-28T20:00:00Z."""
HOUR: Final = 3_600_000_000
IN_THE_HOUR: Final = "time >= '2026-05-28T20:00:00Z' AND time < '2026-05-28T21:00:00Z'"


def unique(prefix: str = "t") -> str:
    """A name that no other test uses: a live Arc keeps what it was told."""
    return f"{prefix}{uuid.uuid4().hex[:12]}"


@dataclass
class Arc:
    """One database of one Arc. Texts of errors are as they came."""

    http: httpx.AsyncClient
    database: str = field(default_factory=unique)

    async def send(self, body: object, **headers: str) -> httpx.Response:
        """One request to the write door; what is not bytes is packed."""
        content = body if isinstance(body, bytes) else msgpack.packb(body)
        named = {"x-arc-database": self.database} | {k.replace("_", "-"): v for k, v in headers.items()}
        return await self.http.post("/api/v1/write/msgpack", content=content, headers=named)

    async def write(self, columns: Mapping[str, list[Any]], measurement: str = "events") -> None:
        """Taken and written out: the next query of these hours may show it."""
        answer = await self.send({"m": measurement, "columns": columns})
        assert (answer.status_code, answer.text) == (204, "")
        await self.flush()

    async def flush(self) -> None:
        answer = await self.http.post("/api/v1/write/line-protocol/flush")
        assert answer.status_code == 200, answer.text

    async def ask(self, sql: str, **headers: str) -> httpx.Response:
        """As JSON."""
        named = {"x-arc-database": self.database} | {k.replace("_", "-"): v for k, v in headers.items()}
        return await self.http.post("/api/v1/query", json={"sql": sql}, headers=named)

    async def ask_packed(self, sql: str) -> tuple[int, dict[str, Any]]:
        headers = {"x-arc-database": self.database}
        answer = await self.http.post("/api/v1/query/msgpack", json={"sql": sql}, headers=headers)
        assert answer.headers["content-type"] == "application/msgpack"
        return answer.status_code, msgpack.unpackb(answer.content, timestamp=0)

    async def rows(self, sql: str) -> list[list[Any]]:
        """The rows of a JSON answer."""
        answer = await self.ask(sql)
        assert answer.status_code == 200, answer.text
        rows: list[list[Any]] = answer.json()["data"]
        return rows

    async def refusal(self, sql: str) -> tuple[int, str]:
        """Status and words of an answer that is none."""
        answer = await self.ask(sql)
        document = answer.json()
        assert document["success"] is False
        return answer.status_code, document["error"]

    async def delete(self, where: str, **more: Any) -> tuple[int, dict[str, Any]]:
        body = {"database": self.database, "measurement": "events", "where": where, **more}
        answer = await self.http.post("/api/v1/delete", json=body)
        return answer.status_code, answer.json()


@contextlib.asynccontextmanager
async def reached(url: str, token: str) -> AsyncIterator[Arc]:
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as http:
        yield Arc(http)


@contextlib.asynccontextmanager
async def double(folder: Path) -> AsyncIterator[Arc]:
    """Rows wait for `flush`: Arc says that all is written while those that got old are on their way."""
    settings = ArcSettings(folder, buffer_age=60, strict=False)
    async with ArcDouble(settings) as it, reached(it.url, settings.admin_token) as arc:
        yield arc


@contextlib.asynccontextmanager
async def live(_: Path) -> AsyncIterator[Arc]:
    async with reached(os.environ["MEMTRACE_TEST_ARC_URL"], os.environ["MEMTRACE_TEST_ARC_TOKEN"]) as arc:
        yield arc


ARCS: Final[dict[str, Callable[[Path], AbstractAsyncContextManager[Arc]]]] = {"double": double}
if os.environ.get("MEMTRACE_TEST_ARC_URL"):
    ARCS["live"] = live
