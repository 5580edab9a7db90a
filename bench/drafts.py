"""The seeded work: what the memories that are written and read look like. The same seed, the same work."""

import json
import random
from dataclasses import dataclass
from typing import Any, Final

WORKERS: Final = 20
"""Agents that write while it is timed, and the readers' agents likewise."""
WORK_SESSIONS: Final = 200
READ_SESSIONS: Final = 20
"""Sessions that reads ask for; each has a multiple of `BATCH` memories, written by one agent."""
BATCH: Final = 100
COMMON: Final = "needle"
"""In a tenth of what is read."""
RARE: Final = "zebrafish"

_SHAPES: Final = 499  # primes, so that shapes and texts meet in every combination
_TEXTS: Final = 251
_EVENTS: Final = ("general", "api_call", "page_crawled", "tool_result", "error")
_TYPES: Final = ("episodic", "episodic", "episodic", "decision", "entity", "session")
_TAGS: Final = ("prod", "web", "crawl", "billing", "retry", "eu-west")
_WORDS: Final = (
    "fetched page with listing of products and prices then stored result for later step because "
    "customer asked about delivery while rate limit was close so agent waits before next call and "
    "compares answer against cached copy from yesterday which had fewer items than expected today"
).split()


def worker(number: int) -> str:
    return f"bench_worker_{number:02d}"


def reader_agent(number: int) -> str:
    return f"bench_agent_{number % WORKERS:02d}"


def reader_session(number: int) -> str:
    return f"bench_session_{number:04d}"


@dataclass(frozen=True, slots=True)
class Pieces:
    """Memories in two halves, to be joined round what makes each unique: `shape + mark + text + '"}'`.

    All ASCII and valid inside a JSON string, so that joining is all the load generator does.
    """

    shapes: tuple[str, ...]
    texts: tuple[str, ...]

    def draft(self, mark: str, number: int) -> str:
        """The JSON of one memory, byte for byte what `load.lua` makes of the same number."""
        return f'{self.shapes[number % _SHAPES]}{self.content(mark, number)}"}}'

    def content(self, mark: str, number: int) -> str:
        return marked(mark, number) + self.texts[number % _TEXTS]


def marked(mark: str, number: int) -> str:
    """What stands at the front of a content, in no other one."""
    return f"[{mark}n{number:08d}] "


def mark_of(run: str, workload: str, round_number: int) -> str:
    """Distinct for every timed window of every run, so that no write repeats an older one."""
    return f"{run} {workload} r{round_number} "


def pieces(seed: int) -> Pieces:
    """About 200 bytes of content each, 20 agents, 200 sessions, types, events, tags, importance."""
    rng = random.Random(seed)
    return Pieces(
        tuple(_shape(rng) for _ in range(_SHAPES)),
        tuple(_text(rng) for _ in range(_TEXTS)),
    )


def _shape(rng: random.Random) -> str:
    fields: dict[str, Any] = {
        "agent_id": worker(rng.randrange(WORKERS)),
        "session_id": f"bench_work_{rng.randrange(WORK_SESSIONS):03d}",
        "memory_type": rng.choice(_TYPES),
        "event_type": rng.choice(_EVENTS),
        "importance": rng.randrange(1, 11) / 10,
        "tags": rng.sample(_TAGS, rng.randrange(1, 4)),
        "metadata": {"step": rng.randrange(100), "tool": rng.choice(("http", "sql", "shell"))},
        "content": "",
    }
    return json.dumps(fields, separators=(",", ":")).removesuffix('"}')


def _text(rng: random.Random) -> str:
    words: list[str] = []
    while sum(map(len, words)) + len(words) < 160:
        words.append(rng.choice(_WORDS))
    return f"https://example.com/p/{rng.randrange(100_000)} " + " ".join(words)


def reading_matter(run: str, count: int, seed: int) -> list[list[dict[str, Any]]]:
    """What the read workloads find when nothing was seeded: batches, each of one session, in order.

    `count` is rounded up so that every session has the same number of batches.
    """
    rng = random.Random(seed)
    rounds = -(-count // (BATCH * READ_SESSIONS))
    batches = []
    for turn in range(rounds):
        for session in range(READ_SESSIONS):
            start = (turn * READ_SESSIONS + session) * BATCH
            batches.append([_matter(rng, run, session, start + i) for i in range(BATCH)])
    return batches


def _matter(rng: random.Random, run: str, session: int, number: int) -> dict[str, Any]:
    word = (f" {COMMON}" if number % 10 == 0 else "") + (f" {RARE}" if number % 5_000 == 77 else "")
    return {
        "agent_id": reader_agent(session),
        "session_id": reader_session(session),
        "memory_type": rng.choice(_TYPES),
        "event_type": rng.choice(_EVENTS),
        "importance": rng.randrange(1, 11) / 10,
        "tags": rng.sample(_TAGS, 2),
        "metadata": {"step": number},
        "content": marked(f"{run} matter ", number) + _text(rng) + word,
    }
