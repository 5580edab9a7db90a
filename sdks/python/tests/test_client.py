"""The clients themselves: where they find the server, what they show, what they leave as it was."""

import inspect
import json
import pickle
from datetime import datetime
from typing import Any

import httpx
import pytest

import memtrace
from answering import KEY, MEMORY, URL, asked, async_client, client
from memtrace import (
    AsyncMemtrace,
    AuthenticationError,
    ConflictError,
    InvalidResponseError,
    ListOptions,
    Memory,
    Memtrace,
    MemtraceError,
)
from memtrace._base import DEFAULT_TIMEOUT, build_headers, handle_error

EMPTY = {"memories": [], "count": 0, "has_more": False}


class Recorder:
    """Answers everything alike and keeps what was asked."""

    def __init__(self, body: Any = None, status: int = 200) -> None:
        self.requests: list[httpx.Request] = []
        self._body, self._status = EMPTY if body is None else body, status

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(self._status, json=self._body)


def test_address_and_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMTRACE_URL", "http://elsewhere.test/v/")
    monkeypatch.setenv("MEMTRACE_API_KEY", "mtk_env")
    seen = Recorder()
    with Memtrace(transport=httpx.MockTransport(seen)) as made:
        made.recall("agent_1")
    assert str(seen.requests[0].url).startswith("http://elsewhere.test/v/api/v1/memories?")
    assert seen.requests[0].headers["x-api-key"] == "mtk_env"


def test_arguments_come_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMTRACE_URL", "http://elsewhere.test")
    monkeypatch.setenv("MEMTRACE_API_KEY", "mtk_env")
    seen = Recorder()
    with client(seen) as made:
        made.recall("agent_1")
    assert (seen.requests[0].url.host, seen.requests[0].headers["x-api-key"]) == ("memtrace.test", KEY)


def test_without_an_address_the_server_is_on_this_machine() -> None:
    with Memtrace(api_key=KEY) as made:
        assert repr(made) == "Memtrace('http://localhost:9100')"


@pytest.mark.parametrize("kind", [Memtrace, AsyncMemtrace])
def test_a_client_without_a_key_is_refused_when_it_is_made(kind: type[Memtrace]) -> None:
    with pytest.raises(ValueError, match="MEMTRACE_API_KEY"):
        kind(URL)


@pytest.mark.parametrize("name", ["post", "request", "send"])
def test_a_method_of_httpx_that_tests_replace_is_the_one_that_is_called(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httpx.Client, name, lambda *args, **more: httpx.Response(201, json=MEMORY))
    with Memtrace(URL, KEY) as made:
        assert made.remember("agent_1", "text").id == "mem_1"


def test_a_client_of_the_callers_own_is_used_and_left_open() -> None:
    seen = Recorder()
    with httpx.Client(transport=httpx.MockTransport(seen), headers={"x-team": "blue"}) as theirs:
        with Memtrace(URL + "/v", KEY, http_client=theirs) as made:
            made.recall("agent_1")
        assert not theirs.is_closed
    request = seen.requests[0]
    assert (request.url.path, request.headers["x-api-key"]) == ("/v/api/v1/memories", KEY)
    assert request.headers["x-team"] == "blue"


async def test_an_async_client_of_the_callers_own_is_used_and_left_open() -> None:
    seen = Recorder()
    async with httpx.AsyncClient(transport=httpx.MockTransport(seen)) as theirs:
        async with AsyncMemtrace(URL, KEY, http_client=theirs) as made:
            await made.recall("agent_1")
        assert not theirs.is_closed
    assert seen.requests[0].headers["x-api-key"] == KEY
    assert repr(made) == "AsyncMemtrace('http://memtrace.test')"


def test_closing_twice_is_allowed() -> None:
    made = client(Recorder())
    made.close()
    made.close()


def test_the_timeout_reaches_the_connection() -> None:
    seen = Recorder()
    with client(seen, timeout=1.5) as made:
        made.recall("agent_1")
    assert seen.requests[0].extensions["timeout"] == dict.fromkeys(("connect", "read", "write", "pool"), 1.5)


@pytest.mark.parametrize("step", [".", ".."])
def test_an_id_stays_one_step_of_the_path(step: str) -> None:
    seen = Recorder(MEMORY)
    with client(seen) as made:
        made.get_memory(step)
    assert seen.requests[0].url.raw_path == b"/api/v1/memories/" + b"%2E" * len(step)


def test_an_empty_id_is_refused_before_anything_is_sent() -> None:
    seen = Recorder()
    with client(seen) as made, pytest.raises(ValueError, match="must not be empty"):
        made.delete_session("")
    assert seen.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>welcome</html>", headers={"content-type": "text/html"}),
        httpx.Response(200, json={"memories": "none"}),
        httpx.Response(302, headers={"location": "http://login.test"}),
        httpx.Response(204),
    ],
)
def test_a_success_that_is_no_answer_of_memtrace_is_an_error_of_its_own(answer: httpx.Response) -> None:
    with client(lambda _: answer) as made, pytest.raises(InvalidResponseError) as caught:
        made.recall("agent_1")
    assert isinstance(caught.value, ValueError)
    assert (caught.value.status_code, caught.value.code) == (answer.status_code, "invalid_response")
    assert "welcome" not in str(caught.value)


