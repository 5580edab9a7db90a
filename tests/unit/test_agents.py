"""Agents, and what they did."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.agents import Agents
from core.ids import Attempt
from core.model.errors import AlreadyExists, NoArcInstance, NotFound
from core.model.memory import MemoryFilter, Micros, Tally
from core.model.tenant import Principal
from core.model.timewindow import moment_of
from core.model.work import Session
from tests.clock import ManualClock
from tests.contract.metadata import ACME, OTHER, START, Metadata, sqlite
from tests.unit.fakes import principal

DAY = 86_400_000_000
CALLER = principal(org_id=ACME)


class FixedTallies:
    """Counts that a test writes down; remembers what was asked."""

    def __init__(self) -> None:
        self.tally_of_all = Tally()
        self.asked: list[tuple[str, MemoryFilter, Micros]] = []
        self.error: Exception | None = None

    async def tally(self, principal: Principal, filter: MemoryFilter, recent_since: Micros) -> Tally:
        self.asked.append((principal.org_id, filter, recent_since))
        if self.error:
            raise self.error
        return self.tally_of_all


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Metadata]:
    with sqlite(tmp_path) as metadata:
        yield metadata


@pytest.fixture
def tallies() -> FixedTallies:
    return FixedTallies()


@pytest.fixture
async def agents(files: Metadata, tallies: FixedTallies, clock: ManualClock) -> Agents:
    await files.with_orgs()
    return Agents(agents=files.agents, sessions=files.sessions, tallies=tallies, clock=clock)


async def test_a_registered_agent_is_found_by_id_and_name(agents: Agents, clock: ManualClock) -> None:
    agent = await agents.register(ACME, "crawler", "walks sites", {"depth": 2})
    assert re.fullmatch("agent_[0-9a-f]{24}", agent.id)
    assert (agent.created_at, agent.last_active_at) == (moment_of(clock.micros()), None)
    assert await agents.find(ACME, agent.id) == agent
    assert await agents.find(ACME, "crawler") == agent


async def test_a_name_that_is_taken_is_told_so(agents: Agents) -> None:
    await agents.register(ACME, "crawler", "", {})
    with pytest.raises(AlreadyExists) as caught:
        await agents.register(ACME, "crawler", "", {})
    assert caught.value.message == "agent 'crawler' already exists in this organization"


async def test_an_unknown_agent_is_not_found(agents: Agents) -> None:
    await agents.register(OTHER, "crawler", "", {})
    with pytest.raises(NotFound, match="agent not found"):
        await agents.find(ACME, "crawler")
    with pytest.raises(NotFound, match="agent not found"):
        await agents.delete(ACME, "crawler")


async def test_a_deleted_agent_is_gone_and_its_sessions_stay(agents: Agents, files: Metadata) -> None:
    agent = await agents.register(ACME, "crawler", "", {})
    await files.sessions.create_session(Session("sess_1", ACME, agent.id, "active", {}, START, START))
    await agents.delete(ACME, "crawler")
    assert await agents.list(ACME, 10, None) == ([], None)
    assert await files.sessions.find_session(ACME, "sess_1") is not None


async def test_pages_end_exactly(agents: Agents, clock: ManualClock) -> None:
    registered = []
    for number in range(4):
        registered.append(await agents.register(ACME, f"a{number}", "", {}))
        clock.advance(1)
    newest, after = await agents.list(ACME, 2, None)
    rest, end = await agents.list(ACME, 2, after)
    assert newest + rest == registered[::-1]
    assert end is None


async def test_a_registered_agent_goes_by_its_id_and_its_name(agents: Agents) -> None:
    agent = await agents.register(ACME, "crawler", "", {})
    assert await agents.names(ACME, "crawler") == (agent.id, "crawler")
    assert await agents.names(ACME, agent.id) == (agent.id, "crawler")


async def test_an_unregistered_agent_goes_by_what_was_given(agents: Agents) -> None:
    assert await agents.names(ACME, "nobody") == ("nobody",)


async def test_stats_count_what_was_done_under_both_names(
    agents: Agents, tallies: FixedTallies, files: Metadata, clock: ManualClock
) -> None:
    agent = await agents.register(ACME, "crawler", "", {})
    for number, name in enumerate(("crawler", agent.id, "other")):
        session = Session(f"sess_{number}", ACME, name, "active", {}, START, START)
        await files.sessions.create_session(session)
    await files.sessions.update_session(ACME, "sess_0", "closed", None, START)
    seen = clock.micros() - 5
    tallies.tally_of_all = Tally(
        total=7, by_type={"episodic": 6, "decision": 1}, recent=3, recent_errors=2, last=seen
    )
    stats = await agents.stats(CALLER, "crawler")
    assert stats.agent_id == agent.id
    assert (stats.memory_count, stats.memories_24h, stats.errors_24h) == (7, 3, 2)
    assert (stats.session_count, stats.active_sessions) == (2, 1)
    assert stats.memory_types == {"episodic": 6, "decision": 1}
    assert stats.last_active_at == moment_of(seen)
    asked = MemoryFilter(agent_ids=(agent.id, "crawler"))
    assert tallies.asked == [(ACME, asked, clock.micros() - DAY)]


async def test_an_unregistered_agent_has_stats(agents: Agents, tallies: FixedTallies) -> None:
    stats = await agents.stats(CALLER, "nobody")
    assert (stats.agent_id, stats.memory_count, stats.session_count) == ("nobody", 0, 0)
    assert stats.last_active_at is None
    assert tallies.asked[0][1] == MemoryFilter(agent_ids=("nobody",))


@pytest.mark.parametrize(("noted", "counted"), [(20, 10), (10, 20), (20, 0)])
async def test_the_latest_sign_of_life_counts(
    agents: Agents, tallies: FixedTallies, files: Metadata, noted: int, counted: int
) -> None:
    agent = await agents.register(ACME, "crawler", "", {})
    await files.agents.touch_agents(ACME, {agent.id: noted})
    tallies.tally_of_all = Tally(last=counted)
    assert (await agents.stats(CALLER, "crawler")).last_active_at == moment_of(20)


async def test_a_count_that_fails_fails_the_stats(agents: Agents, tallies: FixedTallies) -> None:
    tallies.error = NoArcInstance()
    with pytest.raises(NoArcInstance):
        await agents.stats(CALLER, "crawler")


async def test_an_attempt_registers_one_agent_however_often_it_is_repeated(agents: Agents) -> None:
    first = await agents.register(ACME, "crawler", "", {}, Attempt(b"token", 0))
    assert await agents.register(ACME, "crawler", "", {}, Attempt(b"token", 0)) == first
    with pytest.raises(AlreadyExists):
        await agents.register(ACME, "crawler", "", {}, Attempt(b"other", 0))
