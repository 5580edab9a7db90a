"""What every `KeyStore` promises."""

import pytest

from core.model.errors import AlreadyExists, NotFound
from core.model.memory import OrgId
from core.model.tenant import ApiKey, Permission
from tests.contract.metadata import ACME, OTHER, START, Metadata, later


async def _key(
    metadata: Metadata,
    name: str = "key",
    org_id: OrgId = ACME,
    prefix: str = "0123456789abcdef",
    permissions: frozenset[Permission] = frozenset({"read"}),
) -> ApiKey:
    return await metadata.keys.create_key(org_id, name, prefix, "$2b$hash", permissions, None, START)


async def test_a_key_is_found_by_its_prefix_as_it_was_created(metadata: Metadata) -> None:
    permissions: frozenset[Permission] = frozenset({"admin", "read"})
    key = await metadata.keys.create_key(ACME, "ci", "feed", "$2b$x", permissions, later(60), START)
    assert await metadata.keys.find_keys("feed") == [key]
    assert (key.org_id, key.name, key.hash, key.permissions) == (ACME, "ci", "$2b$x", permissions)
    assert (key.created_at, key.expires_at, key.enabled) == (START, later(60), True)


async def test_an_unknown_prefix_finds_nothing(metadata: Metadata) -> None:
    await _key(metadata)
    assert await metadata.keys.find_keys("ffffffffffffffff") == []


async def test_keys_of_the_same_prefix_are_all_found(metadata: Metadata) -> None:
    mine, theirs = await _key(metadata), await _key(metadata, org_id=OTHER)
    assert await metadata.keys.find_keys(mine.prefix) == [mine, theirs]


async def test_a_key_name_is_unique_in_its_org(metadata: Metadata) -> None:
    await _key(metadata, "ci")
    with pytest.raises(AlreadyExists, match="key 'ci' already exists in this organization"):
        await _key(metadata, "ci")


async def test_two_orgs_may_use_the_same_key_name(metadata: Metadata) -> None:
    await _key(metadata, "ci")
    await _key(metadata, "ci", OTHER)
    assert [key.name for key in await metadata.keys.list_keys(OTHER)] == ["ci"]


async def test_a_key_needs_an_org(metadata: Metadata) -> None:
    with pytest.raises(NotFound, match="organization not found"):
        await _key(metadata, org_id=OrgId("org_nobody"))


async def test_a_revoked_key_is_still_listed_and_disabled(metadata: Metadata) -> None:
    key = await _key(metadata)
    assert await metadata.keys.revoke_key(key.id)
    (revoked,) = await metadata.keys.list_keys(ACME)
    assert not revoked.enabled


async def test_revoking_twice_is_no_error(metadata: Metadata) -> None:
    key = await _key(metadata)
    await metadata.keys.revoke_key(key.id)
    assert await metadata.keys.revoke_key(key.id)


async def test_revoking_an_unknown_key_says_so(metadata: Metadata) -> None:
    assert not await metadata.keys.revoke_key(4711)


async def test_the_name_of_a_revoked_key_may_be_given_again(metadata: Metadata) -> None:
    old = await _key(metadata, "ci")
    await metadata.keys.revoke_key(old.id)
    new = await _key(metadata, "ci")
    assert [key.id for key in await metadata.keys.list_keys(ACME)] == [old.id, new.id]
