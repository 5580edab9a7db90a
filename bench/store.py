"""How long the embedded store takes for the questions that recall asks: `python -m bench.store`.

Two archives of a million memories each: one busy day in hour files, and thirty days in day files
with the last day's hours. Everything is warm; each question is asked in turn, several rounds.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from core.adapters.clock import SystemClock
from core.adapters.events.engine import Cursor, Engine
from core.adapters.events.layout import DAY, HOUR, Place, place_of
from core.adapters.events.literal import literal
from core.adapters.events.parquet import ParquetStore
from core.adapters.events.writing import DAY_ROW_GROUP, ROW_GROUP, parquet_options, unique
from core.model.memory import MemoryFilter, Micros, OrgId, Span
from core.model.tenant import Binding

ORG: Final = OrgId("org_bench")
END: Final[Micros] = 1_780_012_800_000_000
"""A midnight: the archives end here."""
_WORDS: Final = "[3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83]"


@dataclass(frozen=True)
class Archive:
    """`rows` memories over `hours` hours before `end`, as so many sessions."""

    rows: int
    hours: int
    sessions: int
    end: Micros
    by_day: bool


@dataclass(frozen=True)
class Question:
    name: str
    target_ms: float
    ask: Callable[[], Awaitable[object]]


def rows_of(archive: Archive, start: Micros, end: Micros) -> str:
    """SQL for the archive's rows of one file: about 200 bytes of words each, the same every time."""
    step = archive.hours * HOUR // archive.rows
    first = archive.end - archive.hours * HOUR
    low, high = (start - first + step - 1) // step, (end - first + step - 1) // step
    return f"""
        SELECT make_timestamptz({first} + i * {step}) AS time, '{ORG}' AS org_id,
            'agent_' || (hash(i * 7) % 50) AS agent_id,
            'sess_' || substr(sha256((hash(i * 13) % {archive.sessions})::VARCHAR), 1, 24) AS session_id,
            ['episodic', 'episodic', 'episodic', 'decision', 'entity', 'session']
                [(1 + hash(i * 3) % 6)::BIGINT] AS memory_type,
            ['general', 'api_call', 'page_crawled', 'error'][(1 + hash(i * 5) % 4)::BIGINT] AS event_type,
            'Crawled https://example.com/p/' || (hash(i * 31) % 100000) || ' found ' || (hash(i) % 1000)
                || ' products: ' || array_to_string([substr(sha256((hash(i * k) % 400)::VARCHAR), 1,
                    (3 + hash(i * k) % 8)::BIGINT) FOR k IN {_WORDS}], ' ')
                || CASE WHEN i % 10 = 0 THEN ' needle' ELSE '' END
                || CASE WHEN i % 100000 = 77 THEN ' rareword' ELSE '' END AS content,
            '{{"i":' || i || '}}' AS metadata_json,
            CASE WHEN i % 3 = 0 THEN 'prod,web' ELSE '' END AS tags_csv,
            substr(sha256(('k' || i)::VARCHAR), 1, 32) AS dedup_key,
            (hash(i) % 100) / 100.0::DOUBLE AS importance, '' AS parent_id
        FROM range({low}, {high}) r(i) ORDER BY session_id, time"""


def generate(cursor: Cursor, place: Place, archive: Archive) -> None:
    """Files as merging leaves them."""
    unit = DAY if archive.by_day else HOUR
    options = parquet_options(DAY_ROW_GROUP if archive.by_day else ROW_GROUP)
    for start in range(archive.end - archive.hours * HOUR, archive.end, unit):
        folder = place.day_folder(start) if archive.by_day else place.hour_folder(start)
        folder.mkdir(parents=True, exist_ok=True)
        target = literal(str(folder / place.merged_name(start, unique())))
        cursor.count(f"COPY ({rows_of(archive, start, start + unit)}) TO {target} ({options})")


