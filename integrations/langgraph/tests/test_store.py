"""The store does what LangGraph's own store does, for everything that can be done without vectors."""

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore
from memtrace import ListOptions, Memtrace
from typing_extensions import TypedDict

from langgraph_memtrace import MemtraceStore


@pytest.fixture
def store(threaded: Memtrace, agent_id: str) -> MemtraceStore:
    return MemtraceStore(threaded, agent_id=agent_id)


def keys(found: Any) -> list[str]:
    return [item.key for item in found]


# --- items


def test_what_is_put_is_got(store: MemtraceStore) -> None:
    value = {"text": 'quotes " 日本語 \ud83d', "number": 1.5, "nested": {"list": [1, None, True]}}
    store.put(("users", "ada"), "prefs", value)
    item = store.get(("users", "ada"), "prefs")
    assert item is not None
    assert (item.namespace, item.key, item.value) == (("users", "ada"), "prefs", value)
    assert item.created_at == item.updated_at
    assert item.created_at.tzinfo is not None


def test_what_was_never_put_is_none(store: MemtraceStore) -> None:
    store.put(("users",), "a", {})
    assert store.get(("users",), "b") is None
    assert store.get(("users", "deeper"), "a") is None
    assert store.get(("other",), "a") is None


def test_the_last_put_wins_and_the_time_of_creation_stays(
    store: MemtraceStore, threaded: Memtrace, agent_id: str
) -> None:
    for number in range(3):
        store.put(("counters",), "c", {"n": number})
    item = store.get(("counters",), "c")
    assert item is not None
    assert item.value == {"n": 2}
    assert item.created_at < item.updated_at
    kept = threaded.list_memories(ListOptions(agent_id=agent_id)).memories
    assert [memory.content for memory in kept] == ['{"n":2}']


def test_equal_values_can_be_put_again(store: MemtraceStore) -> None:
    store.put(("a",), "k", {"v": 1})
    store.put(("a",), "k", {"v": 2})
    store.put(("a",), "k", {"v": 1})
    store.put(("b",), "k", {"v": 1})
    assert [item.value for item in store.search(())] == [{"v": 1}, {"v": 1}]


def test_what_is_deleted_is_gone_and_can_be_put_again(store: MemtraceStore) -> None:
    store.put(("a",), "k", {"v": 1})
    store.delete(("a",), "k")
    store.delete(("a",), "k")
    assert store.get(("a",), "k") is None
    assert store.search(("a",)) == []
    assert store.list_namespaces() == []
    store.put(("a",), "k", {"v": 2})
    item = store.get(("a",), "k")
    assert item is not None
    assert item.created_at == item.updated_at


def test_any_key_and_label_will_do(store: MemtraceStore) -> None:
    addresses = [(("a b", "ü" * 200), "k/1"), (("a b",), "k 1"), (("ns-x",), "x" * 300), (("*",), "")]
    for number, (namespace, key) in enumerate(addresses):
        store.put(namespace, key, {"n": number})
    for number, (namespace, key) in enumerate(addresses):
        item = store.get(namespace, key)
        assert item is not None
        assert item.value == {"n": number}
    assert keys(store.search(("a b",))) == ["k 1", "k/1"]


def test_two_stores_under_other_agents_do_not_see_each_other(threaded: Memtrace, agent_id: str) -> None:
    one, other = (MemtraceStore(threaded, agent_id=f"{agent_id}_{n}") for n in (1, 2))
    one.put(("a",), "k", {"v": 1})
    assert other.get(("a",), "k") is None
    assert other.search(()) == []
    assert other.list_namespaces() == []


# --- the same as LangGraph's own

