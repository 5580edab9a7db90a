"""A server with memories, sessions, agents and a dead letter to look at, and keys of several kinds."""

import asyncio
import contextlib
import json
import re
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from core.adapters.clock import SystemClock
from core.adapters.sqlite.database import Database
from core.adapters.sqlite.outbox import SqliteOutbox
from core.model.memory import OrgId, parse_id
from tests.e2e.installation import PATIENCE, command, environment

HOSTILE: Final = (
    '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>"\'`&amp; ]]> javascript:alert(1)'
)
WHY: Final = f"store_refused: {HOSTILE}"
CRAWLS: Final = 60
"""Memories of the session, more than a page."""


@dataclass(frozen=True)
class Site:
    """The server, and how to get at it."""

    url: str
    key: str = field(repr=False)
    writer_key: str = field(repr=False)
    unbound_key: str = field(repr=False)
    session: str
    client: httpx.Client

    @classmethod
    @contextlib.contextmanager
    def opened(cls, folder: Path) -> Iterator["Site"]:
        with _server(folder) as variables:
            url, key = variables["MEMTRACE_URL"], variables["MEMTRACE_API_KEY"]
            headers = {"x-api-key": key}
            with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=PATIENCE) as client:
                session = _seed(client)
                _bury(Path(variables["MEMTRACE_AUTH_DB_PATH"]), client)
                keys = _keys(variables)
                yield cls(url, key, *keys, session, client)

    def remember(self, content: str, **more: Any) -> Any:
        body = {"agent_id": "late", "content": content, **more}
        answer = self.client.post("/memories", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def get(self, path: str, **params: Any) -> Any:
        return self.client.get(path, params=params).raise_for_status().json()


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[Mapping[str, str]]:
    """What `dev.env` exports of a server that leaves everything in its journal."""
    env = environment(MEMTRACE_ARC_WRITE_FLUSH_INTERVAL_MS="600000")
    line = command("dev", "--port", "0", "--data", folder / "data")
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(line, cwd=folder, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        until = time.monotonic() + PATIENCE
        while not re.search(r"flusher_started", (folder / "log").read_text()):
            assert server.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until, "the server did not start"
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(0.05)
        yield _exported(folder / "data" / "dev.env")
    finally:
        server.kill()
        server.wait(PATIENCE)


def _exported(path: Path) -> Mapping[str, str]:
    lines = [line for line in path.read_text().splitlines() if line.startswith("export ")]
    return dict(shlex.split(line)[1].split("=", 1) for line in lines)


def _seed(client: httpx.Client) -> str:
    """The session's id."""
    for name, description in (("crawler", HOSTILE), ("idle", "never wrote")):
        client.post("/agents", json={"name": name, "description": description}).raise_for_status()
    opened = client.post("/sessions", json={"agent_id": "crawler", "metadata": {"goal": HOSTILE}})
    session: str = opened.raise_for_status().json()["id"]
    memories: list[dict[str, Any]] = [
        {
            "agent_id": "crawler",
            "session_id": session,
            "event_type": "page_crawled",
            "content": f"Crawled page {n}: found {n} links and nothing else of note",
            "tags": ["shop", f"page-{n}"],
        }
        for n in range(CRAWLS)
    ]
    memories += [
        {"agent_id": "crawler", "session_id": session, "memory_type": "decision", "event_type": "decision",
         "content": "Skip pagination: only 2 pages deep", "importance": 0.9, "metadata": {"why": HOSTILE}},
        {"agent_id": "crawler", "session_id": session, "event_type": "error", "content": "Limited at 100%_"},
        {"agent_id": "support", "memory_type": "entity", "event_type": "preference", "content": HOSTILE},
    ]  # fmt: skip
    client.post("/memories", json={"memories": memories}).raise_for_status()
    return session


def _bury(database: Path, client: httpx.Client) -> None:
    """A memory that the store refused for good."""
    body = {"agent_id": "support", "content": f"too wide for the store {HOSTILE}"}
    memory = client.post("/memories", json=body).raise_for_status().json()
    place = parse_id(memory["id"])
    assert place is not None
    with closing(Database(database)) as opened:
        outbox = SqliteOutbox(opened, clock=SystemClock())
        dying = outbox.dead(OrgId(memory["org_id"]), [place[0]], WHY, None)
        with ThreadPoolExecutor(1) as thread:  # this one may have a loop already, that of the browser
            assert thread.submit(asyncio.run, dying).result() == 1


def _keys(variables: Mapping[str, str]) -> tuple[str, str]:
    """One that may only write, and one of an organization without a store."""
    writing = _told(
        variables, "key", "create", "--org", "org_default", "--name", "w", "--permissions", "write"
    )
    org = _told(variables, "org", "create", "Unbound")
    unbound = _told(variables, "key", "create", "--org", org["id"], "--name", "u", "--permissions", "read")
    return writing["key"], unbound["key"]


def _told(variables: Mapping[str, str], *words: str) -> Any:
    line = command(*words, "--json")
    done = subprocess.run(
        line, env=environment(**variables), capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    return json.loads(done.stdout)
