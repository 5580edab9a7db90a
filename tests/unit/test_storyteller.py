"""A session's context as a service: what is asked of the read road and what is answered."""

from core.storyteller import Storyteller
from tests.unit.fakes import World, memory, ordered, principal

NOW = 1_780_000_000_000_000


def told(world: World) -> Storyteller:
    return Storyteller(recall=world.recall)


async def test_a_context_holds_the_sessions_memories_of_tail_and_store() -> None:
    world = World()
    world.store.rows = [memory(NOW - 9, content="settled")]
    world.journal.settled_through = NOW - 9
    world.journal.rows = [memory(NOW, content="fresh"), memory(NOW - 1, session_id="other", content="no")]
    answer = await told(world).context(principal(), "sess", since=NOW - 100)
    assert [line.split(": ")[1] for line in answer.context.splitlines() if line.startswith("- ")] == [
        "fresh",
        "settled",
    ]
    assert (answer.session_id, answer.memory_count, answer.truncated, answer.omitted) == ("sess", 2, False, 0)
    assert world.metrics.counts == {("memtrace_queries_total", "context"): 1}


async def test_types_and_since_narrow_a_context() -> None:
    world = World()
    world.journal.rows = [
        memory(NOW, memory_type="decision", content="yes"),
        memory(NOW - 1, content="no"),
        memory(NOW - 99, memory_type="decision", content="old"),
    ]
    answer = await told(world).context(principal(), "sess", since=NOW - 50, include_types=["decision"])
    assert answer.memory_count == 1
    assert "yes" in answer.context


async def test_no_or_zero_tokens_mean_no_budget() -> None:
    world = World()
    world.journal.rows = [memory(NOW, content="word " * 100)]
    without = await told(world).context(principal(), "sess", since=None)
    assert await told(world).context(principal(), "sess", since=None, max_tokens=0) == without
    assert without.context.endswith("...\n")


async def test_a_budget_is_honoured_and_a_huge_one_bounded() -> None:
    world = World()
    world.journal.rows = [memory(NOW, content="word " * 100)]
    small = await told(world).context(principal(), "sess", since=None, max_tokens=70)
    huge = await told(world).context(principal(), "sess", since=None, max_tokens=10**12)
    assert small.tokens <= 70
    assert small.truncated
    assert not huge.truncated


async def test_more_memories_than_are_considered_are_told_of() -> None:
    world = World()
    world.journal.rows = ordered([memory(NOW + n) for n in range(1005)], "asc")
    answer = await told(world).context(principal(), "sess", since=None, max_tokens=1_000_000)
    assert (answer.memory_count, answer.omitted, answer.truncated) == (1000, 0, True)
