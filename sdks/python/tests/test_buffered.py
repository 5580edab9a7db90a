"""The buffered writer for threads: what it takes, stores, and tells."""

import threading
from collections.abc import Iterator

import httpx
import pytest

from answering import Store, asked, client, error
from memtrace import (
    BufferedWriteError,
    BufferFullError,
    MemtraceError,
    WriteCounts,
    WriteResult,
)

PATIENCE = 30.0
SLOW = 3_600.0
"""A delay that no test reaches."""


class Gate:
    """A store that answers only once it is opened."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.asked = threading.Event()
        self.open = threading.Event()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.set()
        assert self.open.wait(PATIENCE)
        return self.store(request)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def gate(store: Store) -> Iterator[Gate]:
    made = Gate(store)
    yield made
    made.open.set()


def contents(results: tuple[WriteResult, ...]) -> list[str]:
    return [result.request.content for result in results]


def test_what_is_added_is_stored_in_order_and_in_batches(store: Store) -> None:
    with client(store) as made, made.buffered(max_batch=2, max_delay=SLOW) as writer:
        for number in range(5):
            writer.remember("agent_1", str(number))
        assert writer.flush() == WriteCounts(created=5)
        assert writer.pending == 0
    assert store.contents == ["0", "1", "2", "3", "4"]
    assert max(store.batches) <= 2


def test_a_memory_goes_by_itself_after_the_delay(gate: Gate) -> None:
    with client(gate) as made, made.buffered(max_delay=0.01) as writer:
        writer.decide("agent_1", "x", "because")
        assert gate.asked.wait(PATIENCE)
        gate.open.set()


def test_closing_stores_what_is_left_and_takes_nothing_more(store: Store) -> None:
    with client(store) as made:
        writer = made.buffered(max_delay=SLOW)
        writer.add(asked("last"))
        assert writer.close() == WriteCounts(created=1)
        assert writer.close() == WriteCounts(created=1)
        with pytest.raises(RuntimeError, match="closed"):
            writer.add(asked("too late"))
    assert store.contents == ["last"]


def test_a_writer_that_was_never_used_costs_nothing(store: Store) -> None:
    with client(store) as made, made.buffered():
        assert [t for t in threading.enumerate() if t.name.startswith("memtrace")] == []
    assert store.batches == []


def test_closing_the_client_closes_its_writers_first(store: Store) -> None:
    made = client(store)
    writer = made.buffered(max_delay=SLOW)
    writer.add(asked("last"))
    made.close()
    assert store.contents == ["last"]
    with pytest.raises(RuntimeError, match="closed"):
        made.me()


def test_closing_the_client_tells_what_its_writers_could_not_store() -> None:
    made = client(lambda _: error(401))
    made.buffered(max_delay=SLOW).add(asked("lost"))
    with pytest.raises(BufferedWriteError) as caught:
        made.close()
    assert contents(caught.value.failures) == ["lost"]
    assert made._client.is_closed


def test_a_refused_memory_does_not_take_the_others_with_it(store: Store) -> None:
    store.refuses = lambda content: content in ("bad", "worse")
    with client(store) as made:
        writer = made.buffered(max_delay=SLOW)
        for content in ("a", "bad", "b", "worse", "c"):
            writer.add(asked(content))
        with pytest.raises(BufferedWriteError, match="2 memories were not stored") as caught:
            writer.close()
    assert store.contents == ["a", "b", "c"]
    assert contents(caught.value.failures) == ["bad", "worse"]
    assert writer.counts == WriteCounts(created=3, failed=2)


def test_a_refused_memory_is_found_where_the_server_does_not_name_it(store: Store) -> None:
    store.refuses, store.names_index, store.tells_results = lambda content: content == "bad", False, False
    with client(store) as made:
        writer = made.buffered(max_delay=SLOW)
        for content in ("a", "b", "bad", "c"):
            writer.add(asked(content))
        with pytest.raises(BufferedWriteError) as caught:
            writer.close()
    assert contents(caught.value.failures) == ["bad"]
    assert store.contents == ["a", "b", "c"]


def test_failures_are_raised_once() -> None:
    with client(lambda _: error(403, "forbidden")) as made:
        writer = made.buffered(max_delay=SLOW)
        writer.add(asked("x"))
        with pytest.raises(BufferedWriteError) as caught:
            writer.flush()
        assert isinstance(caught.value.__cause__, MemtraceError)
        assert writer.flush() == WriteCounts(failed=1)
        writer.close()


def test_each_memory_is_told_in_order_where_somebody_listens(store: Store) -> None:
    told: list[WriteResult] = []
    store.refuses = lambda content: content == "bad"
    with client(store) as made, made.buffered(max_delay=SLOW, on_result=told.append) as writer:
        for content in ("a", "bad", "a", "b"):
            writer.add(asked(content))
    assert [(r.request.content, r.status, r.id) for r in told] == [
        ("a", "created", "mem_a"),
        ("bad", "failed", None),
        ("a", "duplicate", "mem_a"),
        ("b", "created", "mem_b"),
    ]


def test_what_a_listener_raises_is_raised_by_the_next_flush_and_stops_nothing(store: Store) -> None:
    def broken(result: WriteResult) -> None:
        raise LookupError(result.request.content)

    with client(store) as made, made.buffered(max_delay=SLOW, on_result=broken) as writer:
        writer.add(asked("a"))
        writer.add(asked("b"))
        with pytest.raises(LookupError, match="a"):
            writer.flush()
    assert store.contents == ["a", "b"]


def test_a_listener_cannot_wait_for_the_writer_that_calls_it(store: Store) -> None:
    raised: list[str] = []

    def waiting(result: WriteResult) -> None:
        for call in (writer.flush, writer.close):
            with pytest.raises(RuntimeError, match="must not wait") as caught:
                call()
            raised.append(str(caught.value))
        with pytest.raises(BufferFullError):
            writer.add(asked("more"))

    with client(store) as made, made.buffered(max_delay=SLOW, max_pending=1, on_result=waiting) as writer:
        writer.add(asked("a"))
        writer.flush()
    assert len(raised) == 2


def test_a_full_buffer_makes_others_wait_until_there_is_room(gate: Gate) -> None:
    with client(gate) as made, made.buffered(max_delay=0.0, max_pending=1) as writer:
        writer.add(asked("a"))
        with pytest.raises(BufferFullError, match="1 memories wait"):
            writer.add(asked("b"), timeout=0.0)
        waiting = threading.Thread(target=writer.add, args=(asked("c"),))
        waiting.start()
        assert gate.asked.wait(PATIENCE)
        gate.open.set()
        waiting.join(PATIENCE)
        writer.flush()
    assert gate.store.contents == ["a", "c"]


def test_a_buffer_full_of_failures_tells_them_to_who_adds() -> None:
    failed = threading.Event()

    def refuse(request: httpx.Request) -> httpx.Response:
        failed.set()
        return error(403)

    with client(refuse) as made, made.buffered(max_delay=0.0, max_pending=1) as writer:
        writer.add(asked("a"))
        assert failed.wait(PATIENCE)
        with pytest.raises(BufferedWriteError) as caught:
            writer.add(asked("b"))
    assert contents(caught.value.failures) == ["a"]


def test_whatever_goes_wrong_is_told_with_the_memory() -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise LookupError("a bug of the transport")

    with client(broken) as made:
        writer = made.buffered(max_delay=SLOW)
        writer.add(asked("x"))
        with pytest.raises(BufferedWriteError, match="a bug of the transport"):
            writer.close()


def test_failures_stand_in_the_way_of_no_interrupt() -> None:
    with client(lambda _: error(403)) as made:
        writer = made.buffered(max_delay=SLOW)
        writer.add(asked("x"))
        with pytest.raises(KeyboardInterrupt), writer:
            raise KeyboardInterrupt
        with pytest.raises(BufferedWriteError):
            writer.close()


def test_an_error_in_the_block_does_not_hide_what_failed() -> None:
    with client(lambda _: error(403)) as made:
        writer = made.buffered(max_delay=SLOW)
        writer.add(asked("x"))
        with pytest.raises(BufferedWriteError) as caught, writer:
            raise LookupError("of the block")
    assert isinstance(caught.value.failures[0].error, MemtraceError)


def test_a_listener_that_ends_the_thread_ends_nobodys_wait(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    def leaving(result: WriteResult) -> None:
        raise SystemExit

    with client(store) as made:
        writer = made.buffered(max_batch=1, max_delay=SLOW, on_result=leaving)
        writer.add(asked("a"))
        writer.flush(timeout=PATIENCE)
        with pytest.raises(RuntimeError, match="closed"):
            writer.add(asked("b"))
        writer.close()
