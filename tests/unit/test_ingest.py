"""The write road: who may, what the journal is given, and what is counted."""

from collections.abc import Sequence

import pytest

from core.ingest import Ingest
from core.model.errors import JournalFull, NoArcInstance
from core.model.memory import Draft, Memory, OrgId
from core.ports import IdempotencyKey, Receipt
from tests.unit.fakes import ORG, FakeJournal, FakeMetrics, draft, principal

KEY = IdempotencyKey(key=b"k" * 16, body=b"b" * 16)


class FakeSender:
    """Remembers what it was given, and how much the journal held by then."""

    def __init__(self, journal: FakeJournal) -> None:
        self._journal = journal
        self.sent: list[tuple[OrgId, list[str], int]] = []

    async def send(self, org_id: OrgId, memories: Sequence[Memory]) -> None:
        self.sent.append((org_id, [m.dedup_key for m in memories], len(self._journal.appended)))


def ingest(
    journal: FakeJournal,
    *,
    deduplicates: bool = True,
    metrics: FakeMetrics | None = None,
    sender: FakeSender | None = None,
) -> Ingest:
    return Ingest(journal=journal, metrics=metrics or FakeMetrics(), deduplicates=deduplicates, sender=sender)


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


async def test_what_was_created_is_sent_once_the_journal_has_it() -> None:
    journal = FakeJournal()
    journal.duplicates = {"b"}
    sender = FakeSender(journal)
    drafts = [draft(dedup_key="a"), draft(dedup_key="b"), draft(dedup_key="c")]
    await ingest(journal, sender=sender).write(principal(), drafts)
    assert sender.sent == [(ORG, ["a", "c"], 1)]


async def test_duplicates_alone_are_not_sent() -> None:
    journal = FakeJournal()
    journal.duplicates = {"b"}
    sender = FakeSender(journal)
    await ingest(journal, sender=sender).write(principal(), [draft(dedup_key="b")])
    assert sender.sent == []


class FullJournal(FakeJournal):
    async def append(
        self, org_id: OrgId, drafts: Sequence[Draft], idempotency: IdempotencyKey | None
    ) -> list[Receipt]:
        raise JournalFull()


async def test_what_the_journal_refused_is_not_sent() -> None:
    journal = FullJournal()
    sender = FakeSender(journal)
    with pytest.raises(JournalFull):
        await ingest(journal, sender=sender).write(principal(), [draft()])
    assert sender.sent == []
