"""What a seeded store holds: rows that are spread evenly over the last days, as a SELECT for DuckDB.

The names are those that `workloads.py` asks for. Nothing is read or written here.
"""

import random
from dataclasses import dataclass
from typing import Final

from bench.drafts import COMMON, RARE, READ_SESSIONS, WORKERS, reader_session
from core.adapters.events.literal import literal
from core.adapters.events.schema import TYPES
from core.model.memory import Micros

DAY: Final[Micros] = 86_400_000_000
_A_SESSION: Final = 505
"""Memories a session has in a day when nothing else is said: enough for a context of 500."""
_RARE: Final = 10
"""So many rows hold the rare word, whatever the number of rows."""
_WORDS: Final = 400
_WORDS_A_ROW: Final = 22
_SYLLABLES: Final = "ba ce di fo gu ha je ki lo mu na pe qui ro su ta ve wi xo yu za".split()


@dataclass(frozen=True, slots=True)
class History:
    """`rows` memories in the `days` that end at `end`, which all lie before it."""

    rows: int
    days: int
    end: Micros
    org_id: str
    sessions: int
    """Alive in each period of 24 hours that ends where `end` does."""
    seed: int

    @property
    def start(self) -> Micros:
        return self.end - self.rows * self.step

    @property
    def step(self) -> Micros:
        return self.days * DAY // self.rows

    def numbers(self, since: Micros, until: Micros) -> range:
        """Which rows have their time in [since, until)."""
        first = max(0, -(-(since - self.start) // self.step))
        last = min(self.rows, -(-(until - self.start) // self.step))
        return range(first, max(first, last))


def history(rows: int, days: int, end: Micros, org_id: str, sessions: int | None, seed: int) -> History:
    """A history whose sessions have about 500 memories each, unless their number is given."""
    return History(rows, days, end, org_id, sessions or max(READ_SESSIONS, rows // days // _A_SESSION), seed)


def select(wanted: History, numbers: range) -> str:
    """The rows of these numbers, in the order in which the store keeps them."""
    made = {
        "time": f"make_timestamptz({wanted.start} + i * {wanted.step})",
        "org_id": literal(wanted.org_id),
        "agent_id": f"'bench_agent_' || lpad((session % {WORKERS})::VARCHAR, 2, '0')",
        "session_id": _session_id(),
        "memory_type": _pick(["episodic", "episodic", "episodic", "decision", "entity", "session"], 3),
        "event_type": _pick(["general", "api_call", "page_crawled", "tool_result", "error"], 5),
        "content": _content(wanted),
        "metadata_json": """'{"step":' || i % 100 || ',"tool":"http"}'""",
        "tags_csv": _pick(["prod,web", "crawl", "billing,retry", "eu-west"], 41),
        "dedup_key": f"left(sha256('{wanted.seed}.' || i), 32)",
        "importance": "(hash(i * 43) % 10 + 1) / 10.0",
        "parent_id": "''",
    }
    columns = ", ".join(f"({made[name]})::{type} AS {name}" for name, type in TYPES.items())
    rows = (
        f"SELECT i, (hash(i * 13) % {wanted.sessions})::BIGINT AS session,"
        f" ({wanted.end} - ({wanted.start} + i * {wanted.step}) - 1) // {DAY} AS ago"
        f" FROM range({numbers.start}, {numbers.stop}) r(i)"
    )
    return f"SELECT {columns} FROM ({rows}), {_words(wanted)} ORDER BY session_id, time"


def _session_id() -> str:
    """Those of the last 24 hours are the ones that reads ask for."""
    prefix = reader_session(0).removesuffix("0000")
    return (
        f"'{prefix}' || CASE WHEN ago > 0 THEN 'd' || ago || '_' ELSE '' END"
        " || lpad(session::VARCHAR, 4, '0')"
    )


def _pick(values: list[str], salt: int) -> str:
    listed = ", ".join(literal(v) for v in values)
    return f"[{listed}][(1 + hash(i * {salt}) % {len(values)})::BIGINT]"


def _content(wanted: History) -> str:
    """About 200 bytes that no other row has."""
    picked = (f"words[(1 + hash(i * {47 + 2 * k}) % {_WORDS})::BIGINT]" for k in range(_WORDS_A_ROW))
    every = max(1, wanted.rows // _RARE)
    return (
        "'Step ' || i || ' of https://example.com/p/' || (hash(i * 31) % 100000) || ': '"
        f" || concat_ws(' ', {', '.join(picked)})"
        f" || CASE WHEN i % 10 = 0 THEN ' {COMMON}' ELSE '' END"
        f" || CASE WHEN i % {every} = {min(7, every - 1)} THEN ' {RARE}' ELSE '' END"
    )


def _words(wanted: History) -> str:
    """A list of invented words, as a column beside the rows: as a literal it is built for each row."""
    rng = random.Random(wanted.seed)
    made = {"".join(rng.choice(_SYLLABLES) for _ in range(rng.randrange(2, 4))) for _ in range(_WORDS * 2)}
    return f"(SELECT [{', '.join(literal(w) for w in sorted(made)[:_WORDS])}] AS words)"
