"""What every `BindingStore` promises."""

import dataclasses

import pytest

from core.model.errors import NotFound
from core.model.memory import OrgId
from core.model.tenant import SealedBinding
from core.ports import StoreHealth
from tests.contract.metadata import ACME, OTHER, Metadata

BINDING = SealedBinding(
    id="arc_1",
    org_id=ACME,
    url="https://arc.example",
    database="acme",
    measurement="events",
    created=1_780_000_000_123_456,
    cipher=b"\x00cipher\xff",
    nonce=b"nonce-of-12b",
)


async def test_a_binding_is_found_as_it_was_put(metadata: Metadata) -> None:
    await metadata.bindings.put_binding(BINDING)
    assert await metadata.bindings.find_binding(ACME) == BINDING


async def test_an_org_without_binding_has_none(metadata: Metadata) -> None:
    assert await metadata.bindings.find_binding(OTHER) is None


async def test_a_second_binding_replaces_the_first(metadata: Metadata) -> None:
    await metadata.bindings.put_binding(BINDING)
    second = dataclasses.replace(BINDING, id="arc_2", url="file:/store", created=BINDING.created + 1)
    await metadata.bindings.put_binding(second)
    assert await metadata.bindings.list_bindings() == [second]


async def test_a_binding_needs_an_org(metadata: Metadata) -> None:
    with pytest.raises(NotFound, match="organization not found"):
        await metadata.bindings.put_binding(dataclasses.replace(BINDING, org_id=OrgId("org_nobody")))


async def test_a_removed_binding_is_gone(metadata: Metadata) -> None:
    await metadata.bindings.put_binding(BINDING)
    assert await metadata.bindings.remove_binding(ACME)
    assert await metadata.bindings.list_bindings() == []


async def test_removing_no_binding_says_so(metadata: Metadata) -> None:
    assert not await metadata.bindings.remove_binding(ACME)


@pytest.mark.parametrize("change", ["put", "remove"])
async def test_what_was_seen_of_the_old_store_goes_with_it(metadata: Metadata, change: str) -> None:
    await metadata.bindings.put_binding(BINDING)
    await metadata.health.post_health([StoreHealth(ACME, False, 1), StoreHealth(OTHER, True, 1)])
    if change == "put":
        await metadata.bindings.put_binding(BINDING)
    else:
        await metadata.bindings.remove_binding(ACME)
    assert [health.org_id for health in await metadata.health.read_health()] == [OTHER]


def test_a_sealed_binding_shows_neither_ciphertext_nor_nonce() -> None:
    assert "cipher" not in repr(BINDING)
    assert "nonce" not in repr(BINDING)


async def test_an_admin_key_comes_and_goes_without_a_new_binding(metadata: Metadata) -> None:
    await metadata.bindings.put_binding(BINDING)
    assert await metadata.bindings.set_admin_key(ACME, b"sealed", b"nonce")
    with_key = dataclasses.replace(BINDING, admin_cipher=b"sealed", admin_nonce=b"nonce")
    assert await metadata.bindings.find_binding(ACME) == with_key
    assert await metadata.bindings.set_admin_key(ACME, b"", b"")
    assert await metadata.bindings.list_bindings() == [BINDING]
    assert not await metadata.bindings.set_admin_key(OTHER, b"sealed", b"nonce")


async def test_a_new_binding_does_not_inherit_the_admin_key(metadata: Metadata) -> None:
    await metadata.bindings.put_binding(
        dataclasses.replace(BINDING, admin_cipher=b"sealed", admin_nonce=b"nonce")
    )
    second = dataclasses.replace(BINDING, id="arc_2")
    await metadata.bindings.put_binding(second)
    assert await metadata.bindings.find_binding(ACME) == second


RESEALED = dataclasses.replace(
    BINDING, cipher=b"new", nonce=b"new nonce-12", admin_cipher=b"a", admin_nonce=b"n"
)


async def test_resealing_changes_the_sealed_keys_and_nothing_else(metadata: Metadata) -> None:
    await metadata.bindings.put_binding(BINDING)
    new = dataclasses.replace(RESEALED, url="https://elsewhere.example", database="theirs")
    assert await metadata.bindings.reseal_binding(BINDING, new)
    assert await metadata.bindings.find_binding(ACME) == RESEALED
    assert await metadata.bindings.reseal_binding(RESEALED, BINDING)
    assert await metadata.bindings.find_binding(ACME) == BINDING


@pytest.mark.parametrize("field", ["id", "cipher", "nonce", "admin_cipher", "admin_nonce"])
async def test_what_changed_meanwhile_is_not_resealed(metadata: Metadata, field: str) -> None:
    read = dataclasses.replace(BINDING, admin_cipher=b"admin", admin_nonce=b"other nonce.")
    other = "arc_2" if field == "id" else b"of another"
    now = dataclasses.replace(read, **{field: other})  # type: ignore[arg-type]
    await metadata.bindings.put_binding(now)
    assert not await metadata.bindings.reseal_binding(read, RESEALED)
    assert await metadata.bindings.find_binding(ACME) == now


async def test_a_binding_that_is_gone_is_not_resealed(metadata: Metadata) -> None:
    assert not await metadata.bindings.reseal_binding(BINDING, RESEALED)
    assert await metadata.bindings.list_bindings() == []


async def test_an_admin_key_set_meanwhile_is_not_resealed_away(metadata: Metadata) -> None:
    await metadata.bindings.put_binding(BINDING)
    await metadata.bindings.set_admin_key(ACME, b"sealed", b"nonce")
    assert not await metadata.bindings.reseal_binding(BINDING, RESEALED)


async def test_resealing_leaves_what_was_seen_of_the_store(metadata: Metadata) -> None:
    await metadata.bindings.put_binding(BINDING)
    await metadata.health.post_health([StoreHealth(ACME, False, 1)])
    assert await metadata.bindings.reseal_binding(BINDING, RESEALED)
    assert [one.org_id for one in await metadata.health.read_health()] == [ACME]
