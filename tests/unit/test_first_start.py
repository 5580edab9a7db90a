"""The first start, and what an earlier version left."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from core.model.memory import OrgId
from core.model.tenant import DEFAULT_ORG, Org
from tests.clock import ManualClock
from tests.contract.metadata import START, Metadata, sqlite
from tests.unit.office import ALL, ARC_KEY, Office, office_in


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Metadata]:
    with sqlite(tmp_path) as metadata:
        yield metadata


@pytest.fixture
async def office(empty: Metadata, clock: ManualClock) -> AsyncIterator[Office]:
    office = office_in(await empty.with_orgs(), clock)
    yield office
    office.hasher.close()


@pytest.fixture
async def new_office(empty: Metadata, clock: ManualClock) -> AsyncIterator[Office]:
    """Before the first start: no org at all."""
    office = office_in(empty, clock)
    yield office
    office.hasher.close()


async def test_the_first_start_makes_an_org_and_its_admin_key(new_office: Office) -> None:
    made = await new_office.tenants.bootstrap_default()
    assert made is not None
    assert (made.key.org_id, made.key.name, made.key.permissions) == (DEFAULT_ORG, "admin", ALL)
    assert [(org.id, org.name) for org in await new_office.tenants.list_orgs()] == [(DEFAULT_ORG, "Default")]


async def test_a_later_start_makes_nothing(new_office: Office) -> None:
    made = await new_office.tenants.bootstrap_default()
    assert made is not None
    await new_office.tenants.revoke_key(made.key.id)
    assert await new_office.tenants.bootstrap_default() is None


async def test_a_start_beside_other_orgs_makes_nothing(office: Office) -> None:
    assert await office.tenants.bootstrap_default() is None
    assert DEFAULT_ORG not in [org.id for org in await office.tenants.list_orgs()]


async def test_a_first_start_that_was_cut_short_is_ended_by_the_next(new_office: Office) -> None:
    await new_office.metadata.orgs.create_org(Org(DEFAULT_ORG, "Default", START))
    assert await new_office.tenants.bootstrap_default() is not None


async def test_of_two_first_starts_one_tells_the_key(new_office: Office) -> None:
    assert await new_office.tenants.bootstrap_default() is not None
    keys = new_office.metadata.keys
    late = office_in(Metadata(**{**vars(new_office.metadata), "keys": _BlindToKeys(keys)}), new_office.clock)
    assert await late.tenants.bootstrap_default() is None
    late.hasher.close()


class _BlindToKeys:
    """What a process sees that looked just before the other one wrote."""

    def __init__(self, keys: object) -> None:
        self._keys = keys

    async def list_keys(self, org_id: OrgId) -> list[object]:
        return []

    def __getattr__(self, name: str) -> object:
        return getattr(self._keys, name)


class _BlindToOrgs:
    """Likewise, for orgs."""

    def __init__(self, orgs: object) -> None:
        self._orgs = orgs

    async def find_org(self, org_id: OrgId) -> None:
        return None

    def __getattr__(self, name: str) -> object:
        return getattr(self._orgs, name)


async def test_of_two_that_make_the_default_org_both_find_it(new_office: Office) -> None:
    await new_office.tenants.ensure_default_org()
    late = office_in(
        Metadata(**{**vars(new_office.metadata), "orgs": _BlindToOrgs(new_office.metadata.orgs)}),
        new_office.clock,
    )
    await late.tenants.ensure_default_org()
    late.hasher.close()
    assert len(await new_office.tenants.list_orgs()) == 1


async def test_an_arc_block_becomes_the_default_orgs_binding_once(new_office: Office) -> None:
    block = {"url": "http://arc.example", "arc_key": ARC_KEY, "database": "memory", "measurement": "events"}
    assert await new_office.tenants.adopt_arc_block(**block)
    shown = await new_office.tenants.show_binding(DEFAULT_ORG)
    assert (shown.id, shown.url, shown.database) == ("arc_default", "http://arc.example", "memory")
    assert not await new_office.tenants.adopt_arc_block(**block)


async def test_an_arc_block_beside_any_binding_is_left_alone(office: Office) -> None:
    await office.bound()
    assert not await office.tenants.adopt_arc_block(
        url="http://arc.example", arc_key=ARC_KEY, database="memory", measurement="events"
    )
