"""What every `OrgStore` promises."""

import asyncio

import pytest

from core.model.errors import AlreadyExists
from core.model.memory import OrgId
from core.model.org_settings import NO_SETTINGS, OrgSettings, RateSettings
from core.model.tenant import Org, SealedBinding
from core.model.work import Agent, Session
from core.ports import IdempotencyKey, StoreHealth
from tests.contract.metadata import ACME, OTHER, START, Metadata, later

REPEATED = IdempotencyKey(b"k" * 16, b"b" * 16)


async def test_an_org_is_found_as_it_was_created(metadata: Metadata) -> None:
    org = Org(OrgId("org_new"), "Büro für Merkwürdiges", later(1))
    await metadata.orgs.create_org(org)
    assert await metadata.orgs.find_org(org.id) == org


async def test_an_unknown_org_is_none(metadata: Metadata) -> None:
    assert await metadata.orgs.find_org(OrgId("org_nobody")) is None


async def test_an_org_id_is_given_once(metadata: Metadata) -> None:
    with pytest.raises(AlreadyExists, match="org_acme"):
        await metadata.orgs.create_org(Org(ACME, "another name", START))


async def test_two_orgs_may_share_a_name(metadata: Metadata) -> None:
    await metadata.orgs.create_org(Org(OrgId("org_twin"), str(ACME), later(1)))
    assert len(await metadata.orgs.list_orgs()) == 3


async def test_orgs_are_listed_oldest_first(metadata: Metadata) -> None:
    await metadata.orgs.create_org(Org(OrgId("org_a_elder"), "elder", later(-5)))
    assert [org.id for org in await metadata.orgs.list_orgs()] == ["org_a_elder", ACME, OTHER]


async def test_an_org_has_no_settings_until_some_are_given(metadata: Metadata) -> None:
    org = await metadata.orgs.find_org(ACME)
    assert org is not None
    assert org.settings == NO_SETTINGS


async def test_an_org_may_be_created_with_settings(metadata: Metadata) -> None:
    settings = OrgSettings(retention_days=30, rates=RateSettings(memories_per_second=2.5))
    org = Org(OrgId("org_new"), "new", later(1), settings)
    await metadata.orgs.create_org(org)
    assert org in await metadata.orgs.list_orgs()


async def test_changed_settings_are_merged_into_those_there_are(metadata: Metadata) -> None:
    await metadata.orgs.update_org_settings(ACME, {"retention_days": 90})
    settings = await metadata.orgs.update_org_settings(ACME, {"burst_seconds": 2})
    assert settings == OrgSettings(retention_days=90, rates=RateSettings(burst_seconds=2))
    org = await metadata.orgs.find_org(ACME)
    assert org is not None
    assert org.settings == settings


async def test_a_setting_can_be_taken_away(metadata: Metadata) -> None:
    await metadata.orgs.update_org_settings(ACME, {"retention_days": 90, "burst_seconds": 2})
    assert await metadata.orgs.update_org_settings(ACME, {"burst_seconds": None}) == OrgSettings(
        retention_days=90
    )


async def test_settings_are_of_one_org(metadata: Metadata) -> None:
    await metadata.orgs.update_org_settings(ACME, {"retention_days": 90})
    other = await metadata.orgs.find_org(OTHER)
    assert other is not None
    assert other.settings == NO_SETTINGS


async def test_settings_of_an_unknown_org_are_not_changed(metadata: Metadata) -> None:
    assert await metadata.orgs.update_org_settings(OrgId("org_nobody"), {"retention_days": 1}) is None
    assert len(await metadata.orgs.list_orgs()) == 2


async def test_settings_changed_at_once_are_all_kept(metadata: Metadata) -> None:
    rates = ("requests_per_second", "memories_per_second", "key_requests_per_second")
    await asyncio.gather(*(metadata.orgs.update_org_settings(ACME, {name: 5}) for name in rates))
    org = await metadata.orgs.find_org(ACME)
    assert org is not None
    assert org.settings.members() == dict.fromkeys(rates, 5)


async def test_deleting_an_unknown_org_says_so(metadata: Metadata) -> None:
    assert not await metadata.orgs.delete_org(OrgId("org_nobody"))


async def test_a_deleted_org_takes_all_that_is_its_own_and_nothing_else(metadata: Metadata) -> None:
    for org_id in (ACME, OTHER):
        await _furnish(metadata, org_id)
    assert await metadata.orgs.delete_org(ACME)
    assert await _furniture(metadata, ACME) == []
    assert await _furniture(metadata, OTHER) == [
        "org",
        "key",
        "binding",
        "agent",
        "session",
        "reply",
        "health",
    ]


async def _furnish(metadata: Metadata, org_id: OrgId) -> None:
    await metadata.keys.create_key(org_id, "key", f"prefix-{org_id}", "h", frozenset({"read"}), None, START)
    await metadata.bindings.put_binding(
        SealedBinding(f"arc_{org_id}", org_id, "file:/s", "db", "events", 1, b"c", b"n")
    )
    await metadata.agents.create_agent(Agent(f"agent_{org_id}", org_id, "a", "", {}, START))
    await metadata.sessions.create_session(Session(f"sess_{org_id}", org_id, "a", "active", {}, START, START))
    await metadata.replies.keep_reply(org_id, REPEATED, 100, 201, b"{}")
    await metadata.health.post_health([StoreHealth(org_id, True, 1)])


async def _furniture(metadata: Metadata, org_id: OrgId) -> list[str]:
    there = {
        "org": await metadata.orgs.find_org(org_id),
        "key": await metadata.keys.list_keys(org_id),
        "binding": await metadata.bindings.find_binding(org_id),
        "agent": await metadata.agents.list_agents(org_id, 10, None),
        "session": await metadata.sessions.list_sessions(org_id, None, None, 10, None),
        "reply": await metadata.replies.begin_reply(org_id, REPEATED, 101, 0),
        "health": [h for h in await metadata.health.read_health() if h.org_id == org_id],
    }
    return [name for name, thing in there.items() if thing]
