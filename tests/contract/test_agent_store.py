"""What every `AgentStore` promises."""

from typing import Any

import pytest

from core.model.errors import AlreadyExists, NotFound
from core.model.memory import OrgId
from core.model.timewindow import micros_of
from core.model.work import Agent
from tests.contract.metadata import ACME, OTHER, Metadata, later


def _agent(number: int, *, name: str = "", org_id: OrgId = ACME, age: float = 0, **config: Any) -> Agent:
    return Agent(f"agent_{number}", org_id, name or f"name-{number}", "walks sites", config, later(age))


async def test_an_agent_is_found_by_its_id_as_it_was_created(metadata: Metadata) -> None:
    agent = _agent(1, depth=2, words=["ä", None], nested={"a": 1.5})
    await metadata.agents.create_agent(agent)
    assert await metadata.agents.find_agent(ACME, "agent_1") == agent


async def test_an_agent_is_found_by_its_name(metadata: Metadata) -> None:
    await metadata.agents.create_agent(_agent(1, name="crawler"))
    found = await metadata.agents.find_agent(ACME, "crawler")
    assert found is not None
    assert found.id == "agent_1"


async def test_an_id_wins_over_another_agents_name(metadata: Metadata) -> None:
    await metadata.agents.create_agent(_agent(1, name="agent_2"))
    await metadata.agents.create_agent(_agent(2))
    found = await metadata.agents.find_agent(ACME, "agent_2")
    assert found is not None
    assert found.id == "agent_2"


async def test_a_name_is_unique_in_its_org(metadata: Metadata) -> None:
    await metadata.agents.create_agent(_agent(1, name="crawler"))
    with pytest.raises(AlreadyExists) as caught:
        await metadata.agents.create_agent(_agent(2, name="crawler"))
    assert caught.value.message == "agent 'crawler' already exists in this organization"


async def test_two_orgs_may_use_the_same_name(metadata: Metadata) -> None:
    await metadata.agents.create_agent(_agent(1, name="crawler"))
    await metadata.agents.create_agent(_agent(2, name="crawler", org_id=OTHER))
    assert len(await metadata.agents.list_agents(OTHER, 10, None)) == 1


async def test_an_agent_needs_an_org(metadata: Metadata) -> None:
    with pytest.raises(NotFound, match="organization not found"):
        await metadata.agents.create_agent(_agent(1, org_id=OrgId("org_nobody")))


async def test_another_orgs_agent_is_never_found_listed_or_deleted(metadata: Metadata) -> None:
    await metadata.agents.create_agent(_agent(1))
    assert await metadata.agents.find_agent(OTHER, "agent_1") is None
    assert await metadata.agents.list_agents(OTHER, 10, None) == []
    assert not await metadata.agents.delete_agent(OTHER, "agent_1")
    assert await metadata.agents.find_agent(ACME, "agent_1") is not None


async def test_agents_are_listed_newest_first_and_by_id_where_equally_old(metadata: Metadata) -> None:
    for agent in (_agent(1), _agent(3), _agent(2), _agent(4, age=-1), _agent(5, age=1)):
        await metadata.agents.create_agent(agent)
    listed = await metadata.agents.list_agents(ACME, 10, None)
    assert [agent.id for agent in listed] == ["agent_5", "agent_3", "agent_2", "agent_1", "agent_4"]


async def test_pages_neither_repeat_nor_skip(metadata: Metadata) -> None:
    for number in range(7):
        await metadata.agents.create_agent(_agent(number, age=number // 3))
    seen: list[str] = []
    after = None
    while page := await metadata.agents.list_agents(ACME, 2, after):
        seen += [agent.id for agent in page]
        after = (page[-1].created_at, page[-1].id)
    assert seen == [f"agent_{number}" for number in reversed(range(7))]


@pytest.mark.parametrize("who", ["agent_1", "name-1"])
async def test_an_agent_is_deleted_by_id_or_name(metadata: Metadata, who: str) -> None:
    await metadata.agents.create_agent(_agent(1))
    await metadata.agents.create_agent(_agent(2))
    assert await metadata.agents.delete_agent(ACME, who)
    assert [agent.id for agent in await metadata.agents.list_agents(ACME, 10, None)] == ["agent_2"]


async def test_deleting_by_a_shared_word_takes_the_agent_of_that_id_only(metadata: Metadata) -> None:
    await metadata.agents.create_agent(_agent(1, name="agent_2"))
    await metadata.agents.create_agent(_agent(2))
    await metadata.agents.delete_agent(ACME, "agent_2")
    assert [agent.id for agent in await metadata.agents.list_agents(ACME, 10, None)] == ["agent_1"]


async def test_deleting_an_unknown_agent_says_so(metadata: Metadata) -> None:
    assert not await metadata.agents.delete_agent(ACME, "nobody")


async def test_activity_is_noted_by_name_and_by_id_and_only_grows(metadata: Metadata) -> None:
    for number in (1, 2, 3):
        await metadata.agents.create_agent(_agent(number))
    early, late = micros_of(later(10)), micros_of(later(20))
    await metadata.agents.touch_agents(ACME, {"agent_1": late, "name-2": early, "unregistered": late})
    await metadata.agents.touch_agents(ACME, {"agent_1": early, "agent_2": late})
    listed = await metadata.agents.list_agents(ACME, 10, None)
    assert [agent.last_active_at for agent in listed] == [None, later(20), later(20)]


async def test_activity_of_one_org_is_not_anothers(metadata: Metadata) -> None:
    await metadata.agents.create_agent(_agent(1))
    await metadata.agents.touch_agents(OTHER, {"agent_1": micros_of(later(1))})
    found = await metadata.agents.find_agent(ACME, "agent_1")
    assert found is not None
    assert found.last_active_at is None
