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
