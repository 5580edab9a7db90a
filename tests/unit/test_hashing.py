"""bcrypt off the event loop: bounded, and gone when closed."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from core.hashing import Hasher
from core.model.errors import Overloaded, ShuttingDown


class HeldBcrypt:
    """Answers only when let go. A key matches itself."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.started = threading.Event()
        self.threads: set[str] = set()

    def hash(self, key: bytes, cost: int) -> bytes:
        return key

    def matches(self, key: bytes, hash: bytes) -> bool:
        self.started.set()
        self.threads.add(threading.current_thread().name)
        self.go.wait(10)
        return key == hash


@pytest.fixture
def bcrypt() -> HeldBcrypt:
    return HeldBcrypt()


@pytest.fixture
async def hasher(bcrypt: HeldBcrypt) -> AsyncIterator[Hasher]:
    """One thread, and room for two that wait."""
    hasher = Hasher(threads=1, max_waiting=2, bcrypt=bcrypt)
    yield hasher
    bcrypt.go.set()
    hasher.close()


async def test_a_key_matches_its_own_hash_and_no_other() -> None:
    hasher = Hasher(cost=4)
    hashed = await hasher.hash("mtk_key")
    assert hashed.startswith("$2b$04$")
    assert await hasher.matches("mtk_key", hashed)
    assert not await hasher.matches("mtk_other", hashed)
    hasher.close()


@pytest.mark.parametrize(("key", "hash"), [("mtk_key", "no hash"), ("mtk_key", ""), ("k" * 73, "$2b$04$x")])
async def test_what_bcrypt_cannot_take_matches_nothing(key: str, hash: str) -> None:
    hasher = Hasher(cost=4)
    assert not await hasher.matches(key, hash)
    hasher.close()


async def test_it_runs_on_a_thread_of_its_own_name(hasher: Hasher, bcrypt: HeldBcrypt) -> None:
    bcrypt.go.set()
    await hasher.matches("a", "a")
    assert {name.rpartition("_")[0] for name in bcrypt.threads} == {"memtrace-bcrypt"}


async def test_beyond_the_queue_it_refuses_at_once(hasher: Hasher, bcrypt: HeldBcrypt) -> None:
    waiting = [asyncio.create_task(hasher.matches("a", "a")) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="too many API keys"):
        await hasher.matches("a", "a")
    bcrypt.go.set()
    assert await asyncio.gather(*waiting) == [True] * 3


async def test_after_a_crowd_there_is_room_again(hasher: Hasher, bcrypt: HeldBcrypt) -> None:
    bcrypt.go.set()
    for _ in range(5):
        assert await asyncio.gather(*(hasher.matches("a", "a") for _ in range(3))) == [True] * 3


async def test_who_went_away_keeps_the_room_until_the_thread_is_done(
    hasher: Hasher, bcrypt: HeldBcrypt
) -> None:
    waiting = [asyncio.create_task(hasher.matches("a", "a")) for _ in range(3)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    with pytest.raises(Overloaded):
        await hasher.matches("a", "a")


async def test_closing_tells_those_who_wait(bcrypt: HeldBcrypt) -> None:
    hasher = Hasher(threads=1, max_waiting=2, bcrypt=bcrypt)
    waiting = [asyncio.create_task(hasher.matches("a", "a")) for _ in range(2)]
    await asyncio.to_thread(bcrypt.started.wait, 10)
    closing = asyncio.create_task(asyncio.to_thread(hasher.close))
    with pytest.raises(ShuttingDown):
        await waiting[1]
    bcrypt.go.set()
    await closing
    assert await waiting[0]


async def test_once_closed_it_takes_nothing(hasher: Hasher) -> None:
    hasher.close()
    hasher.close()
    with pytest.raises(ShuttingDown):
        await hasher.hash("a")
