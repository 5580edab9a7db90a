"""`POST /mcp` as HTTP: keys, origins, sizes, rates, and what is no message."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

import pytest
from mcp.shared.exceptions import MCPError

from handlers.http import mcp_door
from tests.api.rig import Answer, Api
from tests.api.test_rates import limited
from tests.clock import ManualClock
from tests.mcp.rig import MODES, connected, refusal, told

ACCEPT: Final = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
LIST: Final = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
LATEST: Final = "2025-11-25"


async def sent(api: Api, method: str, headers: Mapping[str, str], content: bytes = b"") -> Answer:
    """Any request to `/mcp`: the REST API's description says nothing of it."""
    key = {"x-api-key": api.key} if api.key else {}
    response = await api.client.request(method, "/mcp", content=content, headers={**key, **headers})
    return Answer(response.status_code, response.headers, response.content)


async def post(
    api: Api, message: Any, headers: Mapping[str, str] | None = None, content: bytes | None = None
) -> Answer:
    body = json.dumps(message).encode() if content is None else content
    return await sent(api, "POST", {**ACCEPT, "mcp-protocol-version": LATEST, **(headers or {})}, body)


def problem(answer: Answer, status: int, code: str) -> Any:
    """That this is an error of JSON-RPC with ours in it; its message."""
    assert answer.status == status, answer.content
    assert answer.headers["content-type"] == "application/json"
    body = answer.json
    assert (body["jsonrpc"], body["id"]) == ("2.0", None)
    assert body["error"]["data"]["code"] == code
    assert body["error"]["data"]["request_id"] == answer.headers["x-request-id"]
    assert body["error"]["code"] == (-32603 if status >= 500 else -32600)
    return body["error"]["message"]


async def test_a_message_needs_no_session_and_no_handshake(api: Api) -> None:
    answer = await post(api, LIST)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert "mcp-session-id" not in answer.headers
    assert len(answer.json["result"]["tools"]) == 7


async def test_an_answer_is_kept_by_nobody(api: Api) -> None:
    assert (await post(api, LIST)).headers["cache-control"] == "no-store"


