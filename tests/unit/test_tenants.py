"""What operators do."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from core.apikeys import lookup_prefix
from core.ids import new_id
from core.model.errors import AlreadyExists, Conflict, InvalidRequest, MasterKeyError, NotFound
from core.model.memory import OrgId
from core.model.timewindow import moment_of
from core.vault import Vault
from tests.clock import ManualClock
from tests.contract.metadata import ACME, OTHER, Metadata, sqlite
from tests.unit.office import ALL, ARC_KEY, Office, office_in

NOBODY = OrgId("org_nobody")


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Metadata]:
    with sqlite(tmp_path) as metadata:
        yield metadata


@pytest.fixture
async def office(empty: Metadata, clock: ManualClock) -> AsyncIterator[Office]:
    office = office_in(await empty.with_orgs(), clock)
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


async def test_an_admin_key_is_given_shown_masked_and_taken_away(office: Office) -> None:
    await office.bound()
    assert (await office.tenants.show_binding(ACME)).masked_admin_key == ""
    shown = await office.tenants.set_admin_key(ACME, "admin-key-0123456789")
    assert (shown.masked_admin_key, shown.masked_key) == ("admi...6789", "arc-...6789")
    sealed = await office.metadata.bindings.find_binding(ACME)
    assert sealed is not None
    assert Vault(bytes(32)).admin_key(sealed) == "admin-key-0123456789"
    assert (await office.tenants.set_admin_key(ACME, "")).masked_admin_key == ""


async def test_an_admin_key_of_no_binding_or_of_no_form_is_refused(office: Office) -> None:
    with pytest.raises(NotFound, match="has no arc instance"):
        await office.tenants.set_admin_key(ACME, "admin-key-0123456789")
    with pytest.raises(InvalidRequest, match="admin_key must be"):
        await office.tenants.set_admin_key(ACME, "two words")


async def test_an_admin_key_for_a_folder_is_refused_and_none_is_not(office: Office, tmp_path: Path) -> None:
    url = f"file:{tmp_path}/store"
    with pytest.raises(InvalidRequest, match="admin_key is for an Arc"):
        await office.tenants.bind(ACME, url=url, database="memory", admin_key="admin-key-0123456789")
    await office.tenants.bind(ACME, url=url, database="memory")
    with pytest.raises(InvalidRequest, match="admin_key is for an Arc"):
        await office.tenants.set_admin_key(ACME, "admin-key-0123456789")
    assert (await office.tenants.set_admin_key(ACME, "")).masked_admin_key == ""


async def test_an_admin_key_that_does_not_open_refuses_the_start(office: Office) -> None:
    await office.bound()
    await office.metadata.bindings.set_admin_key(ACME, b"garbage", b"123456789012")
    with pytest.raises(MasterKeyError, match="admin key"):
        await office.tenants.check_master_key()


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
