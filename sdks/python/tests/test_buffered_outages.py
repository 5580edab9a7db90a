"""The buffered writers where the server fails for a while, or for good."""

import asyncio
import contextlib
import threading

import httpx
import pytest

from answering import Answer, Store, asked, async_client, client, error
from memtrace import BufferedWriteError, BufferFullError, TransportError, WriteCounts, WriteResult

PATIENCE = 30.0
SLOW = 3_600.0
"""A delay that no test reaches."""


@pytest.fixture
def store() -> Store:
    return Store()


def contents(results: tuple[WriteResult, ...]) -> list[str]:
    return [result.request.content for result in results]


@pytest.fixture(autouse=True)
def _pauses_take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("buffered", "async_buffered"):
        monkeypatch.setattr(f"memtrace.{module}.pause_after", lambda misses, error: 0.0)


class Outage:
    """A store in front of which something answers instead, so many times."""

    def __init__(self, store: Store, times: int, answer: Answer) -> None:
        self.times = times
        self.keys: list[str] = []
        self._store = store
        self._answer = answer

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.keys.append(request.headers["idempotency-key"])
        self.times -= 1
        return self._store(request) if self.times < 0 else self._answer(request)


def refuse(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def page(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, html="<html>Back soon</html>")


@pytest.mark.parametrize("answer", [refuse, page, lambda _: error(500), lambda _: error(503)])
def test_an_outage_is_ridden_over_with_one_key_for_all_attempts(store: Store, answer: Answer) -> None:
    outage = Outage(store, 40, answer)
    with client(outage, max_retries=0) as made, made.buffered(max_batch=2, max_delay=SLOW) as writer:
        for content in ("a", "b", "c"):
            writer.add(asked(content))
    assert (store.contents, writer.counts.created) == (["a", "b", "c"], 3)
    assert len(set(outage.keys)) == 2


async def test_an_outage_is_ridden_over_in_asyncio_too(store: Store) -> None:
    outage, told = Outage(store, 40, refuse), list[str]()
    async with async_client(outage) as made:
        async with made.buffered(max_delay=SLOW, on_retry=lambda e: told.append(str(e))) as writer:
            await writer.add(asked("x"))
    assert (store.contents, len(set(outage.keys))) == (["x"], 1)
    assert set(told) == {"refused"}


def test_who_listens_is_told_of_each_turn_that_failed(store: Store) -> None:
    told: list[Exception] = []
    with client(Outage(store, 2, refuse), max_retries=0) as made:
        with made.buffered(max_delay=SLOW, on_retry=told.append) as writer:
            writer.add(asked("x"))
    assert [str(e) for e in told] == ["refused", "refused"]


def test_a_flush_tells_why_it_cannot_be_stored_now_and_the_memories_wait_on(store: Store) -> None:
    outage = Outage(store, 1_000_000, refuse)
    with client(outage, max_retries=0) as made, made.buffered(max_delay=SLOW) as writer:
        writer.add(asked("x"))
        with pytest.raises(TransportError, match="refused"):
            writer.flush()
        assert writer.pending == 1
        outage.times = 0
        while store.contents == []:
            with contextlib.suppress(TransportError):
                writer.flush()
        assert writer.flush() == WriteCounts(created=1)


async def test_a_flush_in_asyncio_tells_why_too(store: Store) -> None:
    outage = Outage(store, 1_000_000, refuse)
    async with async_client(outage) as made, made.buffered(max_delay=SLOW) as writer:
        await writer.add(asked("x"))
        with pytest.raises(TransportError, match="refused"):
            await writer.flush()
        assert writer.pending == 1
        outage.times = 0


def test_who_finds_no_room_during_an_outage_is_told_why(store: Store) -> None:
    outage = Outage(store, 1_000_000, refuse)
    with client(outage, max_retries=0) as made, made.buffered(max_delay=SLOW, max_pending=1) as writer:
        writer.add(asked("x"))
        with pytest.raises(TransportError):
            writer.flush()
        with pytest.raises(BufferFullError) as caught:
            writer.add(asked("y"), timeout=0.0)
        outage.times = 0
    assert isinstance(caught.value.__cause__, TransportError)


def test_a_request_that_timed_out_is_tried_again_with_its_key(store: Store) -> None:
    keys: list[str] = []

    def slow(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        answer = store(request)
        if len(keys) == 1:
            raise httpx.ReadTimeout("slow", request=request)
        return answer

    with client(slow) as made, made.buffered(max_delay=SLOW) as writer:
        writer.add(asked("x"))
    assert (store.contents, len(keys), len(set(keys))) == (["x"], 2, 1)


def test_when_time_is_up_what_is_left_has_failed_and_is_told_with_the_reason(store: Store) -> None:
    tried = threading.Event()
    with client(Outage(store, 1_000_000, refuse), max_retries=0) as made:
        writer = made.buffered(max_batch=1, max_delay=SLOW, on_retry=lambda _: tried.set())
        writer.add(asked("a"))
        writer.add(asked("b"))
        assert tried.wait(PATIENCE)
        with pytest.raises(BufferedWriteError) as caught:
            writer.close(timeout=0.0)
    assert contents(caught.value.failures) == ["a", "b"]
    assert [str(failure.error) for failure in caught.value.failures] == ["refused", "refused"]


@pytest.mark.parametrize("turns", range(4))
async def test_closing_without_time_ends_also_the_pause_between_turns(
    store: Store, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memtrace.async_buffered.pause_after", lambda misses, error: SLOW)
    async with async_client(Outage(store, 1_000_000, refuse)) as made:
        writer = made.buffered(max_delay=0.0)
        await writer.add(asked("x"))
        for _ in range(turns):
            await asyncio.sleep(0)
        with pytest.raises(BufferedWriteError):
            await asyncio.wait_for(writer.close(timeout=0.0), PATIENCE)


async def test_when_time_is_up_in_asyncio_the_reason_is_told_too(store: Store) -> None:
    async with async_client(Outage(store, 1_000_000, refuse)) as made:
        writer = made.buffered(max_batch=1, max_delay=SLOW)
        await writer.add(asked("a"))
        await writer.add(asked("b"))
        with pytest.raises(TransportError):
            await writer.flush()
        with pytest.raises(BufferedWriteError) as caught:
            await writer.close(timeout=0.0)
    assert contents(caught.value.failures) == ["a", "b"]
    assert [str(failure.error) for failure in caught.value.failures] == ["refused", "refused"]


def test_a_clients_failures_do_not_take_the_place_of_an_interrupt() -> None:
    made = client(lambda _: error(403))
    made.buffered(max_delay=SLOW).add(asked("x"))
    told = pytest.warns(RuntimeWarning, match="1 memories were not stored")
    with told, pytest.raises(KeyboardInterrupt), made:
        raise KeyboardInterrupt
    assert made._client.is_closed


async def test_a_clients_failures_do_not_take_the_place_of_a_cancellation() -> None:
    made = async_client(lambda _: error(403))
    await made.buffered(max_delay=SLOW).add(asked("x"))

    async def cancelled() -> None:
        async with made:
            raise asyncio.CancelledError

    told = pytest.warns(RuntimeWarning, match="1 memories were not stored")
    with told, pytest.raises(asyncio.CancelledError):
        await cancelled()
    assert made._client.is_closed


def test_what_never_was_tried_when_time_is_up_was_not_sent() -> None:
    asked_for, release = threading.Event(), threading.Event()

    def hanging(request: httpx.Request) -> httpx.Response:
        asked_for.set()
        assert release.wait(PATIENCE)
        return error(401)

    with client(hanging) as made:
        writer = made.buffered(max_batch=1, max_delay=SLOW)
        writer.add(asked("a"))
        writer.add(asked("b"))
        with pytest.raises(TimeoutError, match="2 memories"):
            writer.flush(timeout=0.0)
        assert asked_for.wait(PATIENCE)
        closing = threading.Thread(target=writer._finish, args=(0.0,))
        closing.start()
        assert writer._gave_up.wait(PATIENCE)
        release.set()
        closing.join(PATIENCE)
        with pytest.raises(BufferedWriteError) as caught:
            writer.close()
    codes = [getattr(failure.error, "code", None) for failure in caught.value.failures]
    assert (contents(caught.value.failures), codes) == (["a", "b"], [None, "not_sent"])
