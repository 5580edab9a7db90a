"""The store in front of Arcs that serve: the double's and, where one is named, a live one's."""

import dataclasses
import random
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.adapters.arc.store import ArcStore
from core.model.errors import StoreDenied, StoreUnreachable
from core.model.memory import Memory, MemoryFilter, Position, default_dedup_key
from tests.contract.event_stores import ACME, ALWAYS, ARCS, HOUR, T0, Shelf, memory, parcel
from tests.contract.test_event_store import HOSTILE


@pytest.fixture(params=ARCS)
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelf]:
    async with ARCS[request.param](tmp_path) as opened:
        yield opened


async def write(shelf: Shelf, **columns: list[Any]) -> None:
    """As another writer may, with columns of its own choice."""
    assert isinstance(shelf.store, ArcStore)
    body = msgspec.msgpack.encode({"m": "events", "columns": columns})
    await shelf.store._doors.write(shelf.bind(ACME), body, 30)
    await shelf.settle()


async def test_rows_of_another_writer_are_memories_too(shelf: Shelf) -> None:
    await write(shelf, time=[T0, T0 + 1], org_id=[ACME] * 2, agent_id=["a"] * 2, content=["one", "two"])
    found = await shelf.search()
    assert [(m.time, m.agent_id, m.content, m.memory_type) for m in found] == [
        (T0, "a", "one", "episodic"),
        (T0 + 1, "a", "two", "episodic"),
    ]
    assert [m.dedup_key for m in found] == [default_dedup_key("a", "", text) for text in ("one", "two")]
    binding = shelf.bind(ACME)
    identities = await shelf.store.identities(binding, MemoryFilter(), ALWAYS)
    assert sorted((time, key) for time, key, _, _ in identities) == [m.identity for m in found]
    assert (await shelf.store.tally(binding, MemoryFilter(), ALWAYS, T0 + 1)).recent == 1
    assert await shelf.search(after=Position("asc", *found[0].identity)) == found[1:]
    assert await shelf.search(MemoryFilter(content_contains="tw", min_importance=0.5)) == []
    assert await shelf.store.earliest(binding) == T0


async def test_rows_of_others_and_ours_are_read_together(shelf: Shelf) -> None:
    await write(shelf, time=[T0 + HOUR], org_id=[ACME], content=["theirs"], importance=[1])
    await shelf.put(memory(5, content="ours"), memory(2 * HOUR, content="ours, later"))
    assert [m.content for m in await shelf.search()] == ["ours", "theirs", "ours, later"]
    assert [m.content for m in await shelf.search(MemoryFilter(min_importance=0.5))] == ["theirs"]


async def test_a_key_that_nobody_knows_is_denied(shelf: Shelf) -> None:
    stranger = dataclasses.replace(shelf.bind(ACME), arc_key="nobody-s-key-0123456789abcdef")
    with pytest.raises(StoreDenied):
        await shelf.store.check(stranger)
    with pytest.raises(StoreDenied):
        await shelf.store.append(stranger, parcel([memory(1)]))
    with pytest.raises(StoreDenied):
        await shelf.store.search(stranger, MemoryFilter(), ALWAYS, "asc", 1, None)


async def test_a_url_that_leads_elsewhere_is_no_arc(shelf: Shelf) -> None:
    elsewhere = dataclasses.replace(shelf.bind(ACME), url=shelf.bind(ACME).url + "/elsewhere")
    with pytest.raises(StoreUnreachable):
        await shelf.store.append(elsewhere, parcel([memory(1)]))
    with pytest.raises(StoreUnreachable):
        await shelf.store.check(elsewhere)


async def test_texts_of_more_pieces_than_a_chain_may_have_are_found_whole(shelf: Shelf) -> None:
    """Every text with another one beside it, each in a question's literals."""
    chance = random.Random(7)
    signs = ["\\", "'", "__", "\0", "read_parquet", "--", ";", '"', "`", "__STR_1__", "😀", "time >= '1'"]
    texts = [*HOSTILE, *("".join(chance.choices(signs, k=n)) for n in (33, 65, 200, 400) for _ in range(2))]
    stored = [memory(i, f"k{i}", content=f"<{t}>", session_id=t) for i, t in enumerate(texts)]
    await shelf.put(*stored)
    for one, other in zip(stored, stored[1:] + stored[:1], strict=True):
        both = MemoryFilter(content_contains=one.content, event_types=("general", other.session_id))
        assert one in await shelf.search(both)
        assert await shelf.search(MemoryFilter(session_id=one.session_id)) == same_session(stored, one)


def same_session(memories: list[Memory], one: Memory) -> list[Memory]:
    return [m for m in memories if m.session_id == one.session_id]


async def test_a_filter_beyond_a_statement_s_room_finds_and_counts_exactly(shelf: Shelf) -> None:
    text = secrets.token_hex(5_000)
    whole = [memory(i * HOUR // 20, content=f"{text} {i}") for i in range(0, 60, 3)]
    almost = [memory(i * HOUR // 20, content=text[:-1]) for i in range(1, 60, 3)]
    await shelf.put(*whole, *almost)
    filter, binding = MemoryFilter(content_contains=text), shelf.bind(ACME)
    assert await shelf.search(filter, limit=3) == whole[:3]
    assert await shelf.search(filter, order="desc", limit=50) == whole[::-1]
    assert (await shelf.store.tally(binding, filter, ALWAYS, 0)).total == len(whole)
    identities = await shelf.store.identities(binding, filter, ALWAYS)
    assert sorted((time, key) for time, key, _, _ in identities) == [m.identity for m in whole]
