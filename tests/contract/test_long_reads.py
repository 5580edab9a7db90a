"""Reads that take long: no org's backlog keeps another one from reading."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from sqlite3 import Connection

import pytest

from core.adapters.sqlite import journal_reader
from core.adapters.sqlite.long_reads import LongReads
from core.model.memory import MemoryFilter
from tests.clock import ManualClock
from tests.contract.journals import ACME, ALWAYS, OTHER, Workshop, draft, workshop

SEARCH = MemoryFilter(content_contains="needle")


@pytest.fixture
async def shop(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Workshop]:
    with workshop(tmp_path / "m.db", clock) as opened:
        yield opened


class Slow:
    """A read that lasts until it is told to end."""

    def __init__(self) -> None:
        self.running = 0
        self.began = threading.Event()
        self.may_end = threading.Event()

    def __call__(self, connection: Connection) -> list[object]:
        self.running += 1
        self.began.set()
        assert self.may_end.wait(10)
        self.running -= 1
        return []


async def begun(slow: Slow) -> None:
    assert await asyncio.to_thread(slow.began.wait, 10)


async def test_searches_of_a_large_backlog_leave_a_reader_to_others(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.journal.append(ACME, [draft("hay"), draft("more hay")], None)
    await shop.journal.append(OTHER, [draft("mine")], None)
    slow = Slow()
    monkeypatch.setattr(journal_reader, "_MANY", 1, raising=False)
    monkeypatch.setattr(journal_reader, "scan", lambda *_: slow(shop.database.writer))
    searches = [asyncio.create_task(shop.journal.tail(ACME, SEARCH, ALWAYS, "desc", 10)) for _ in range(5)]
    await begun(slow)
    try:
        assert await asyncio.wait_for(shop.contents(OTHER), 30) == ["mine"]
    finally:
        slow.may_end.set()
        await asyncio.wait(searches)


async def test_few_rows_are_never_scanned_for_among_those_of_others(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.journal.append(OTHER, [draft("a needle")], None)
    await shop.journal.append(ACME, [draft(f"hay {n}") for n in range(100)], None)
    await shop.journal.append(OTHER, [draft("another needle")], None)
    monkeypatch.setattr(journal_reader, "scan", lambda *_: pytest.fail("it looked through all orgs' rows"))
    tail = await shop.journal.tail(OTHER, SEARCH, ALWAYS, "asc", 10)
    assert [memory.content for memory in tail.memories] == ["a needle", "another needle"]


async def test_orgs_take_turns_however_often_one_of_them_asks(shop: Workshop) -> None:
    reads, order = LongReads(shop.database), list[str]()
    first = Slow()

    def note(org: str) -> list[object]:
        order.append(org)
        return []

    asked = [asyncio.create_task(reads.read(ACME, first))]
    await begun(first)
    asked += [asyncio.create_task(reads.read(ACME, lambda _: note("acme"))) for _ in range(3)]
    await asyncio.sleep(0)
    asked.append(asyncio.create_task(reads.read(OTHER, lambda _: note("other"))))
    await asyncio.sleep(0)
    first.may_end.set()
    await asyncio.wait(asked)
    assert order[0] == "other"
    assert reads.orgs == 0


async def test_one_who_gives_up_keeps_its_place_until_its_thread_has_ended(shop: Workshop) -> None:
    reads, first, second = LongReads(shop.database), Slow(), Slow()
    impatient = asyncio.create_task(reads.read(ACME, first))
    await begun(first)
    for _ in range(2):
        impatient.cancel()
        await asyncio.sleep(0.01)
    following = asyncio.create_task(reads.read(ACME, second))
    await asyncio.sleep(0.01)
    assert (first.running, second.running) == (1, 0)
    first.may_end.set()
    second.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert await following == []
    assert reads.orgs == 0