SETUP = [
    PutOp(("docs",), "1", {"type": "report", "score": 4, "tags": ["a", "b"], "by": {"name": "Ada"}}),
    PutOp(("docs", "old"), "2", {"type": "report", "score": 5.5, "tags": ["a"], "by": {"name": "Bob"}}),
    PutOp(("docs", "old", "v1"), "3", {"type": "note", "score": 1}),
    PutOp(("docs", "new", "v1"), "4", {"type": "note"}),
    PutOp(("docsy",), "5", {"type": "note", "score": 4}),
    PutOp(("users", "ada", "v1"), "6", {"type": "user"}),
]
SEARCHES = [
    SearchOp((), limit=20),
    SearchOp(("docs",)),
    SearchOp(("docs", "old")),
    SearchOp(("nothing",)),
    SearchOp(("docs",), filter={"type": "report"}),
    SearchOp(("docs",), filter={"type": "report", "score": {"$gt": 4.5}}),
    SearchOp(("docs",), filter={"type": "report", "score": {"$gte": 4, "$lt": 5.5}}),
    SearchOp((), filter={"type": {"$eq": "note"}}),
    SearchOp((), filter={"type": {"$ne": "note"}}),
    SearchOp((), filter={"tags": ["a", "b"]}),
    SearchOp((), filter={"tags": ["a"]}),
    SearchOp((), filter={"by": {"name": "Ada"}}),
    SearchOp((), filter={"by": {"name": {"$ne": "Ada"}}}),
    SearchOp((), filter={"type": None}),
]
LISTINGS = [
    ListNamespacesOp(),
    ListNamespacesOp(max_depth=1),
    ListNamespacesOp(max_depth=2),
    ListNamespacesOp(limit=2, offset=1),
    ListNamespacesOp((MatchCondition("prefix", ("docs",)),)),
    ListNamespacesOp((MatchCondition("prefix", ("docs", "*", "v1")),)),
    ListNamespacesOp((MatchCondition("suffix", ("v1",)),)),
    ListNamespacesOp(
        (MatchCondition("suffix", ("*", "v1")), MatchCondition("prefix", ("docs",))), max_depth=2
    ),
    ListNamespacesOp((MatchCondition("prefix", ("docs", "old", "v1", "deeper")),)),
]


def test_searches_find_what_langgraphs_own_store_finds(store: MemtraceStore) -> None:
    own = InMemoryStore()
    for one in (store, own):
        one.batch(SETUP)
    for op in SEARCHES:
        # Its order is that of insertion; ours is the last written first.
        assert sorted(keys(store.batch([op])[0])) == sorted(keys(own.batch([op])[0])), op


def test_listings_are_those_of_langgraphs_own_store(store: MemtraceStore) -> None:
    own = InMemoryStore()
    for one in (store, own):
        one.batch(SETUP)
    for op in LISTINGS:
        assert store.batch([op]) == own.batch([op]), op


def test_a_batch_answers_as_langgraphs_own_store_does(store: MemtraceStore) -> None:
    batch: list[Op] = [
        GetOp(("a",), "k"),
        PutOp(("a",), "k", {"v": 1}),
        GetOp(("a",), "k"),
        PutOp(("a",), "k", {"v": 2}),
        PutOp(("a",), "gone", {"v": 3}),
        PutOp(("a",), "gone", None),
        SearchOp(("a",)),
    ]
    own = InMemoryStore()
    assert store.batch(batch) == own.batch(batch)
    assert [(i.key, i.value) for i in store.search(())] == [(i.key, i.value) for i in own.search(())]


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.put((), "k", {}),
        lambda store: store.put(("a.b",), "k", {}),
        lambda store: store.put(("",), "k", {}),
        lambda store: store.put(("langgraph", "x"), "k", {}),
        lambda store: store.get(("a.b",), "k"),
        lambda store: store.search(("a.b",)),
        lambda store: store.batch([GetOp(("a.b",), "k")]),
        lambda store: store.batch([PutOp(("a",), "k", {}), SearchOp(("a.b",))]),
        lambda store: store.list_namespaces(prefix=("a.b",)),
    ],
)
def test_namespaces_are_refused_as_langgraph_refuses_them(
    store: MemtraceStore, call: Callable[[BaseStore], Any]
) -> None:
    with pytest.raises(InvalidNamespaceError):
        call(store)
    assert store.search(()) == []


# --- searching


def test_pages_of_a_search_are_in_order_of_writing_the_newest_first(store: MemtraceStore) -> None:
    for number in range(7):
        store.put(("a",), str(number), {"even": number % 2 == 0})
    store.put(("a",), "0", {"even": True})
    assert keys(store.search(("a",), limit=3)) == ["0", "6", "5"]
    assert keys(store.search(("a",), limit=3, offset=3)) == ["4", "3", "2"]
    assert keys(store.search(("a",), limit=3, offset=6)) == ["1"]
    assert keys(store.search(("a",), filter={"even": True}, limit=2, offset=1)) == ["6", "4"]
    assert store.search(("a",), limit=0) == []


