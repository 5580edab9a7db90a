"""Removing from Arcs that serve: the double's and, where one is named, a live one's."""

import dataclasses
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from core.adapters.arc.removing import ArcRemover
from core.adapters.arc.store import ArcStore
from core.model.deletion import Grave
from core.model.memory import Memory, Span, claim_key
from core.ports import Removal, Removed
from local.arc.settings import ADMIN_TOKEN
from tests.contract.event_stores import ACME, ARCS, HOUR, T0, Shelf, memory


@pytest.fixture(params=[name for name in ARCS if "JSON" not in name])
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelf]:
    async with ARCS[request.param](tmp_path) as opened:
        yield opened


async def remove(shelf: Shelf, what: Removal) -> Removed:
    assert isinstance(shelf.store, ArcStore)
    bound = shelf.bind(ACME)
    admin_key = ADMIN_TOKEN if bound.database == "memories" else bound.arc_key  # a live one's is an admin's
    binding = dataclasses.replace(bound, admin_key=admin_key)
    return await ArcRemover(doors=shelf.store._doors, timeout=30).remove(binding, what)


def graves(memories: Sequence[Memory]) -> tuple[Grave, ...]:
    return tuple((m.time, claim_key(m.dedup_key)) for m in memories)


async def test_as_many_single_memories_as_are_removed_at_once_are_removed_and_named(shelf: Shelf) -> None:
    many = [memory(i * 1_000_003, f"k{i}") for i in range(500)]
    beside = msgspec.structs.replace(many[7], dedup_key="another")
    await shelf.put(*many, beside)
    gone = graves(many)
    removed = await remove(shelf, Removal(Span(T0, T0 + HOUR), graves=gone))
    assert (removed.memories, removed.is_gone, set(removed.found)) == (500, True, set(gone))
    await shelf.settle()
    assert await shelf.search() == [beside]
