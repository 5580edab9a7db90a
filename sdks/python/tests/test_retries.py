"""What is tried again beyond the conformance files."""

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import httpx
import pytest

from answering import client, error
from memtrace import InvalidResponseError, MemtraceError, NoArcInstanceError, RateLimitError
from memtrace._answers import error_of
from memtrace._retries import Retries, is_for_now, is_passing, pause_after


def after(text: str) -> float | None:
    """What a Retry-After is understood as."""
    told = error_of(httpx.Response(503, headers={"retry-after": text}))
    assert told is not None
    return told.retry_after


def test_a_retry_after_may_be_a_date() -> None:
    soon = datetime.now(timezone.utc) + timedelta(seconds=30)
    told = after(format_datetime(soon, usegmt=True))
    assert told is not None
    assert 20 < told <= 30
    assert after("Fri, 06 Feb 2026 20:15:00 GMT") == 0.0


@pytest.mark.parametrize("digits", [11, 40, 5_000])
def test_a_retry_after_of_any_length_is_a_long_time(digits: int) -> None:
    assert after("9" * digits) == 1e9


@pytest.mark.parametrize("text", ["", "-1", "nan", "1e9", "Fri, 06 Feb 2026 20:15:00 -0000", "Fri, 99"])
def test_a_retry_after_that_makes_no_sense_counts_as_none(text: str) -> None:
    assert after(text) is None


@pytest.mark.parametrize(
    ("fault", "again"),
    [
        (httpx.ConnectError("x"), True),
        (httpx.ConnectTimeout("x"), True),
        (httpx.ReadError("x"), True),
        (httpx.WriteError("x"), True),
        (httpx.RemoteProtocolError("x"), True),
        (httpx.ReadTimeout("x"), True),
        (httpx.WriteTimeout("x"), True),
        (httpx.PoolTimeout("x"), True),
        (httpx.ProxyError("x"), True),
        (httpx.UnsupportedProtocol("x"), False),
        (MemtraceError("x", 500), False),
        (MemtraceError("x", 503), True),
        (RateLimitError(), True),
        (NoArcInstanceError(), False),
    ],
)
def test_only_what_may_pass_is_tried_again(fault: Exception, again: bool) -> None:
    assert is_passing(fault) is again


def test_waits_grow_to_eight_seconds_and_no_further() -> None:
    retries = Retries(1_000)
    for attempt, longest in [(0, 0.5), (1, 1.0), (2, 2.0), (4, 8.0), (5, 8.0), (999, 8.0)]:
        wait = retries.wait_after(attempt, httpx.ConnectError("x"))
        assert wait is not None
        assert longest / 2 <= wait <= longest


@pytest.mark.parametrize(
    ("fault", "waits"),
    [
        (httpx.ConnectError("x"), True),
        (InvalidResponseError("x", 200), True),
        (MemtraceError("x", 408), True),
        (RateLimitError(), True),
        (MemtraceError("x", 500), True),
        (MemtraceError("x", 503), True),
        (NoArcInstanceError(), False),
        (MemtraceError("x", 400), False),
        (MemtraceError("x", 401), False),
        (httpx.UnsupportedProtocol("x"), False),
        (LookupError("x"), False),
    ],
)
def test_a_writer_waits_for_what_is_there_or_works_again_some_day(fault: Exception, waits: bool) -> None:
    assert is_for_now(fault) is waits


def test_a_writer_pauses_for_up_to_half_a_minute_or_as_long_as_it_is_told() -> None:
    for misses, longest in [(1, 1.0), (2, 2.0), (6, 30.0), (9_999, 30.0)]:
        assert longest / 2 <= pause_after(misses, httpx.ConnectError("x")) <= longest
    busy = RateLimitError()
    for told, paused in [(60.0, 60.0), (86_400.0, 300.0)]:
        busy.retry_after = told
        assert pause_after(1, busy) == paused


def test_two_clients_do_not_wait_alike() -> None:
    waits = {Retries(1).wait_after(0, httpx.ConnectError("x")) for _ in range(20)}
    assert len(waits) > 1


def test_without_retries_the_first_error_is_told() -> None:
    asked = []

    def busy(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return error(503, "overloaded")

    with client(busy, max_retries=0) as made, pytest.raises(MemtraceError):
        made.me()
    assert len(asked) == 1


def test_a_request_that_timed_out_is_tried_again_with_its_key() -> None:
    keys = []

    def slow(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        raise httpx.ReadTimeout("slow", request=request)

    with client(slow) as made, pytest.raises(httpx.ReadTimeout):
        made.remember("agent_1", "x")
    assert (len(keys), len(set(keys))) == (3, 1)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"[" * 99_999, b"\xff", b'{"error": 1, "code": 2}'])
def test_an_error_of_any_shape_is_an_error(body: bytes) -> None:
    told = error_of(httpx.Response(500, content=body))
    assert told is not None
    assert (told.status_code, told.code) == (500, None)
    assert told.message