def test_texts_are_ordered_and_what_has_no_order_does_not_fit(store: MemtraceStore) -> None:
    store.put(("a",), "text", {"at": "2026-11-01"})
    store.put(("a",), "number", {"at": 5})
    store.put(("a",), "flag", {"at": True})
    store.put(("a",), "none", {})
    assert keys(store.search(("a",), filter={"at": {"$gt": "2026-01-01"}})) == ["text"]
    assert keys(store.search(("a",), filter={"at": {"$lte": 5}})) == ["number"]
    with pytest.raises(ValueError, match="Unsupported operator"):
        store.search(("a",), filter={"at": {"$in": [5]}})


def test_a_query_is_refused_with_the_reason_and_the_way_out(store: MemtraceStore) -> None:
    with pytest.raises(NotImplementedError, match=r"no vectors.*substring_query=True"):
        store.search(("a",), query="what does Ada like?")


def test_a_query_can_be_a_substring(threaded: Memtrace, agent_id: str) -> None:
    store = MemtraceStore(threaded, agent_id=agent_id, substring_query=True)
    store.put(("a",), "1", {"text": 'Ada likes "tea"', "n": 1})
    store.put(("a",), "2", {"list": [{"deep": "green tea"}], "tea": 1})
    store.put(("a",), "3", {"text": "TEA", "tea": 2})
    assert keys(store.search(("a",), query="tea")) == ["2", "1"]
    assert keys(store.search(("a",), query='"tea"')) == ["1"]
    assert keys(store.search(("a",), query="tea", filter={"n": 1})) == ["1"]


# --- what does not fit


def test_a_time_to_live_is_refused(store: MemtraceStore) -> None:
    with pytest.raises(NotImplementedError, match="TTL"):
        store.put(("a",), "k", {}, ttl=5)
    with pytest.raises(NotImplementedError, match="TTL"):
        store.batch([PutOp(("a",), "k", {}, ttl=5)])


def test_an_index_is_ignored_as_langgraph_says(store: MemtraceStore) -> None:
    store.put(("a",), "k", {"text": "x"}, index=["text"])
    store.put(("a",), "l", {"text": "x"}, index=False)
    assert keys(store.search(("a",))) == ["l", "k"]


@pytest.mark.parametrize(
    ("namespace", "value", "error"),
    [
        (("a",), {"text": "é" * 140_000}, r"a value has 280011 bytes as JSON; the most is 262144"),
        (("a",) * 61, {}, "labels"),
        (("a" * 40_000,), {}, "bytes"),
    ],
)
def test_what_is_too_large_is_refused_before_anything_is_written(
    store: MemtraceStore, namespace: tuple[str, ...], value: dict[str, Any], error: str
) -> None:
    with pytest.raises(ValueError, match=error):
        store.batch([PutOp(("small",), "k", {}), PutOp(namespace, "k", value)])
    assert store.search(()) == []


def test_a_batch_may_be_larger_than_a_request(store: MemtraceStore) -> None:
    large = {"text": "👩" * 60_000, "quotes": '"' * 5_000}
    store.batch([PutOp(("a",), str(number), large) for number in range(20)])
    assert keys(store.search(("a",), limit=20)) == [str(number) for number in range(19, -1, -1)]
    item = store.get(("a",), "7")
    assert item is not None
    assert item.value == large


def test_what_json_cannot_hold_is_refused(store: MemtraceStore) -> None:
    with pytest.raises(TypeError):
        store.put(("a",), "k", {"at": uuid.uuid4()})
    with pytest.raises(ValueError, match="JSON"):
        store.put(("a",), "k", {"n": float("nan")})
    assert store.search(()) == []


# --- faults


def test_a_write_whose_answer_is_lost_is_there_once(
    store: MemtraceStore, wire: Any, threaded: Memtrace, agent_id: str
) -> None:
    wire.once("POST")
    store.put(("a",), "k", {"v": 1})
    assert len(threaded.list_memories(ListOptions(agent_id=agent_id)).memories) == 1


