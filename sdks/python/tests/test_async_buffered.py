"""The buffered writer for asyncio: what it takes, stores, and tells."""

import asyncio

import httpx
import pytest

from answering import Store, asked, async_client, error
from memtrace import BufferedWriteError, BufferFullError, MemtraceError, WriteCounts, WriteResult

PATIENCE = 30.0
SLOW = 3_600.0


class Gate(httpx.AsyncBaseTransport):
    """A store that answers only once it is opened."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.asked = asyncio.Event()
        self.open = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.set()
        await self.open.wait()
        return self.store(request)


@pytest.fixture
def store() -> Store:
    return Store()


def contents(results: tuple[WriteResult, ...]) -> list[str]:
    return [result.request.content for result in results]


async def test_what_is_added_is_stored_in_order_and_in_batches(store: Store) -> None:
    async with async_client(store) as made, made.buffered(max_batch=2, max_delay=SLOW) as writer:
        for number in range(5):
            await writer.remember("agent_1", str(number))
        assert await writer.flush() == WriteCounts(created=5)
        assert (writer.pending, writer.counts.created) == (0, 5)
    assert store.contents == ["0", "1", "2", "3", "4"]
    assert max(store.batches) <= 2


async def test_a_memory_goes_by_itself_after_the_delay(store: Store) -> None:
    gate = Gate(store)
    async with async_client(gate) as made, made.buffered(max_delay=0.01) as writer:
        await writer.decide("agent_1", "x", "because")
        await asyncio.wait_for(gate.asked.wait(), PATIENCE)
        gate.open.set()
    assert store.contents == ["x"]


async def test_closing_stores_what_is_left_and_takes_nothing_more(store: Store) -> None:
    async with async_client(store) as made:
        writer = made.buffered(max_delay=SLOW)
        await writer.add(asked("last"))
        assert await writer.close() == WriteCounts(created=1)
        assert await writer.close() == WriteCounts(created=1)
        with pytest.raises(RuntimeError, match="closed"):
            await writer.add(asked("too late"))
    assert store.contents == ["last"]


async def test_closing_the_client_closes_its_writers_first(store: Store) -> None:
    made = async_client(store)
    unused = made.buffered()
    await made.buffered(max_delay=SLOW).add(asked("last"))
    await made.close()
    assert store.contents == ["last"]
    assert unused.counts == WriteCounts()


async def test_closing_the_client_tells_what_its_writers_could_not_store() -> None:
    made = async_client(lambda _: error(401))
    await made.buffered(max_delay=SLOW).add(asked("lost"))
    with pytest.raises(BufferedWriteError) as caught:
        await made.close()
    assert contents(caught.value.failures) == ["lost"]
    assert made._client.is_closed


async def test_failures_are_raised_once_and_the_others_are_stored(store: Store) -> None:
    store.refuses = lambda content: content == "bad"
    async with async_client(store) as made, made.buffered(max_delay=SLOW) as writer:
        for content in ("a", "bad", "b"):
            await writer.add(asked(content))
        with pytest.raises(BufferedWriteError) as caught:
            await writer.flush()
        assert isinstance(caught.value.__cause__, MemtraceError)
        assert await writer.flush(timeout=0.0) == WriteCounts(created=2, failed=1)
    assert store.contents == ["a", "b"]
    assert contents(caught.value.failures) == ["bad"]


async def test_each_memory_is_told_where_somebody_listens(store: Store) -> None:
    told: list[WriteResult] = []
    store.refuses = lambda content: content == "bad"
    async with async_client(store) as made, made.buffered(on_result=told.append) as writer:
        for content in ("a", "bad", "a"):
            await writer.add(asked(content))
    assert [(r.request.content, r.status) for r in told] == [
        ("a", "created"),
        ("bad", "failed"),
        ("a", "duplicate"),
    ]


async def test_what_a_listener_raises_is_raised_by_the_next_flush_and_stops_nothing(store: Store) -> None:
    def broken(result: WriteResult) -> None:
        raise LookupError(result.request.content)

    async with async_client(store) as made, made.buffered(max_delay=SLOW, on_result=broken) as writer:
        await writer.add(asked("a"))
        with pytest.raises(LookupError, match="a"):
            await writer.flush()
    assert store.contents == ["a"]


async def test_a_full_buffer_makes_others_wait_until_there_is_room(store: Store) -> None:
    gate = Gate(store)
    async with async_client(gate) as made:
        async with made.buffered(max_delay=0.0, max_pending=1) as writer:
            await writer.add(asked("a"), timeout=0.0)
            with pytest.raises(BufferFullError, match="1 memories wait"):
                await writer.add(asked("b"), timeout=0.0)
            adding = asyncio.create_task(writer.add(asked("c")))
            await gate.asked.wait()
            assert not adding.done()
            gate.open.set()
            await adding
    assert store.contents == ["a", "c"]


async def test_who_waits_for_room_is_told_when_the_writer_closes(store: Store) -> None:
    gate = Gate(store)
    async with async_client(gate) as made:
        writer = made.buffered(max_delay=0.0, max_pending=1)
        await writer.add(asked("a"))
        adding = asyncio.create_task(writer.add(asked("b")))
        await gate.asked.wait()
        closing = asyncio.create_task(writer.close())
        with pytest.raises(RuntimeError, match="closed"):
            await adding
        gate.open.set()
        await closing


async def test_a_buffer_full_of_failures_tells_them_to_who_adds() -> None:
    async with async_client(lambda _: error(403)) as made:
        async with made.buffered(max_delay=0.0, max_pending=1) as writer:
            await writer.add(asked("a"))
            with pytest.raises(BufferedWriteError) as caught:
                await writer.add(asked("b"))
    assert contents(caught.value.failures) == ["a"]


async def test_when_time_is_up_what_is_left_has_failed_and_is_told(store: Store) -> None:
    async with async_client(Gate(store)) as made:
        writer = made.buffered(max_batch=1, max_delay=SLOW)
        await writer.add(asked("a"))
        await writer.add(asked("b"))
        with pytest.raises(TimeoutError, match="2 memories"):
            await writer.flush(timeout=0.01)
        with pytest.raises(BufferedWriteError) as caught:
            await writer.close(timeout=0.0)
    assert contents(caught.value.failures) == ["a", "b"]
    assert {getattr(failure.error, "code", None) for failure in caught.value.failures} == {"not_sent"}


async def test_whoever_cancels_closing_leaves_nothing_running_and_can_still_ask(store: Store) -> None:
    gate = Gate(store)
    async with async_client(gate) as made:
        writer = made.buffered(max_delay=0.0)
        await writer.add(asked("a"))
        await gate.asked.wait()
        closing = asyncio.create_task(writer.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        with pytest.raises(BufferedWriteError):
            await writer.close()
    assert [t.get_name() for t in asyncio.all_tasks() if t.get_name().startswith("memtrace")] == []


async def test_failures_stand_in_the_way_of_no_cancellation() -> None:
    async with async_client(lambda _: error(403)) as made:
        writer = made.buffered(max_delay=SLOW)
        await writer.add(asked("x"))
        with pytest.raises(asyncio.CancelledError):
            async with writer:
                raise asyncio.CancelledError
        with pytest.raises(BufferedWriteError):
            await writer.close()


async def test_whatever_goes_wrong_is_told_with_the_memory() -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise LookupError("a bug of the transport")

    async with async_client(broken) as made:
        writer = made.buffered()
        await writer.add(asked("x"))
        with pytest.raises(BufferedWriteError, match="a bug of the transport"):
            await writer.close()


async def test_a_writer_that_is_ended_with_its_loop_says_what_it_held(store: Store) -> None:
    made = async_client(Gate(store))
    writer = made.buffered(max_delay=SLOW)
    await writer.add(asked("a"))
    await writer.add(asked("b"))
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == "memtrace-buffer"]
    await asyncio.sleep(0)
    task.cancel()
    with pytest.warns(RuntimeWarning, match="2 memories were not stored"):
        await asyncio.wait({task})
    with pytest.raises(RuntimeError, match="closed"):
        await writer.add(asked("c"))
    with pytest.raises(BufferedWriteError) as caught:
        await made.close()
    assert contents(caught.value.failures) == ["a", "b"]