async def test_a_notification_is_accepted_without_an_answer(api: Api) -> None:
    answer = await post(api, {"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (answer.status, answer.content) == (202, b"")


async def test_streams_and_sessions_are_not_offered(api: Api) -> None:
    for method in ("GET", "DELETE"):
        answer = await sent(api, method, {"accept": "text/event-stream"})
        assert (answer.status, answer.headers["allow"]) == (405, "OPTIONS, POST")


async def test_nothing_is_listened_to(api: Api) -> None:
    """The one method of the protocol that would be a stream."""
    version = "2026-07-28"
    meta = {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    message = {**LIST, "method": "subscriptions/listen", "params": {"_meta": meta, "notifications": {}}}
    headers = {"mcp-protocol-version": version, "mcp-method": "subscriptions/listen"}
    answer = await post(api, message, headers)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["error"]["code"] == -32601


# --- keys


@pytest.mark.every_door
async def test_without_a_key_nothing_is_told(api: Api) -> None:
    message = problem(await post(api.as_(""), LIST), 401, "unauthenticated")
    assert message.startswith("missing API key (send the key as `x-api-key")


@pytest.mark.parametrize("mode", MODES)
async def test_a_client_hears_that_its_key_is_wrong(api: Api, mode: str) -> None:
    with pytest.raises((MCPError, ExceptionGroup)) as raised:
        async with connected(api.as_("nobody"), mode) as client:
            await client.list_tools()
    assert "invalid API key" in _words(raised.value)


def _words(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return " ".join(map(_words, error.exceptions))
    return str(error)


async def test_the_key_may_come_as_a_bearer_token(api: Api) -> None:
    answer = await post(api.as_(""), LIST, {"authorization": "Bearer full"})
    assert answer.status == 200


# --- origins


async def test_a_foreign_page_is_refused(api: Api) -> None:
    """Also while any origin may read the REST API, and under whatever name it came."""
    for origin in ("https://evil.example", "null", "http://localhost.evil.example", ""):
        headers = {"origin": origin, "host": origin.removeprefix("https://")}
        message = problem(await post(api, LIST, headers), 403, "forbidden")
        assert "server.cors_origins" in message


async def test_a_page_of_this_machine_may_come_in(api: Api) -> None:
    for origin in ("http://localhost:6274", "http://127.0.0.1", "https://[::1]:8443"):
        answer = await post(api, LIST, {"origin": origin})
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == "*"


async def test_an_origin_that_is_named_may_come_in(api: Api) -> None:
    named = api.with_doors(origins=frozenset({"*", "https://app.example"}))
    assert (await post(named, LIST, {"origin": "https://app.example"})).status == 200
    assert (await post(named, LIST, {"origin": "https://other.example"})).status == 403


# --- what is no message


async def test_what_is_no_message_is_refused(api: Api) -> None:
    for content in (b"{", b"\xff", b""):
        answer = await post(api, None, content=content)
        assert answer.status == 400
        assert answer.json["error"]["code"] == -32700


async def test_what_is_not_one_message_is_told_without_its_words(api: Api) -> None:
    one = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}'
    for content in (b"[]", b"[%b, %b]" % (one, one), b'{"secret": 1}', one.replace(b"2.0", b"1.0")):
        says = problem(await post(api, None, content=content), 400, "invalid_request")
        assert says.startswith("the body is not one message of JSON-RPC 2.0 (send several")


async def test_an_unknown_method_is_told(api: Api) -> None:
    answer = await post(api, {**LIST, "method": "memories/forget"})
    assert answer.json["error"]["code"] == -32601


async def test_another_content_type_is_refused(api: Api) -> None:
    answer = await post(api, LIST, {"content-type": "text/plain"})
    assert "application/json" in problem(answer, 400, "invalid_request")


async def test_a_message_beyond_the_limit_is_refused_unread(api: Api) -> None:
    small = api.with_server(max_body_bytes=1_024)
    problem(await post(small, None, content=b" " * 1_025), 413, "request_too_large")


# --- limits


async def test_rates_of_requests_hold(api: Api, clock: ManualClock) -> None:
    slow = limited(api, clock, requests_per_second=1)
    assert "ratelimit-policy" in (await post(slow, LIST)).headers
    refused = await post(slow, LIST)
    problem(refused, 429, "rate_limited")
    assert refused.headers["retry-after"] == "1"


async def test_rates_of_memories_hold_and_a_model_is_told_how_long(api: Api, clock: ManualClock) -> None:
    slow = limited(api, clock, memories_per_second=1)
    async with connected(slow) as client:
        await told(client, "memtrace_remember", agent_id="a", content="1")
        words = await refusal(client, "memtrace_remember", agent_id="a", content="2")
        assert (await told(client, "memtrace_search"))["count"] == 1
    assert "rate_limited" in words
    assert "Wait 1 s and call again" in words


class Slow:
    """A service that does not answer."""

    async def search(self, *_: object) -> None:
        await asyncio.Event().wait()


async def test_a_deadline_of_the_callers_own_holds(api: Api) -> None:
    slow = api.with_doors(recall=Slow())
    call = {**LIST, "method": "tools/call", "params": {"name": "memtrace_search", "arguments": {}}}
    answer = await post(slow, call, {"x-request-timeout": "0.05"})
    assert "0.05 seconds" in problem(answer, 504, "deadline_exceeded")


async def test_nothing_is_answered_while_stopping(api: Api) -> None:
    api.app.stop()
    problem(await post(api, LIST), 503, "shutting_down")


async def test_a_fault_before_any_tool_is_told_without_its_words(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> None:
        raise RuntimeError("mtk_secret")

    monkeypatch.setattr(mcp_door, "_loaded", broken)
    answer = await post(api, LIST)
    problem(answer, 500, "internal_error")
    assert b"mtk_secret" not in answer.content


async def test_where_the_sdk_is_not_installed_a_server_says_so(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_door, "_NEEDED", "nothing_that_is_installed")
    assert "extra `mcp`" in problem(await post(api, LIST), 404, "not_found")


async def test_many_callers_are_answered_at_once_and_each_its_own(api: Api) -> None:
    await api.remember("ours")

    async def counted(key: str) -> int:
        async with connected(api.as_(key)) as client:
            count: int = (await told(client, "memtrace_search"))["count"]
            return count

    keys = ["full", "other"] * 4
    assert await asyncio.gather(*map(counted, keys)) == [1, 0] * 4


async def test_keys_never_reach_what_tools_see(api: Api) -> None:
    words = []
    async with connected(api.as_("reader")) as client:
        words.append(await refusal(client, "memtrace_remember", agent_id="a", content="x"))
    assert "reader" not in json.dumps(words)
