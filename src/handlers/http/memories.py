"""Memories: write one or many, list them, find one, search."""

from typing import Final

from core.model.errors import DuplicateMemory, NotFound
from handlers.http import present
from handlers.http.answers import BatchAnswer, Fate, SearchAnswer
from handlers.http.ask import Ask, Reply
from handlers.http.doors import Doors
from handlers.http.drafts import draft_of, drafts_of
from handlers.http.given import ListQuery, MemoryInput, MemoryOrBatch, SearchInput
from handlers.http.queries import listed, searched
from handlers.http.repeats import idempotency_of
from handlers.http.wire import parse_body, parse_query

CREATE: Final = b"POST /api/v1/memories"
_LONGEST_REFERENCE: Final = 1_024


async def create(doors: Doors, ask: Ask) -> Reply:
    """One memory: 201 with it, or DuplicateMemory. A batch: 201 with what became of each.

    RateLimited before anything of it is written; memories count as they are sent, duplicates too.
    """
    given = parse_body(ask.body, MemoryOrBatch)
    if given.memories is not None and given.memories != "":
        return await _create_batch(doors, ask, given.memories)
    draft = draft_of(given)
    doors.limiter.admit_memories(ask.principal, 1)
    receipts = await doors.ingest.write(ask.principal, (draft,), idempotency_of(ask, CREATE))
    receipt = receipts[0]
    if receipt.memory is None:
        raise DuplicateMemory("duplicate memory", id=receipt.id)
    return Reply(201, present.encode(present.written(receipt.memory, receipt.id)))


async def _create_batch(doors: Doors, ask: Ask, memories: list[MemoryInput]) -> Reply:
    drafts = drafts_of(memories)
    doors.limiter.admit_memories(ask.principal, len(drafts))
    receipts = await doors.ingest.write(ask.principal, drafts, idempotency_of(ask, CREATE))
    created = [present.written(r.memory, r.id) for r in receipts if r.memory is not None]
    answer = BatchAnswer(
        memories=created,
        count=len(created),
        duplicates=len(receipts) - len(created),
        results=[Fate(status="duplicate" if r.memory is None else "created", id=r.id) for r in receipts],
    )
    return present.reply(201, answer)


async def list_all(doors: Doors, ask: Ask) -> Reply:
    """A page, of all times where nothing else is asked."""
    query = listed(parse_query(ask.query, ListQuery), doors.clock.micros())
    return present.reply(200, present.memory_list(await doors.recall.search(ask.principal, query, "list")))


async def get(doors: Doors, ask: Ask) -> Reply:
    """By id, else by dedup key."""
    reference = ask.params["id"]
    if len(reference) > _LONGEST_REFERENCE:
        raise NotFound("memory not found")
    return present.reply(200, present.read(await doors.recall.get(ask.principal, reference)))


async def search(doors: Doors, ask: Ask) -> Reply:
    """A page of what matches, and how long finding it took."""
    started = doors.clock.monotonic()
    query = searched(parse_body(ask.body, SearchInput), doors.clock.micros())
    page = await doors.recall.search(ask.principal, query, "search")
    answer = SearchAnswer(
        results=[present.read(memory) for memory in page.memories],
        count=len(page.memories),
        query_time_ms=round((doors.clock.monotonic() - started) * 1000),
        has_more=page.has_more,
        next_cursor=present.next_cursor(page),
    )
    return present.reply(200, answer)
