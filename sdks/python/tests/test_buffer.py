"""What a buffered writer holds, and when it lets go."""

import pytest

from answering import asked
from memtrace import AddedMemories, BatchEntry, Memory, MemtraceError, WriteCounts, WriteResult
from memtrace._buffer import Buffer, Delivery, Entry


def buffer(**more: float) -> Buffer:
    bounds = {"max_batch": 3, "max_delay": 0.5, "max_pending": 5, "max_pending_bytes": 10_000, **more}
    return Buffer(**bounds)  # type: ignore[arg-type]


def entries(*contents: str) -> list[Entry]:
    return [Entry.of(asked(content)) for content in contents]


def filled(held: Buffer, *contents: str, at: float = 0.0) -> Buffer:
    for entry in entries(*contents):
        held.put(entry, at)
    return held


def failed(batch: list[Entry]) -> list[WriteResult]:
    return [WriteResult(entry.request, "failed", error=MemtraceError("no")) for entry in batch]


def created(batch: list[Entry]) -> list[WriteResult]:
    return [WriteResult(entry.request, "created") for entry in batch]


def test_an_empty_buffer_is_never_due() -> None:
    assert buffer().due_in(0.0, hurry=True) is None


def test_the_oldest_memory_decides_when_a_batch_is_due() -> None:
    held = filled(buffer(), "a", at=10.0)
    filled(held, "b", at=10.4)
    assert held.due_in(10.4, hurry=False) == pytest.approx(0.1)
    assert held.due_in(11.0, hurry=False) == 0.0


def test_a_full_batch_and_a_hurry_are_due_at_once() -> None:
    assert filled(buffer(), "a").due_in(0.0, hurry=True) == 0.0
    assert filled(buffer(), "a", "b", "c").due_in(0.0, hurry=False) == 0.0


def test_a_batch_is_the_oldest_and_no_more_than_its_bounds() -> None:
    held = filled(buffer(), "a", "b", "c", "d")
    assert [entry.request.content for entry in held.take(0.0)] == ["a", "b", "c"]
    assert [entry.request.content for entry in held.take(0.0)] == ["d"]
    large = "x" * 700_000
    held = filled(buffer(max_pending_bytes=10_000_000), large, large)
    assert len(held.take(0.0)) == 1


def test_a_memory_on_its_way_still_holds_its_room() -> None:
    held = filled(buffer(), "a", "b", "c", "d", "e")
    (one,) = entries("f")
    assert not held.has_room(one)
    batch = held.take(0.0)
    assert (held.pending, held.has_room(one)) == (5, False)
    held.settle(created(batch), told=False)
    assert (held.pending, held.has_room(one)) == (2, True)
    assert held.counts == WriteCounts(created=3)


def test_bytes_are_bounded_but_one_memory_always_fits() -> None:
    held = buffer(max_pending_bytes=200)
    (large,) = entries("x" * 1_000)
    assert held.has_room(large)
    held.put(large, 0.0)
    assert not held.has_room(entries("y")[0])


def test_untold_failures_hold_their_room_until_they_are_told() -> None:
    held = filled(buffer(max_pending=2), "a", "b")
    (one,) = entries("c")
    held.settle(failed(held.take(0.0)), told=False)
    assert (held.pending, held.is_stuck(one)) == (0, True)
    assert [failure.request.content for failure in held.tell()] == ["a", "b"]
    assert held.has_room(one)
    assert held.tell() == []


def test_untold_failures_hold_their_bytes_too() -> None:
    held = filled(buffer(max_pending_bytes=200), "x" * 1_000)
    held.settle(failed(held.take(0.0)), told=False)
    assert held.is_stuck(entries("y")[0])


def test_failures_that_were_told_hold_nothing() -> None:
    held = filled(buffer(max_pending=2), "a", "b")
    held.settle(failed(held.take(0.0)), told=True)
    assert held.has_room(entries("c")[0])
    assert (held.tell(), held.counts.failed) == ([], 2)


def test_what_is_abandoned_has_failed_whether_it_waited_or_was_on_its_way() -> None:
    held = filled(buffer(), "a", "b", "c", "d")
    held.take(0.0)
    left = held.abandon(LookupError("why"))
    held.settle(left, told=False)
    assert [result.request.content for result in left] == ["a", "b", "c", "d"]
    assert {str(result.error) for result in left} == {"why"}
    assert (held.pending, held.settled_so_far, held.counts.failed) == (0, 4, 4)


def test_a_request_that_is_changed_afterwards_is_stored_as_it_was() -> None:
    request = asked("before", metadata={"n": 1})
    entry = Entry.of(request)
    request.content = "after"
    assert b"before" in entry.payload
    assert entry.request.content == "before"


@pytest.mark.parametrize("bound", ["max_batch", "max_pending", "max_pending_bytes", "max_delay"])
def test_bounds_that_make_no_sense_are_refused(bound: str) -> None:
    with pytest.raises(ValueError, match="positive"):
        buffer(**{bound: -1})


def sent(delivery: Delivery) -> int:
    """How many memories the next call holds."""
    assert delivery.call is not None
    assert isinstance(delivery.call.body, bytes)
    return delivery.call.body.count(b'"content"')


def bad(status: int, index: int | None = None) -> MemtraceError:
    error = MemtraceError("no", status)
    error.index = index
    return error


def test_the_memory_that_the_server_names_is_sent_alone() -> None:
    delivery = Delivery(entries("a", "b", "c", "d"))
    assert sent(delivery) == 4
    assert delivery.answered(bad(400, index=1)) == []
    assert sent(delivery) == 1
    delivery.answered(AddedMemories())
    assert [r.status for r in delivery.answered(bad(400, index=0))] == ["failed"]
    assert sent(delivery) == 2


@pytest.mark.parametrize("error", [bad(413), bad(400), bad(400, index=9)])
def test_a_batch_is_halved_where_the_server_names_no_memory(error: MemtraceError) -> None:
    delivery = Delivery(entries("a", "b", "c"))
    delivery.answered(error)
    assert sent(delivery) == 1
    delivery.answered(AddedMemories())
    assert sent(delivery) == 2


@pytest.mark.parametrize("error", [bad(401), bad(503), OSError("no")])
def test_a_batch_fails_whole_where_smaller_ones_would_fail_too(error: Exception) -> None:
    delivery = Delivery(entries("a", "b"))
    results = delivery.answered(error)
    assert [(r.request.content, r.status, r.error) for r in results] == [
        ("a", "failed", error),
        ("b", "failed", error),
    ]
    assert delivery.call is None


def test_results_say_of_each_memory_what_became_of_it() -> None:
    added = AddedMemories()
    told = [("duplicate", "mem_1"), ("created", "mem_2"), ("of a newer server", "mem_3")]
    added.results = [BatchEntry(status=status, id=memory_id) for status, memory_id in told]
    results = Delivery(entries("a", "b", "c")).answered(added)
    assert [(r.status, r.id) for r in results] == [*told[:2], ("created", "mem_3")]


def test_of_a_server_without_results_what_it_created_is_known_by_its_content() -> None:
    memories = [Memory.model_construct(agent_id="agent_1", content=content, id=None) for content in "ac"]
    results = Delivery(entries("a", "b", "c")).answered(AddedMemories(memories))
    assert [r.status for r in results] == ["created", "duplicate", "created"]
