"""A stand-in for a server under measurement: the part of the REST API that `bench` uses, in memory.

It can be told to misbehave, so that the checks have something to find.
"""

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, Literal

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bench.drafts import Pieces
from bench.targets import Target
from bench.workloads import Plan
from bench.wrk import Errors, Load, Sample, ThreadCounts

KEY: Final = "mtk_bench"
Fault = Literal["none", "loses", "repeats", "alters", "refuses", "misorders", "mixes"]


@dataclass
class Server:
    """The stand-in's memory and its fault; `port` once it serves."""

    fault: Fault = "none"
    port: int = 0
    stored: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """Of memories, by agent."""

    @property
    def target(self) -> Target:
        return Target("A", f"http://127.0.0.1:{self.port}", KEY)

    def store(self, drafts: list[dict[str, Any]]) -> None:
        for draft in drafts:
            number = len(self.stored)
            if self.fault == "loses" and number % 2:
                self.stored.append({})
                continue
            moment = datetime.fromtimestamp(1_700_000_000 + number / 1000, UTC)
            stamp = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
            memory = {**draft, "time": stamp, "dedup_key": f"{number}"}
            if self.fault == "alters":
                memory["content"] += "!"
            for _ in range(2 if self.fault == "repeats" else 1):
                self.stored.append(memory)
                self.counts[draft["agent_id"]] += 1

    def page(self, limit: int, session: str | None = None, word: str = "") -> list[dict[str, Any]]:
        if self.fault == "mixes":
            session, word = None, ""
        whole = (m for m in reversed(self.stored) if m)
        fitting = (m for m in whole if session in (None, m["session_id"]) and word in m["content"])
        found = list(islice(fitting, limit))
        return found[::-1] if self.fault == "misorders" else found


def application(server: Server) -> Starlette:
    async def write(request: Request) -> Response:
        if request.headers["x-api-key"] != KEY or server.fault == "refuses":
            return JSONResponse({"error": "invalid API key"}, 401)
        body = json.loads(await request.body())
        server.store(body["memories"] if "memories" in body else [body])
        return JSONResponse({}, 201)

    async def list_memories(request: Request) -> Response:
        asked = request.query_params
        return JSONResponse({"memories": server.page(int(asked["limit"]), asked.get("session_id"))})

    async def search(request: Request) -> Response:
        asked = await request.json()
        return JSONResponse({"results": server.page(asked["limit"], word=asked["content_contains"])})

    async def stats(request: Request) -> Response:
        agent = request.path_params["agent"]
        return JSONResponse({"memory_count": 0 if server.fault == "mixes" else server.counts[agent]})

    async def context(request: Request) -> Response:
        session = "another" if server.fault == "mixes" else request.path_params["session"]
        return JSONResponse({"context": f"## Session Context ({session})\n", "memory_count": 1})

    return Starlette(
        routes=[
            Route("/api/v1/memories", write, methods=["POST"]),
            Route("/api/v1/memories", list_memories),
            Route("/api/v1/search", search, methods=["POST"]),
            Route("/api/v1/agents/{agent}/stats", stats),
            Route("/api/v1/sessions/{session}/context", context, methods=["POST"]),
        ]
    )


@contextlib.contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Serves on a free port of this machine, on a thread."""
    config = uvicorn.Config(application(server), port=0, log_config=None, lifespan="off", ws="none")
    runner = uvicorn.Server(config)
    thread = threading.Thread(target=runner.run, name="memtrace-bench-stand-in")
    thread.start()
    try:
        started = threading.Event()
        while not runner.started:
            started.wait(0.01)
        server.port = runner.servers[0].sockets[0].getsockname()[1]
        yield server
    finally:
        runner.should_exit = True
        thread.join()


def drive_in_python(target: Target, plan: Plan, pieces: Pieces, load: Load) -> Sample:
    """Sends a few of the requests that wrk would send, and tells what wrk would tell."""
    written, failed, took = plan.memories_per_write, 0, [0]
    headers = {"x-api-key": target.key}
    started = time.perf_counter()
    base = target.url + "/api/v1"
    with httpx.Client(base_url=base, headers=headers, trust_env=False, verify=False) as client:
        for step in (plan.steps * 40)[:40]:
            if step:
                ask = plan.reads[step - 1]
                response = client.request(ask.method, ask.path, content=ask.body)
            else:
                drafts = [pieces.draft(f"{plan.mark}t0", written + i) for i in range(plan.memories_per_write)]
                written += len(drafts)
                body = f'{{"memories":[{",".join(drafts)}]}}' if plan.batch else drafts[0]
                response = client.post("/memories", content=body)
            failed += response.is_error
            took.append(int(response.elapsed.total_seconds() * 1_000_000))
    took.sort()
    return Sample(
        requests=40,
        duration=int((time.perf_counter() - started) * 1_000_000),
        bytes=0,
        p50=took[20],
        p90=took[36],
        p99=took[-1],
        max=took[-1],
        mean=sum(took) / 40,
        errors=Errors(0, 0, 0, 0, failed),
        threads=(ThreadCounts(41, written if plan.writes else 0),),
    )
