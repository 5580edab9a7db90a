"""What a client keeps to itself: its key, and where the key goes."""

import traceback
from typing import Any

import httpx
import pytest

from answering import KEY, MEMORY, URL, client, error
from memtrace import (
    AsyncMemtrace,
    AuthenticationError,
    InvalidResponseError,
    Memtrace,
    MemtraceError,
    TransportError,
)


def test_neither_key_nor_password_shows_in_a_repr() -> None:
    made = Memtrace("http://user:password@memtrace.test", KEY)
    made.close()
    assert repr(made) == "Memtrace('http://memtrace.test')"


def test_the_key_is_in_no_error() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with client(refuse) as made, pytest.raises(httpx.ConnectError) as caught:
        made.me()
    assert KEY not in repr(caught.value) + str(caught.value) + repr(caught.value.request)
    with client(lambda _: error(401)) as made, pytest.raises(AuthenticationError) as refused:
        made.me()
    assert KEY not in repr(refused.value) + repr(refused.value.__dict__)


@pytest.mark.parametrize("kind", [Memtrace, AsyncMemtrace])
@pytest.mark.parametrize("given", ["mtk_sec\nret", "mtk_sec\x00ret", "mtk_secret\u00e4"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(kind: type[Memtrace], given: str) -> None:
    with pytest.raises(ValueError, match="characters that no key has") as caught:
        kind(URL, given)
    assert "mtk_sec" not in repr(caught.value)


def test_the_line_end_of_a_file_is_no_part_of_a_key_or_an_address() -> None:
    sent: list[str] = []

    def look(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["x-api-key"])
        return httpx.Response(200, json=MEMORY)

    with Memtrace(URL + "\n", KEY + "\n", transport=httpx.MockTransport(look)) as made:
        made.get_memory("mem_1")
    assert sent == [KEY]


def test_a_redirect_does_not_take_the_key_along_even_where_the_callers_client_follows_others() -> None:
    asked_hosts: list[str] = []

    def elsewhere(request: httpx.Request) -> httpx.Response:
        asked_hosts.append(request.url.host)
        return httpx.Response(307, headers={"location": "http://other.test/"})

    with httpx.Client(transport=httpx.MockTransport(elsewhere), follow_redirects=True) as own:
        with pytest.raises(InvalidResponseError, match="redirects are not followed"):
            Memtrace(URL, KEY, http_client=own).me()
    assert asked_hosts == ["memtrace.test"]


def test_a_broken_encoding_is_no_answer_of_memtrace() -> None:
    class Raw(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            stream = httpx.ByteStream(b"no gzip")
            return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=stream)

    with Memtrace(URL, KEY, transport=Raw()) as made, pytest.raises(InvalidResponseError, match="decoded"):
        made.me()


@pytest.mark.parametrize(
    "answer", [error(401), httpx.Response(200, text="<html>"), httpx.ConnectError("refused")]
)
@pytest.mark.parametrize("own", [True, False])
def test_the_key_is_in_no_variable_that_a_traceback_shows(
    answer: httpx.Response | httpx.ConnectError, own: bool
) -> None:
    def say(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, httpx.Response):
            return answer
        raise answer

    transport = httpx.MockTransport(say)
    with httpx.Client(transport=transport) as http:
        more: dict[str, Any] = {"http_client": http} if own else {"transport": transport}
        made = Memtrace(URL, KEY, max_retries=0, **more)
        with pytest.raises((MemtraceError, TransportError)) as caught:
            made.remember("agent_1", "x")
        told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert KEY not in "".join(told.format())