def test_a_superseded_version_that_stays_is_never_read_and_goes_with_the_next_put(
    store: MemtraceStore, wire: Any, threaded: Memtrace, agent_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    def versions() -> list[str]:
        listed = threaded.list_memories(ListOptions(agent_id=agent_id))
        return [memory.content for memory in listed.memories]

    store.put(("a",), "k", {"v": 1})
    wire.refuses = lambda request: request.method == "DELETE"
    store.put(("a",), "k", {"v": 2})
    assert "a superseded version stays for now" in caplog.text
    assert versions() == ['{"v":2}', '{"v":1}']
    assert store.search(("a",), filter={"v": 1}) == []
    assert [item.value for item in store.search(("a",))] == [{"v": 2}]
    wire.refuses = lambda request: False
    store.put(("a",), "k", {"v": 3})
    assert versions() == ['{"v":3}']


def test_a_deletion_whose_answer_is_lost_is_done(store: MemtraceStore, wire: Any) -> None:
    store.put(("a",), "k", {"v": 1})
    wire.once("DELETE")
    store.delete(("a",), "k")
    assert [line.split()[0] for line in wire.seen].count("DELETE") == 2
    assert store.get(("a",), "k") is None


def test_a_deletion_that_fails_is_an_error(store: MemtraceStore, wire: Any) -> None:
    store.put(("a",), "k", {"v": 1})
    wire.loses = lambda request: request.method == "DELETE"
    with pytest.raises(httpx.ReadError):
        store.delete(("a",), "k")


def test_versions_of_two_writers_count_as_one_item(
    store: MemtraceStore, threaded: Memtrace, agent_id: str
) -> None:
    store.put(("a",), "k", {"v": "first"})
    (first,) = threaded.list_memories(ListOptions(agent_id=agent_id)).memories
    about: dict[str, Any] = {"session_id": first.session_id, "tags": first.tags, "metadata": first.metadata}
    threaded.remember(agent_id, '{"v":"second"}', memory_type="entity", event_type="store_item", **about)
    assert [item.value for item in store.search(("a",))] == [{"v": "second"}]
    item = store.get(("a",), "k")
    assert item is not None
    assert item.value == {"v": "second"}
    store.delete(("a",), "k")
    assert store.search(("a",)) == []


def test_what_is_no_item_is_left_out_with_a_warning(
    store: MemtraceStore, threaded: Memtrace, agent_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    threaded.remember(agent_id, "no JSON", memory_type="entity", event_type="store_item")
    assert store.search(()) == []
    assert [
        (r.levelno, r.message.split(":")[0]) for r in caplog.records if r.name == "langgraph_memtrace"
    ] == [(logging.WARNING, "memory left out, it is no item of a store")]


# --- in a graph


async def test_the_async_calls_do_the_same(store: MemtraceStore) -> None:
    await asyncio.gather(*(store.aput(("a",), str(n), {"n": n}) for n in range(5)))
    item = await store.aget(("a",), "3")
    assert item is not None
    assert item.value == {"n": 3}
    assert len(await store.asearch(("a",))) == 5
    await store.adelete(("a",), "3")
    assert sorted(keys(await store.asearch(("a",)))) == ["0", "1", "2", "4"]
    assert await store.alist_namespaces() == [("a",)]


class State(TypedDict):
    user: str
    visits: int


def count(state: State, runtime: Runtime[None]) -> dict[str, Any]:
    assert runtime.store is not None
    before = runtime.store.get(("visits",), state["user"])
    visits = before.value["n"] + 1 if before else 1
    runtime.store.put(("visits",), state["user"], {"n": visits})
    return {"visits": visits}


async def test_a_graph_remembers_from_one_run_to_the_next(store: MemtraceStore) -> None:
    builder = StateGraph(State)
    builder.add_node("count", count)
    builder.add_edge(START, "count")
    builder.add_edge("count", END)
    graph = builder.compile(store=store)
    assert graph.invoke({"user": "ada", "visits": 0})["visits"] == 1
    assert (await graph.ainvoke({"user": "ada", "visits": 0}))["visits"] == 2
