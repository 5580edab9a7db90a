"""What operators do, and the first start."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.apikeys import NewKey, lookup_prefix
from core.hashing import Hasher
from core.ids import new_id
from core.model.errors import AlreadyExists, Conflict, InvalidRequest, MasterKeyError, NotFound
from core.model.memory import OrgId
from core.model.tenant import DEFAULT_ORG, Org, Permission
from core.model.timewindow import moment_of
from core.ports import Backlog
from core.tenants import Tenants
from core.vault import Vault
from tests.clock import ManualClock
from tests.contract.metadata import ACME, OTHER, START, Metadata, sqlite

NOBODY = OrgId("org_nobody")
ARC_KEY = "arc-key-0123456789"
ALL: frozenset[Permission] = frozenset({"read", "write", "admin"})


class FixedLedger:
    """A ledger whose numbers a test writes down."""

    def __init__(self) -> None:
        self.owed: dict[OrgId, tuple[int, int, int]] = {}

    async def backlogs(self) -> list[Backlog]:
        return [Backlog(org, o, d, dead, 0, 0, None) for org, (o, d, dead) in self.owed.items()]


@dataclass
class Office:
    """The tenants service and what it works on."""

    metadata: Metadata
    ledger: FixedLedger
    clock: ManualClock
    hasher: Hasher
    tenants: Tenants

    async def bound(self, org_id: OrgId = ACME, url: str = "https://arc.example") -> None:
        await self.tenants.bind(org_id, url=url, arc_key=ARC_KEY, database="acme")

    async def key(self, name: str = "ci", org_id: OrgId = ACME) -> NewKey:
        return await self.tenants.create_key(org_id, name=name, permissions=frozenset({"read"}))


def office_in(metadata: Metadata, clock: ManualClock, master_key: bytes = bytes(32)) -> Office:
    ledger, hasher = FixedLedger(), Hasher(cost=4)
    tenants = Tenants(
        orgs=metadata.orgs,
        keys=metadata.keys,
        bindings=metadata.bindings,
        ledger=ledger,
        vault=Vault(master_key),
        hasher=hasher,
        clock=clock,
    )
    return Office(metadata, ledger, clock, hasher, tenants)


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


@pytest.mark.parametrize("kind", ["org", "arc", "agent", "sess"])
def test_an_id_says_what_it_is_of(kind: str) -> None:
    assert re.fullmatch(kind + "_[0-9a-f]{24}", new_id(kind))  # type: ignore[arg-type]


async def test_a_new_org_is_stored_under_a_new_id(office: Office) -> None:
    org = await office.tenants.create_org(" Acme GmbH ")
    assert (org.name, org.created_at) == ("Acme GmbH", moment_of(office.clock.micros()))
    assert re.fullmatch("org_[0-9a-f]{24}", org.id)
    assert org in await office.tenants.list_orgs()


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201, "\udcff", "\x1b[31m"])
async def test_a_name_that_cannot_be_printed_is_refused(office: Office, name: str) -> None:
    with pytest.raises(InvalidRequest, match="name must be 1 to 200 characters"):
        await office.tenants.create_org(name)
    with pytest.raises(InvalidRequest, match="name must be 1 to 200 characters"):
        await office.key(name)


async def test_a_deleted_org_is_gone(office: Office) -> None:
    await office.tenants.delete_org(ACME)
    assert [org.id for org in await office.tenants.list_orgs()] == [OTHER]


@pytest.mark.parametrize("deed", ["delete", "bind", "show", "unbind", "key", "keys"])
async def test_an_unknown_org_is_told_so(office: Office, deed: str) -> None:
    deeds: dict[str, Callable[[], Awaitable[object]]] = {
        "delete": lambda: office.tenants.delete_org(NOBODY),
        "bind": lambda: office.bound(NOBODY),
        "show": lambda: office.tenants.show_binding(NOBODY),
        "unbind": lambda: office.tenants.unbind(NOBODY),
        "key": lambda: office.key(org_id=NOBODY),
        "keys": lambda: office.tenants.list_keys(NOBODY),
    }
    with pytest.raises(NotFound, match="not found"):
        await deeds[deed]()


async def test_a_binding_is_shown_with_its_key_masked(office: Office) -> None:
    await office.bound()
    shown = await office.tenants.show_binding(ACME)
    assert (shown.org_id, shown.url, shown.database, shown.measurement) == (
        ACME,
        "https://arc.example",
        "acme",
        "events",
    )
    assert (shown.masked_key, shown.created_at) == ("arc-...6789", moment_of(office.clock.micros()))
    assert shown.id.startswith("arc_")


async def test_an_arc_key_is_stored_sealed(office: Office) -> None:
    await office.bound()
    sealed = await office.metadata.bindings.find_binding(ACME)
    assert sealed is not None
    assert ARC_KEY.encode() not in sealed.cipher
    assert Vault(bytes(32)).binding(sealed).arc_key == ARC_KEY


async def test_a_folder_needs_no_key(office: Office) -> None:
    shown = await office.tenants.bind(ACME, url="file:///data/store", database="memory")
    assert (shown.url, shown.masked_key) == ("file:/data/store", "")


async def test_binding_again_replaces_the_binding(office: Office) -> None:
    await office.bound()
    first = await office.tenants.show_binding(ACME)
    await office.bound(url="file:/store")
    second = await office.tenants.show_binding(ACME)
    assert second.url == "file:/store"
    assert second.id != first.id


@pytest.mark.parametrize(
    ("field", "value"),
    [("url", "arc.example"), ("database", "1"), ("measurement", "pg_x"), ("arc_key", "a b")],
)
async def test_a_binding_that_cannot_be_is_refused(office: Office, field: str, value: str) -> None:
    given = {"url": "https://arc.example", "database": "acme", "measurement": "events", "arc_key": ARC_KEY}
    with pytest.raises(InvalidRequest):
        await office.tenants.bind(ACME, **{**given, field: value})
    assert await office.metadata.bindings.list_bindings() == []


async def test_an_org_without_binding_has_none_to_show_or_to_remove(office: Office) -> None:
    for deed in (office.tenants.show_binding, office.tenants.unbind):
        with pytest.raises(NotFound, match="org_acme has no arc instance"):
            await deed(ACME)


async def test_a_binding_that_owes_nothing_is_removed(office: Office) -> None:
    await office.bound()
    office.ledger.owed = {OTHER: (5, 5, 5), ACME: (0, 0, 3)}
    await office.tenants.unbind(ACME)
    assert await office.metadata.bindings.find_binding(ACME) is None


async def test_a_binding_that_owes_stays_and_says_how_much(office: Office) -> None:
    await office.bound()
    office.ledger.owed = {ACME: (2, 3, 0)}
    with pytest.raises(Conflict, match="5 memories of org_acme") as caught:
        await office.tenants.unbind(ACME)
    assert "--force" in (caught.value.hint or "")
    assert await office.metadata.bindings.find_binding(ACME) is not None


async def test_force_removes_a_binding_that_owes(office: Office) -> None:
    await office.bound()
    office.ledger.owed = {ACME: (2, 3, 0)}
    await office.tenants.unbind(ACME, force=True)
    assert await office.metadata.bindings.find_binding(ACME) is None


async def test_a_new_key_is_told_once_and_stored_hashed(office: Office) -> None:
    expires = moment_of(office.clock.micros() + 10**9)
    made = await office.tenants.create_key(ACME, name="ci", permissions=ALL, expires_at=expires)
    (stored,) = await office.tenants.list_keys(ACME)
    assert stored == made.key
    assert (stored.name, stored.permissions, stored.expires_at) == ("ci", ALL, expires)
    assert stored.prefix == lookup_prefix(made.plain)
    assert await office.hasher.matches(made.plain, stored.hash)
    assert made.plain not in repr(stored)


async def test_a_key_name_is_taken_once_an_org(office: Office) -> None:
    await office.key("ci")
    await office.key("ci", OTHER)
    with pytest.raises(AlreadyExists, match="key 'ci' already exists"):
        await office.key("ci")


async def test_a_revoked_key_is_listed_disabled(office: Office) -> None:
    made = await office.key()
    await office.tenants.revoke_key(made.key.id)
    await office.tenants.revoke_key(made.key.id)
    assert [key.enabled for key in await office.tenants.list_keys(ACME)] == [False]


async def test_an_unknown_key_is_told_so(office: Office) -> None:
    with pytest.raises(NotFound, match="no API key has the id 99"):
        await office.tenants.revoke_key(99)


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


async def test_the_right_master_key_opens_everything(office: Office) -> None:
    await office.bound()
    await office.bound(OTHER)
    await office.tenants.check_master_key()


async def test_the_wrong_master_key_is_refused_naming_the_org(office: Office) -> None:
    await office.bound(OTHER)
    wrong = office_in(office.metadata, office.clock, master_key=bytes(31) + b"\x01")
    with pytest.raises(MasterKeyError, match="org_other") as caught:
        await wrong.tenants.check_master_key()
    wrong.hasher.close()
    assert ARC_KEY not in str(caught.value)
