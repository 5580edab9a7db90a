"""The buffered writer for threads where the server fails for a while, or for good."""

import threading

import httpx
import pytest

from answering import Store, asked, client
from memtrace import BufferedWriteError, WriteResult

PATIENCE = 10.0
SLOW = 3_600.0
"""A delay that no test reaches."""


@pytest.fixture
def store() -> Store:
    return Store()


def contents(results: tuple[WriteResult, ...]) -> list[str]:
    return [result.request.content for result in results]


def test_an_outage_is_ridden_over_with_one_key_for_all_attempts(store: Store) -> None:
    keys: list[str] = []

    def recovering(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) < 6:
            return httpx.Response(503, headers={"retry-after": "0"}, json={"error": "busy"})
        return store(request)

    with client(recovering) as made, made.buffered(max_delay=SLOW) as writer:
        writer.add(asked("x"))
    assert (store.contents, len(keys), len(set(keys))) == (["x"], 6, 1)


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


def test_when_time_is_up_what_is_left_has_failed_and_is_told() -> None:
    tried = threading.Event()

    def unreachable(request: httpx.Request) -> httpx.Response:
        tried.set()
        raise httpx.ConnectError("refused", request=request)

    with client(unreachable) as made:
        writer = made.buffered(max_batch=1, max_delay=SLOW, max_retries=1_000)
        writer.add(asked("a"))
        writer.add(asked("b"))
        with pytest.raises(TimeoutError, match="2 memories"):
            writer.flush(timeout=0.0)
        assert tried.wait(PATIENCE)
        with pytest.raises(BufferedWriteError) as caught:
            writer.close(timeout=0.0)
    assert contents(caught.value.failures) == ["a", "b"]
    assert {getattr(failure.error, "code", None) for failure in caught.value.failures} == {"not_sent"}