def test_what_remember_is_given_is_sent() -> None:
    seen = Recorder(MEMORY, 201)
    with client(seen) as made:
        made.remember("agent_1", "x", session_id="s", tags=["a"], event_type="seen", idempotency_key="k")
    assert json.loads(seen.requests[0].content) == {
        **{"agent_id": "agent_1", "session_id": "s", "memory_type": "episodic", "event_type": "seen"},
        **{"content": "x", "tags": ["a"]},
    }
    assert seen.requests[0].headers["idempotency-key"] == "k"


def test_metadata_of_a_decision_is_kept_beside_the_reasoning() -> None:
    seen = Recorder(MEMORY, 201)
    with client(seen) as made:
        made.decide("agent_1", "x", "because", metadata={"cost": 3, "none": None})
    assert json.loads(seen.requests[0].content)["metadata"] == {
        "cost": 3,
        "none": None,
        "reasoning": "because",
    }


def test_recall_can_be_narrowed() -> None:
    seen = Recorder()
    with client(seen) as made:
        made.recall("agent_1", "7d", session_id="s", limit=5)
    assert dict(seen.requests[0].url.params) == {
        **{"agent_id": "agent_1", "session_id": "s", "since": "7d", "limit": "5", "order": "desc"}
    }


def test_every_call_has_an_idempotency_key_of_its_own() -> None:
    seen = Recorder(MEMORY, 201)
    with client(seen) as made:
        made.remember("agent_1", "x")
        made.remember("agent_1", "x")
    first, second = (request.headers["idempotency-key"] for request in seen.requests)
    assert first != second


def test_what_json_cannot_hold_is_refused_before_anything_is_sent() -> None:
    seen = Recorder()
    with client(seen) as made, pytest.raises(ValueError, match="not JSON compliant"):
        made.add_memory(asked(metadata={"n": float("nan")}))
    assert seen.requests == []


def test_metadata_may_hold_times_and_sets() -> None:
    seen = Recorder(MEMORY, 201)
    with client(seen) as made:
        made.add_memory(asked(metadata={"at": datetime(2026, 2, 7), "set": {1}, "none": None}))
    sent = json.loads(seen.requests[0].content)["metadata"]
    assert sent == {"at": "2026-02-07T00:00:00", "set": [1], "none": None}


def test_a_subclass_that_knows_add_memory_as_it_was_still_works() -> None:
    class Loud(Memtrace):
        def add_memory(self, req: memtrace.AddMemoryRequest) -> Memory:  # type: ignore[override]
            return super().add_memory(req.model_copy(update={"content": req.content.upper()}))

    seen = Recorder(MEMORY, 201)
    with Loud(URL, KEY, transport=httpx.MockTransport(seen)) as made:
        made.remember("agent_1", "x")
    assert json.loads(seen.requests[0].content)["content"] == "X"


def test_agents_memories_leave_out_a_conflicting_agent() -> None:
    seen = Recorder()
    with client(seen) as made:
        made.get_agent_memories("a", ListOptions(agent_id="b", limit=1))
        made.get_session_memories("a", ListOptions(session_id="b", limit=1))
    assert [dict(request.url.params) for request in seen.requests] == [{"limit": "1"}] * 2


def test_the_two_clients_have_the_same_methods_with_the_same_arguments() -> None:
    def surface(kind: type) -> dict[str, list[str]]:
        methods = inspect.getmembers(kind, inspect.isfunction)
        return {n: list(inspect.signature(f).parameters) for n, f in methods if not n.startswith("_")}

    assert surface(Memtrace) == surface(AsyncMemtrace)


async def test_an_async_iterator_asks_for_the_next_page_only_when_it_is_wanted() -> None:
    seen = Recorder({"memories": [MEMORY], "count": 1, "has_more": True, "next_cursor": "c"})
    async with async_client(seen) as made:
        async for memory in made.iter_memories():
            assert memory.id == "mem_1"
            break
    assert len(seen.requests) == 1


def test_names_of_0_2_0_in_the_base_module_still_work() -> None:
    assert DEFAULT_TIMEOUT == 30.0
    assert build_headers("k")["x-api-key"] == "k"
    handle_error(httpx.Response(200))
    with pytest.raises(ConflictError, match="duplicate memory"):
        handle_error(httpx.Response(409, json={"error": "duplicate memory"}))


def test_exceptions_are_made_as_in_0_2_0_and_survive_pickling() -> None:
    made = MemtraceError("words", 500)
    made.code = "internal_error"
    again = pickle.loads(pickle.dumps(made))
    assert (again.message, again.status_code, again.code, str(again)) == (
        "words",
        500,
        "internal_error",
        "words",
    )
    assert AuthenticationError().status_code == 401
    assert ConflictError("taken").status_code == 409


def test_everything_that_is_exported_is_there() -> None:
    assert [name for name in memtrace.__all__ if not hasattr(memtrace, name)] == []
