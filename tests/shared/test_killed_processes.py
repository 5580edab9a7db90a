"""Processes that share one file, and are killed at any moment: real ones, and SIGKILL."""

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core.adapters.sqlite.rollback import journal_of
from core.adapters.sqlite.shared import SharedDatabase
from core.model.memory import MemoryFilter, parse_id
from tests.contract.journals import ACME, ALWAYS
from tests.shared.writer import opened

ROOT = Path(__file__).parents[2]
KEYS = 100
KILLS = 2
ENOUGH = 120.0


@dataclass
class Writer:
    """A process that appends, and what it was told."""

    process: asyncio.subprocess.Process
    told: list[tuple[int, str, bool]] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    """Something was told, or nothing more will be."""

    async def listen(self) -> None:
        """Until it ends: whole lines alone were told."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            if line.endswith(b"\n"):
                key, memory_id, created = line.decode().split()
                self.told.append((int(key), memory_id, created == "1"))
                self.heard.set()
        await self.process.wait()
        self.heard.set()


async def started(path: Path, how: str, first: int = 0, count: int = 0) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.shared.writer", str(path), how, str(first), str(count)),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        stdout=asyncio.subprocess.PIPE,
    )


@contextlib.asynccontextmanager
async def writing(path: Path, first: int, count: int) -> AsyncIterator[Writer]:
    writer = Writer(await started(path, "append", first, count))
    try:
        yield writer
    finally:
        with contextlib.suppress(ProcessLookupError):
            writer.process.kill()
        await writer.process.wait()


async def killed_and_started_again(path: Path, rng: random.Random, told: list[tuple[int, str, bool]]) -> int:
    """Writes all keys; what is not known to be there is repeated. How often it was killed on the way."""
    done, killed = 0, 0
    while done < KEYS:
        async with writing(path, done, KEYS - done) as writer:
            listening = asyncio.create_task(writer.listen())
            after = len(writer.told) + rng.randrange(1, 20)
            while killed < KILLS and not listening.done() and len(writer.told) < after:
                await writer.heard.wait()
                writer.heard.clear()
            if killed < KILLS and not listening.done():
                await asyncio.sleep(rng.random() * 0.002)
                writer.process.send_signal(signal.SIGKILL)
            await listening
        killed += writer.process.returncode == -signal.SIGKILL
        told += writer.told
        done = max([done, *(key + 1 for key, _, _ in writer.told)])
    return killed


async def test_four_killed_writers_lose_nothing_and_have_one_winner_each(path: Path) -> None:
    told: list[tuple[int, str, bool]] = []
    async with asyncio.timeout(ENOUGH):
        works = [killed_and_started_again(path, random.Random(seed), told) for seed in range(4)]
        assert sum(await asyncio.gather(*works)) >= 2 * KILLS
    winners = defaultdict(set)
    for key, memory_id, _ in told:
        winners[key].add(memory_id)
    assert sorted(winners) == list(range(KEYS))
    assert all(len(ids) == 1 for ids in winners.values())
    assert max(sum(created for k, _, created in told if k == key) for key in winners) == 1
    with opened(path) as journal:
        tail = await journal.tail(ACME, MemoryFilter(), ALWAYS, "asc", 10 * KEYS)
    assert {m.dedup_key: m.time for m in tail.memories} == {
        str(key): _time_of(next(iter(ids))) for key, ids in winners.items()
    }
    times = [memory.time for memory in tail.memories]
    assert times == sorted(set(times))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT rows, claims FROM ledger WHERE org_no = 0").fetchone() == (
            KEYS,
            KEYS,
        )


def content(path: Path) -> bytes:
    return path.read_bytes()


def _time_of(memory_id: str) -> int:
    place = parse_id(memory_id)
    assert place is not None
    return place[0]


async def test_what_one_process_was_told_another_one_reads_at_once(path: Path) -> None:
    seen = 0
    with opened(path) as journal:
        async with asyncio.timeout(ENOUGH), writing(path, 0, 40) as writer:
            assert writer.process.stdout is not None
            async for line in writer.process.stdout:
                place = parse_id(line.split()[1].decode())
                assert place is not None
                tail = await journal.tail(ACME, MemoryFilter(), ALWAYS, "desc", 100)
                assert place[0] in {memory.time for memory in tail.memories}
                seen += 1
    assert seen == 40


async def test_the_next_one_undoes_what_a_killed_process_had_begun_to_write(path: Path) -> None:
    before = len(content(path))
    async with asyncio.timeout(ENOUGH):
        process = await started(path, "spill")
        assert await process.wait() == -signal.SIGKILL
    assert len(content(path)) > before
    assert b"unfinished" in content(path)
    assert any(content(journal_of(path))[:8])

    def look(connection: sqlite3.Connection) -> tuple[list[str], str]:
        names = [name for (name,) in connection.execute("SELECT name FROM organizations ORDER BY name")]
        return names, connection.execute("PRAGMA integrity_check").fetchone()[0]

    with contextlib.closing(SharedDatabase(path, patience=1)) as database:
        assert await database.read(look) == (["acme", "other"], "ok")
        assert await database.write(look) == (["acme", "other"], "ok")
    assert len(content(path)) == before
    assert not any(content(journal_of(path))[:8])


@pytest.mark.parametrize("held_by", ["turn", "file"])
async def test_a_killed_process_leaves_no_lock_behind(path: Path, held_by: str) -> None:
    lock = path.with_name("m.db.turn") if held_by == "turn" else path
    code = (
        f"import fcntl, time\nfile = open({str(lock)!r}, 'r+')\nfcntl.flock(file, fcntl.LOCK_EX)\n"
        if held_by == "turn"
        else f"import sqlite3, time\nc = sqlite3.connect({str(path)!r})\nc.execute('BEGIN EXCLUSIVE')\n"
    )
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", f"{code}print('held', flush=True)\ntime.sleep(60)"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    with contextlib.closing(SharedDatabase(path, patience=20)) as database:
        write = asyncio.create_task(
            database.write(lambda c: c.execute("UPDATE ledger SET rows = 0").rowcount)
        )
        await asyncio.wait([write], timeout=0.1)
        assert not write.done()
        holder.kill()
        await holder.wait()
        assert await write == 1
