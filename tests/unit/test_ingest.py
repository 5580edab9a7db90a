"""The write road: who may, what the journal is given, and what is counted."""

import pytest

from core.ingest import Ingest
from core.model.errors import NoArcInstance
from core.ports import IdempotencyKey
from tests.unit.fakes import ORG, FakeJournal, FakeMetrics, draft, principal

KEY = IdempotencyKey(key=b"k" * 16, body=b"b" * 16)


def ingest(journal: FakeJournal, *, deduplicates: bool = True, metrics: FakeMetrics | None = None) -> Ingest:
    return Ingest(journal=journal, metrics=metrics or FakeMetrics(), deduplicates=deduplicates)


async def test_an_org_without_a_binding_is_told_the_way_out_and_nothing_is_written() -> None:
    journal = FakeJournal()
    with pytest.raises(NoArcInstance) as caught:
        await ingest(journal).write(principal(binding=None), [draft()])
    assert caught.value.message == "no arc instance configured for this org"
    assert caught.value.hint == "ask an admin to run `memtrace org add-arc org_a`"
    assert journal.appended == []


async def test_the_org_comes_from_the_key_and_the_drafts_go_as_they_are() -> None:
    journal = FakeJournal()
    drafts = [draft(dedup_key="a"), draft(dedup_key="b")]
    receipts = await ingest(journal).write(principal(), drafts, KEY)
    assert journal.appended == [(ORG, drafts, KEY)]
    assert [r.memory.dedup_key for r in receipts if r.memory] == ["a", "b"]


async def test_created_and_duplicate_are_counted_apart() -> None:
    journal, metrics = FakeJournal(), FakeMetrics()
    journal.duplicates = {"b"}
    write = ingest(journal, metrics=metrics).write
    await write(principal(), [draft(dedup_key="a"), draft(dedup_key="b"), draft(dedup_key="c")])
    assert metrics.counts == {
        ("memtrace_writes_total", "created"): 2,
        ("memtrace_writes_total", "duplicate"): 1,
    }


async def test_a_request_of_duplicates_alone_counts_nothing_created() -> None:
    journal, metrics = FakeJournal(), FakeMetrics()
    journal.duplicates = {"b"}
    await ingest(journal, metrics=metrics).write(principal(), [draft(dedup_key="b")])
    assert metrics.counts == {("memtrace_writes_total", "duplicate"): 1}


async def test_without_deduplication_equal_drafts_get_different_keys() -> None:
    journal = FakeJournal()
    write = ingest(journal, deduplicates=False).write
    await write(principal(), [draft(dedup_key="a"), draft(dedup_key="a")])
    await write(principal(), [draft(dedup_key="a")])
    keys = [d.dedup_key for _, drafts, _ in journal.appended for d in drafts]
    assert len(set(keys)) == 3
    assert all(key.startswith("a~") for key in keys)


async def test_without_deduplication_a_retry_with_the_same_idempotency_key_is_the_same_memory() -> None:
    journal = FakeJournal()
    write = ingest(journal, deduplicates=False).write
    for _ in range(2):
        await write(principal(), [draft(dedup_key="a"), draft(dedup_key="a")], KEY)
    first, second = (drafts for _, drafts, _ in journal.appended)
    assert first == second
    assert first[0].dedup_key != first[1].dedup_key