class Bench:
    """One store over two databases, `day` and `month`."""

    def __init__(self, folder: Path, memory_mb: int, threads: int) -> None:
        self.engine = Engine(memory_limit_mb=memory_mb, threads=threads)
        self.store = ParquetStore(engine=self.engine, clock=SystemClock(), query_timeout=60)
        self.day = Binding("arc_day", ORG, f"file:{folder}", "day", "events", 0)
        self.month = Binding("arc_month", ORG, f"file:{folder}", "month", "events", 0)

    async def fill(self, rows: int) -> None:
        day = Archive(rows, 24, 1_000, END, by_day=False)
        old = Archive(rows * 29 // 30, 29 * 24, 1_500, END - DAY, by_day=True)
        last = Archive(rows // 30, 24, 50, END, by_day=False)
        for binding, archive in ((self.day, day), (self.month, old), (self.month, last)):
            place = place_of(binding)

            def work(cursor: Cursor, place: Place = place, archive: Archive = archive) -> None:
                generate(cursor, place, archive)

            await self.engine.run(work, 600)

    async def session(self, binding: Binding) -> MemoryFilter:
        """A session that has rows in the last hour."""
        rows = await self.store.search(binding, MemoryFilter(), Span(END - HOUR, END), "desc", 1, None)
        return MemoryFilter(session_id=rows[0].session_id)

    def search(
        self, binding: Binding, filter: MemoryFilter, span: Span, limit: int
    ) -> Callable[[], Awaitable[object]]:
        return lambda: self.store.search(binding, filter, span, "desc", limit, None)

    async def questions(self) -> list[Question]:
        """Each with its target in milliseconds."""
        whole_day, ever = Span(END - DAY, END), Span(END - 40 * DAY, END)
        everything, agent = MemoryFilter(), MemoryFilter(agent_ids=("agent_7",))
        in_day, in_month = await self.session(self.day), await self.session(self.month)
        common, rare = MemoryFilter(content_contains="needle"), MemoryFilter(content_contains="rareword")
        day, month, store = self.day, self.month, self.store
        return [
            Question("24 hours: newest 100", 12, self.search(day, everything, whole_day, 100)),
            Question("24 hours: newest 100 of a session", 30, self.search(day, in_day, whole_day, 100)),
            Question("24 hours: 50 with a common word", 30, self.search(day, common, whole_day, 50)),
            Question("24 hours: 50 with a rare word", 100, self.search(day, rare, whole_day, 50)),
            Question("30 days: newest 100", 6, self.search(month, everything, ever, 100)),
            Question(
                "30 days: a session's newest 100 in 24 h", 9, self.search(month, in_month, whole_day, 100)
            ),
            Question("30 days: a session's newest 500", 18, self.search(month, in_month, whole_day, 500)),
            Question("30 days: an agent's tally", 30, lambda: store.tally(month, agent, ever, END - DAY)),
            Question(
                "30 days: one hour's identities",
                20,
                lambda: store.identities(month, everything, Span(END - HOUR, END)),
            ),
        ]

    async def measure(self, questions: list[Question], rounds: int) -> list[list[tuple[float, float]]]:
        """Per question and round: milliseconds by the clock, and of processors."""
        taken: list[list[tuple[float, float]]] = [[] for _ in questions]
        for turn in range(rounds + 2):
            for question, times in zip(questions, taken, strict=True):
                begun, used = time.perf_counter(), time.process_time()
                await question.ask()
                if turn >= 2:
                    times.append(((time.perf_counter() - begun) * 1e3, (time.process_time() - used) * 1e3))
        return taken


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


async def run(folder: Path, options: argparse.Namespace) -> None:
    if not (folder / "day").exists():
        bench = Bench(folder, 2_000, 2)
        await bench.fill(options.rows)
        bench.engine.close()
    if options.only_fill:
        return
    bench = Bench(folder, options.memory, options.threads)
    try:
        questions = await bench.questions()
        taken = await bench.measure(questions, options.rounds)
    finally:
        bench.engine.close()
    print(f"{'question':<42}{'p50 ms':>8}{'p95 ms':>8}{'CPU ms':>8}{'target':>8}")
    for question, times in zip(questions, taken, strict=True):
        clock, cpu = sorted(t for t, _ in times), statistics.median(c for _, c in times)
        p50, p95 = statistics.median(clock), clock[int(len(clock) * 0.95)]
        print(f"{question.name:<42}{p50:>8.1f}{p95:>8.1f}{cpu:>8.1f}{question.target_ms:>8.0f}")
    print(f"resident memory: {resident_mb():.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.store", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--memory", type=int, default=128, help="DuckDB's memory limit in MB")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--folder", type=Path, help="keep the archives here, and use them when they are there"
    )
    parser.add_argument("--only-fill", action="store_true")
    options = parser.parse_args()
    if options.folder is not None:
        asyncio.run(run(options.folder.resolve(), options))
        return
    with tempfile.TemporaryDirectory(prefix="memtrace-bench-") as folder:
        asyncio.run(run(Path(folder), options))


if __name__ == "__main__":
    main()
