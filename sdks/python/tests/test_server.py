"""Against a real server: every method, pages, answers that are lost, and the examples of the documents."""

import ast
import asyncio
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import memtrace
from memtrace import (
    AddMemoryRequest,
    AsyncMemtrace,
    ConflictError,
    CreateSessionRequest,
    ListOptions,
    Memtrace,
    MemtraceError,
    NotFoundError,
    RegisterAgentRequest,
    SearchQuery,
    WriteCounts,
)
from realserver import ROOT, Address, BreakingNetwork, real_server

PAGES: Final = [ROOT / "docs" / "sdk-python.md", ROOT / "sdks" / "python" / "README.md"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    with real_server(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture
def client(server: Address) -> Iterator[Memtrace]:
    with Memtrace(server.url, server.key) as made:
        yield made


@pytest.fixture
def network(server: Address) -> Iterator[BreakingNetwork]:
    made = BreakingNetwork(server)
    yield made
    made.close()


def memory(content: str, agent: str, **more: Any) -> AddMemoryRequest:
    fields = {"memory_type": "episodic", "event_type": "general", **more}
    return AddMemoryRequest(agent_id=agent, content=content, **fields)


def test_a_memory_is_found_by_id_and_by_key_until_it_is_deleted(client: Memtrace) -> None:
    stored = client.remember("finding", "x", dedup_key="a/b c", metadata={"n": None})
    assert stored.id is not None
    assert client.get_memory(stored.id) == client.get_memory("a/b c") == stored
    receipt = client.delete_memory("a/b c")
    assert receipt.memory_id == stored.id
    assert receipt.remains
    assert client.get_deletion(receipt.deletion_id).requested_at == receipt.requested_at
    assert receipt.deletion_id in [
        deletion.deletion_id for deletion in client.list_deletions(limit=5).deletions
    ]
    with pytest.raises(NotFoundError) as caught:
        client.get_memory(stored.id)
    assert caught.value.code == "not_found"
    assert caught.value.request_id


def test_a_batch_tells_what_became_of_each(client: Memtrace) -> None:
    added = client.add_memories([memory("a", "batches"), memory("b", "batches"), memory("a", "batches")])
    assert [one.content for one in added] == ["a", "b"]
    assert added.duplicates == 1
    assert added.results is not None
    assert [entry.status for entry in added.results] == ["created", "created", "duplicate"]
    assert added.results[2].id == added[0].id


def test_a_duplicate_names_the_memory_that_won(client: Memtrace) -> None:
    first = client.remember("twice", "x")
    with pytest.raises(ConflictError) as caught:
        client.remember("twice", "x")
    assert (caught.value.code, caught.value.id) == ("duplicate_memory", first.id)


def test_an_invalid_batch_says_which_memory_and_stores_none(client: Memtrace) -> None:
    with pytest.raises(MemtraceError) as caught:
        client.add_memories([memory("a", "invalid"), memory("b", "invalid", tags=["no spaces"])])
    error = caught.value
    assert (error.status_code, error.code, error.index) == (400, "invalid_request", 1)
    assert error.field == "memories[1].tags[0]"
    assert client.recall("invalid").count == 0


def test_iterators_go_through_all_pages(client: Memtrace) -> None:
    client.add_memories([memory(f"page {n}", "paging", session_id="sess_paging") for n in range(7)])
    wanted = [f"page {n}" for n in range(7)]
    rising = ListOptions(order="asc", limit=3)
    mine = rising.model_copy(update={"agent_id": "paging"})
    query = SearchQuery(agent_id="paging", content_contains="page", order="asc", limit=2)
    assert [m.content for m in client.iter_memories(mine)] == wanted
    assert [m.content for m in client.iter_agent_memories("paging", rising)] == wanted
    assert [m.content for m in client.iter_session_memories("sess_paging", rising)] == wanted
    assert [m.content for m in client.iter_search(query)] == wanted
    page = client.list_memories(mine)
    assert page.has_more
    rest = client.list_memories(mine.model_copy(update={"cursor": page.next_cursor}))
    assert rest.memories[0].content == "page 3"


def test_agents_and_sessions_are_paged_and_changed(client: Memtrace) -> None:
    agents = [client.register_agent(RegisterAgentRequest(name=f"paged-{n}")).id for n in range(3)]
    assert [a.id for a in client.iter_agents(limit=2)][:3] == agents[::-1]
    assert client.list_agents(limit=1).has_more
    sessions = [client.create_session(CreateSessionRequest(agent_id="opener")).id for _ in range(3)]
    assert [s.id for s in client.iter_sessions("opener", limit=2)] == sessions[::-1]
    changed = client.update_session(sessions[0], status="closed", metadata={"a": 1})
    assert (changed.status, changed.metadata) == ("closed", {"a": 1})
    assert [s.id for s in client.list_sessions("opener", status="closed").sessions] == [sessions[0]]
    reopened = client.update_session(sessions[0], status="active", metadata={"a": None, "b": 2})
    assert (reopened.closed_at, reopened.metadata) == (None, {"b": 2})


def test_a_session_is_deleted_with_its_memories_where_that_is_asked(client: Memtrace) -> None:
    session = client.create_session(CreateSessionRequest(agent_id="leaver")).id
    client.remember("leaver", "kept", session_id=session)
    alone = client.delete_session(session)
    assert (alone.had_record, alone.memories) == (True, None)
    assert client.get_session_memories(session).count == 1
    deleted = client.delete_session(session, memories=True)
    assert not deleted.had_record
    assert deleted.memories is not None
    assert deleted.memories.session_id == session
    assert client.get_session_memories(session).count == 0


def test_a_context_tells_what_it_left_out(client: Memtrace) -> None:
    client.add_memories(
        [memory(f"{n} " + "word " * 100, "teller", session_id="sess_long") for n in range(20)]
    )
    context = client.get_session_context("sess_long")
    assert (context.memory_count, context.omitted, context.truncated) == (20, 0, True)
    assert context.tokens


def test_me_says_whose_key_it_is(client: Memtrace) -> None:
    me = client.me()
    assert (me.org_id, me.has_binding) == ("org_default", True)
    assert "write" in me.permissions


def test_a_memory_whose_answer_was_lost_is_stored_once_and_told_as_stored(
    server: Address, network: BreakingNetwork
) -> None:
    network.to_lose = 2
    with Memtrace(network.url, server.key, sleep=lambda _: None) as client:
        stored = client.remember("loser", "answer lost")
        assert [m.id for m in client.recall("loser").memories] == [stored.id]
    assert network.connections == 3


def test_a_buffered_writer_rides_over_lost_answers(server: Address, network: BreakingNetwork) -> None:
    network.to_lose = 1
    with Memtrace(network.url, server.key) as client:
        with client.buffered(max_batch=10, max_delay=3_600) as writer:
            for number in range(10):
                writer.remember("buffering", str(number))
        assert writer.counts == WriteCounts(created=10)
        listed = client.iter_memories(ListOptions(agent_id="buffering", order="asc"))
        assert [m.content for m in listed] == [str(number) for number in range(10)]


def test_connections_are_kept_and_used_again(server: Address, network: BreakingNetwork) -> None:
    with Memtrace(network.url, server.key) as client:
        for _ in range(5):
            client.me()
    assert network.connections == 1


async def test_the_async_client_does_the_same(server: Address) -> None:
    async with AsyncMemtrace(server.url, server.key) as client:
        async with client.buffered(max_batch=3) as writer:
            for number in range(7):
                await writer.remember("async", str(number))
        assert writer.counts == WriteCounts(created=7)
        listed = client.iter_memories(ListOptions(agent_id="async", order="asc", limit=2))
        assert [m.content async for m in listed] == [str(number) for number in range(7)]
        many = await asyncio.gather(*(client.me() for _ in range(10)))
        assert {me.org_id for me in many} == {"org_default"}


def examples() -> Iterator[tuple[str, str]]:
    """The examples of the documents in Python, each page as one."""
    for page in PAGES:
        blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
        assert blocks
        yield page.name, "\n\n".join(blocks)


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in examples()])
async def test_the_examples_of_the_documents_do_what_they_say(
    text: str, server: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMTRACE_URL", server.url)
    monkeypatch.setenv("MEMTRACE_API_KEY", server.key)
    text = text.replace("http://localhost:9100", server.url).replace('"mtk_..."', repr(server.key))
    await eval(
        compile(text, "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), {"__name__": "example"}
    )


def test_the_page_names_every_method_argument_and_export() -> None:
    page = PAGES[0].read_text()
    methods = [name for name, _ in inspect.getmembers(Memtrace, inspect.isfunction) if name[0] != "_"]
    arguments = [*inspect.signature(Memtrace).parameters, *inspect.signature(Memtrace.buffered).parameters]
    names = [*methods, *arguments, *memtrace.__all__]
    assert [n for n in names if not re.search(rf"\b{n}\b", page) and n not in ("self", "__version__")] == []


def test_the_licence_is_that_of_the_project() -> None:
    assert Path(ROOT / "sdks/python/LICENSE").read_bytes() == Path(ROOT / "LICENSE").read_bytes()
