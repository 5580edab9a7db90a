"""After a deletion nothing of the text is left in any file of the journal, wherever it had been."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.adapters.sqlite.checkpoint import Checkpointer
from core.model.memory import Exclusion, Memory, claim_key
from core.ports import Parcel
from tests.clock import ManualClock
from tests.contract.journals import ACME, Workshop, draft, make_file, open_workshop, workshop

MARK = "unforgettable"
FOREVER = 2**62


@pytest.fixture
async def shop(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Workshop]:
    with workshop(tmp_path / "m.db", clock) as opened:
        yield opened


@pytest.fixture
async def checkpointer(shop: Workshop) -> AsyncIterator[Checkpointer]:
    opened = Checkpointer(shop.database)
    yield opened
    opened.close()


def found_in(folder: Path) -> dict[str, int]:
    """How often the mark stands in each file that has it."""
    counts = {file.name: file.read_bytes().count(MARK.encode()) for file in folder.iterdir()}
    return {name: count for name, count in counts.items() if count}


async def fill(shop: Workshop, rng: random.Random, count: int) -> list[Memory]:
    """Memories of all sizes, a few of them far larger than a page."""
    memories: list[Memory] = []
    for start in range(0, count, 100):
        drafts = [
            draft(
                f"{MARK} {start + n} " * rng.choice((1, 3, 20, 800)),
                key=f"{MARK} {start + n}",
                session_id="s",
            )
            for n in range(100)
        ]
        receipts = await shop.journal.append(ACME, drafts, None)
        memories += [receipt.memory for receipt in receipts if receipt.memory is not None]
        shop.clock.advance(1)
    return memories


async def settle(shop: Workshop, memories: list[Memory]) -> None:
    lease, times = await shop.leased(), [memory.time for memory in memories]
    await shop.outbox.delivered(Parcel(ACME, tuple(times), b""), lease, 0)
    assert await shop.outbox.settled(ACME, times, lease) == len(times)


async def test_no_text_survives_its_deletion(
    shop: Workshop, checkpointer: Checkpointer, tmp_path: Path
) -> None:
    rng = random.Random(7)
    memories = await fill(shop, rng, 2_000)
    rng.shuffle(memories)
    await settle(shop, memories[:700])
    await checkpointer.step(100_000, 0)  # some of it reaches the file itself
    await settle(shop, memories[700:1_000])
    await shop.outbox.dead(ACME, [m.time for m in memories[1_000:1_050]], MARK, await shop.leased())
    assert set(found_in(tmp_path)) == {"m.db", "m.db-wal"}
    graves = [(m.time, claim_key(m.dedup_key)) for m in memories[1_040:1_400]]
    await shop.deletions.bury(ACME, graves)
    await shop.deletions.erase(await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s")))
    assert found_in(tmp_path)
    assert await checkpointer.clean(0)
    assert found_in(tmp_path) == {}


async def test_what_is_kept_stays_and_only_the_deleted_goes(
    shop: Workshop, checkpointer: Checkpointer, tmp_path: Path
) -> None:
    kept = [f"keep me {n}" for n in range(50)]
    for content in kept:
        await shop.journal.append(ACME, [draft(content), draft(f"{MARK} {content}", session_id="s")], None)
    await shop.deletions.erase(await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s")))
    assert await checkpointer.clean(0)
    assert found_in(tmp_path) == {}
    assert await shop.contents() == kept
    assert (tmp_path / "m.db").read_bytes().count(b"keep me") >= len(kept)


async def test_purged_dead_letters_leave_nothing(
    shop: Workshop, checkpointer: Checkpointer, tmp_path: Path
) -> None:
    memories = await fill(shop, random.Random(1), 100)
    await shop.outbox.dead(ACME, [m.time for m in memories], "why", await shop.leased())
    await shop.letters.purge_dead(ACME, None)
    assert await checkpointer.clean(0)
    assert found_in(tmp_path) == {}


async def test_the_log_is_emptied_for_another_process_too(
    tmp_path: Path, clock: ManualClock, shop: Workshop, checkpointer: Checkpointer
) -> None:
    await fill(shop, random.Random(1), 100)
    command = open_workshop(make_file(tmp_path / "m.db"), clock)
    await command.deletions.erase(
        await command.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
    )
    command.close()
    assert await checkpointer.clean(0)
    assert found_in(tmp_path) == {}
    assert (tmp_path / "m.db-wal").stat().st_size == 0


async def test_the_log_is_left_alone_while_nothing_is_deleted(
    shop: Workshop, checkpointer: Checkpointer, tmp_path: Path
) -> None:
    await fill(shop, random.Random(1), 100)
    size = (tmp_path / "m.db-wal").stat().st_size
    assert await checkpointer.clean(0)
    assert (tmp_path / "m.db-wal").stat().st_size == size > 0


async def test_a_reader_in_the_way_is_waited_for_in_turns(
    shop: Workshop, checkpointer: Checkpointer, tmp_path: Path
) -> None:
    await fill(shop, random.Random(1), 100)
    shop.database.writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
    await shop.journal.append(ACME, [draft("another", key="another")], None)
    with workshop(tmp_path / "m.db", shop.clock) as other:
        reader = other.database.writer
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM journal").fetchone()
        await shop.deletions.erase(
            await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
        )
        assert not await checkpointer.clean(0)
        assert found_in(tmp_path)
        reader.execute("ROLLBACK")
        assert not await checkpointer.clean(4.9)  # not more often than every five seconds
        assert await checkpointer.clean(5)
    assert found_in(tmp_path) == {}
