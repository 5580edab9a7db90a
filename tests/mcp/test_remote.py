"""Memtrace over HTTP, as `memtrace mcp` asks it: repeats, waits, and servers that are none."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

import httpx2
import pytest

from core.model.errors import ConfigurationError
from handlers.mcp.calls import Call, Refusal
from handlers.mcp.remote import ATTEMPTS, Remote
from handlers.mcp.wording import told

KEY: Final = "mtk_secret"
WRITE: Final = Call(method="POST", route="/api/v1/memories", body={"agent_id": "a", "content": "x"})
READ: Final = Call(method="GET", route="/api/v1/agents/{id}/memories", path={"id": "Ops Bot/1"})
REFUSED: Final = httpx2.ConnectError("refused")
CUT: Final = httpx2.RemoteProtocolError("cut off after the request")
Step = httpx2.Response | Exception


def answer(status: int, body: Any = None, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(status, json=body if body is not None else {"ok": True}, headers=named)


class Site:
    """A server that answers by a script, and a client that waits without time going by."""

    def __init__(self, *steps: Step, url: str = "http://memtrace.test:9100/") -> None:
        self.asked: list[httpx2.Request] = []
        self.waits: list[float] = []
        self._steps = list(steps)
        self.remote = Remote(url, KEY, sleep=self._wait, transport=httpx2.MockTransport(self._answer))

    async def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        step = self._steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    async def ask(self, call: Call = WRITE) -> Any:
        try:
            return await self.remote.ask(call)
        finally:
            await self.remote.close()

    async def refusal(self, call: Call = WRITE) -> Refusal:
        with pytest.raises(Refusal) as raised:
            await self.ask(call)
        assert KEY not in told(raised.value, {})
        return raised.value


async def test_a_call_is_a_request_of_the_rest_api() -> None:
    site = Site(answer(200))
    assert await site.ask() == {"ok": True}
    (request,) = site.asked
    assert (request.method, str(request.url)) == ("POST", "http://memtrace.test:9100/api/v1/memories")
    assert json.loads(request.content) == WRITE.body
    assert request.headers["x-api-key"] == KEY
    assert request.headers["content-type"] == "application/json"


async def test_parts_of_the_path_cannot_leave_their_place() -> None:
    site = Site(answer(200))
    await site.ask(READ)
    assert site.asked[0].url.raw_path == b"/api/v1/agents/Ops%20Bot%2F1/memories"


async def test_parameters_that_are_empty_are_not_sent() -> None:
    site = Site(answer(200))
    await site.ask(Call(method="GET", route="/x", query={"since": "2h", "cursor": "", "to": "a+b&c"}))
    assert site.asked[0].url.query == b"since=2h&to=a%2Bb%26c"


@pytest.mark.parametrize("fault", [REFUSED, CUT, answer(502), answer(503), answer(504), answer(429)])
async def test_what_passes_is_tried_again_under_the_same_idempotency_key(fault: Step) -> None:
    site = Site(fault, fault, answer(201, {"id": "m"}))
    assert await site.ask() == {"id": "m"}
    assert len(site.asked) == ATTEMPTS
    assert len({request.headers["idempotency-key"] for request in site.asked}) == 1
    assert 0 < site.waits[0] <= 0.5 < 2 * site.waits[1] <= 2


async def test_a_missing_store_is_told_at_once() -> None:
    site = Site(answer(503, {"error": "no arc instance", "code": "no_arc_instance"}))
    assert (await site.refusal()).code == "no_arc_instance"
    assert site.waits == []


async def test_every_call_has_an_idempotency_key_of_its_own() -> None:
    keys = set()
    for _ in range(2):
        site = Site(answer(200))
        await site.ask()
        keys.add(site.asked[0].headers["idempotency-key"])
    assert len(keys) == 2


async def test_retry_after_is_waited_for() -> None:
    site = Site(answer(503, retry_after="4"), answer(200))
    assert await site.ask() == {"ok": True}
    assert site.waits == [4]


async def test_a_long_wait_is_left_to_the_model() -> None:
    refused = answer(429, {"error": "too fast", "code": "rate_limited"}, retry_after="60")
    refusal = await Site(refused).refusal()
    assert (refusal.code, refusal.retry_after) == ("rate_limited", 60)
    assert "Wait 60 s" in told(refusal, {})


@pytest.mark.parametrize("given", ["soon", "-1", "Wed, 21 Oct 2026 07:28:00 GMT", "9999999999"])
async def test_a_retry_after_that_is_no_number_of_seconds_is_ignored(given: str) -> None:
    site = Site(answer(503, retry_after=given), answer(200))
    assert await site.ask() == {"ok": True}
    assert site.waits[0] <= 0.5


async def test_a_server_that_cannot_be_reached_is_told_after_three_attempts() -> None:
    site = Site(REFUSED, CUT, REFUSED)
    refusal = await site.refusal()
    assert refusal.code == "unreachable"
    assert "http://memtrace.test:9100" in refusal.message
    assert "MEMTRACE_URL" in refusal.hint
    assert len(site.asked) == ATTEMPTS


async def test_what_stays_unavailable_is_told_in_the_servers_words() -> None:
    full = {"error": "the journal is full", "code": "journal_full", "hint": "wait", "request_id": "req_1"}
    refusal = await Site(*[answer(503, full) for _ in range(ATTEMPTS)]).refusal()
    words = told(refusal, {})
    assert "Error (journal_full): the journal is full." in words
    assert "Hint: wait." in words
    assert "req_1" in words


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 500])
async def test_what_another_attempt_would_not_change_is_tried_once(status: int) -> None:
    site = Site(answer(status, {"error": "no", "code": "some_code", "id": "m"}))
    refusal = await site.refusal()
    assert (refusal.code, refusal.fields["id"]) == ("some_code", "m")
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    "strange",
    [
        httpx2.Response(200, text="<html>"),
        httpx2.Response(200, json=["a", "list"]),
        httpx2.Response(404, text="not here"),
        httpx2.Response(401, json={"message": "Forbidden"}),
        httpx2.Response(302, headers={"location": "http://elsewhere.test/"}),
    ],
    ids=["a page", "a list", "a text", "another error", "elsewhere"],
)
async def test_an_answer_that_is_none_of_memtraces_is_told(strange: httpx2.Response) -> None:
    site = Site(strange)
    refusal = await site.refusal()
    assert refusal.code == "unexpected_answer"
    assert "MEMTRACE_URL" in told(refusal, {})
    assert len(site.asked) == 1


async def test_a_url_that_leads_past_the_api_is_told() -> None:
    site = Site(answer(404, {"error": "no such route", "code": "not_found"}), url="http://m.test/api/v1")
    words = told(await site.refusal(), {})
    assert "MEMTRACE_URL ends before /api/v1" in words
    assert "Check the id" not in words


async def test_a_server_that_never_answers_is_given_up() -> None:
    async def silent(request: httpx2.Request) -> httpx2.Response:
        await asyncio.Event().wait()
        raise AssertionError

    remote = Remote("http://memtrace.test", KEY, seconds=0.05, transport=httpx2.MockTransport(silent))
    with pytest.raises(Refusal) as raised:
        await remote.ask(READ)
    await remote.close()
    assert raised.value.code == "deadline_exceeded"
    assert "0.05 seconds" in raised.value.message


@pytest.mark.parametrize(
    "url",
    ["localhost:9100", "ftp://a.test", "http://", "http://a.test:0", "http://a.test:x", "http://a.test/?q=1",
     "http://a.test/#f", f"http://user:{KEY}@a.test", "http://[::1", "x"],
)  # fmt: skip
def test_a_url_that_is_none_of_a_server_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match="MEMTRACE_URL") as raised:
        Remote(url, KEY)
    assert KEY not in str(raised.value)


@pytest.mark.parametrize("key", ["mtk\n_x", "mtk x", "mtk_é"])
def test_a_key_that_no_header_could_carry_is_refused(key: str) -> None:
    with pytest.raises(ConfigurationError, match="MEMTRACE_API_KEY") as raised:
        Remote("http://a.test", key)
    assert key not in str(raised.value)


async def test_a_path_before_the_api_is_kept() -> None:
    site = Site(answer(200), url="https://a.test/prod/")
    await site.ask()
    assert str(site.asked[0].url) == "https://a.test/prod/api/v1/memories"


def test_the_key_is_in_no_repr() -> None:
    shown: Callable[[object], str] = repr
    assert KEY not in shown(Remote("http://a.test", KEY))
