"""Sealing what is stored with another master key, beside others who change it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from core.model.errors import MasterKeyError
from core.model.memory import OrgId
from core.model.tenant import SealedBinding
from core.ports import BindingStore
from core.rekeying import Rekeying, Row
from core.vault import Vault
from tests.contract.metadata import ACME, OTHER, sqlite

NEW, OLD, LOST = bytes([1] * 32), bytes([2] * 32), bytes([3] * 32)


def binding(key: bytes, org_id: OrgId = ACME, arc_key: str = "arc-key") -> SealedBinding:
    vault = Vault(key)
    sealed, admin = vault.seal(org_id, arc_key), vault.seal_admin_key(org_id, "admin-key")
    return SealedBinding(f"arc_{org_id}", org_id, "https://a", "db", "events", 7, *sealed, *admin)


@pytest.fixture
async def bindings(tmp_path: Path) -> AsyncIterator[BindingStore]:
    with sqlite(tmp_path) as metadata:
        yield (await metadata.with_orgs()).bindings


class Busy:
    """A store in which something happens before each of our changes."""

    def __init__(self, store: BindingStore, *before: Callable[[], Awaitable[object]]) -> None:
        self.list_bindings = store.list_bindings
        self.find_binding = store.find_binding
        self.put_binding = store.put_binding
        self.set_admin_key = store.set_admin_key
        self.remove_binding = store.remove_binding
        self._store = store
        self._before = list(before)

    async def reseal_binding(self, old: SealedBinding, new: SealedBinding) -> bool:
        if self._before:
            await self._before.pop(0)()
        return await self._store.reseal_binding(old, new)


def rekeying(bindings: BindingStore) -> Rekeying:
    return Rekeying(bindings=bindings, vault=Vault(NEW, OLD))


async def keys(bindings: BindingStore, org_id: OrgId = ACME, key: bytes = NEW) -> tuple[str, str]:
    """What one master key alone opens."""
    sealed = await bindings.find_binding(org_id)
    assert sealed is not None
    vault = Vault(key)
    return vault.binding(sealed).arc_key, vault.admin_key(sealed)


async def test_every_row_is_sealed_with_the_new_key_and_says_the_same(bindings: BindingStore) -> None:
    for org_id in (ACME, OTHER):
        await bindings.put_binding(binding(OLD, org_id))
    seen: list[Row] = []
    rows = await rekeying(bindings).run(seen=seen.append)
    assert rows == seen == [Row(ACME, "resealed"), Row(OTHER, "resealed")]
    for org_id in (ACME, OTHER):
        assert await keys(bindings, org_id) == ("arc-key", "admin-key")


async def test_a_second_run_finds_nothing_to_do(bindings: BindingStore) -> None:
    await bindings.put_binding(binding(OLD))
    await rekeying(bindings).run()
    sealed = await bindings.find_binding(ACME)
    assert await rekeying(bindings).run() == [Row(ACME, "current")]
    assert await bindings.find_binding(ACME) == sealed


async def test_a_run_that_died_is_ended_by_the_next(bindings: BindingStore) -> None:
    for org_id in (ACME, OTHER):
        await bindings.put_binding(binding(OLD, org_id))

    def die(row: Row) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await rekeying(bindings).run(seen=die)
    assert await rekeying(bindings).run() == [Row(ACME, "current"), Row(OTHER, "resealed")]


async def test_a_dry_run_changes_nothing(bindings: BindingStore) -> None:
    await bindings.put_binding(binding(OLD))
    await bindings.put_binding(binding(LOST, OTHER))
    before = await bindings.list_bindings()
    rows = await rekeying(bindings).run(dry_run=True)
    assert [row.outcome for row in rows] == ["resealed", "locked"]
    assert await bindings.list_bindings() == before


async def test_what_no_key_opens_is_named_and_keeps_nobody_else_waiting(bindings: BindingStore) -> None:
    await bindings.put_binding(binding(LOST))
    await bindings.put_binding(binding(OLD, OTHER))
    before = await bindings.find_binding(ACME)
    locked, sealed = await rekeying(bindings).run()
    assert (locked.org_id, locked.outcome) == (ACME, "locked")
    assert "does not open" in locked.reason
    assert sealed == Row(OTHER, "resealed")
    assert await bindings.find_binding(ACME) == before


async def test_a_binding_given_anew_meanwhile_is_not_overwritten(bindings: BindingStore) -> None:
    await bindings.put_binding(binding(OLD))
    newer = binding(NEW, arc_key="a newer key")
    busy = Busy(bindings, lambda: bindings.put_binding(newer))
    assert await rekeying(busy).run() == [Row(ACME, "current")]
    assert await bindings.find_binding(ACME) == newer


async def test_a_binding_given_anew_with_the_old_key_is_sealed_too(bindings: BindingStore) -> None:
    await bindings.put_binding(binding(OLD))
    busy = Busy(bindings, lambda: bindings.put_binding(binding(OLD, arc_key="a newer key")))
    assert await rekeying(busy).run() == [Row(ACME, "resealed")]
    assert await keys(bindings) == ("a newer key", "admin-key")


async def test_an_admin_key_set_meanwhile_stays(bindings: BindingStore) -> None:
    await bindings.put_binding(binding(OLD))
    theirs = Vault(OLD).seal_admin_key(ACME, "another admin key")
    busy = Busy(bindings, lambda: bindings.set_admin_key(ACME, *theirs))
    assert await rekeying(busy).run() == [Row(ACME, "resealed")]
    assert await keys(bindings) == ("arc-key", "another admin key")


async def test_a_binding_removed_meanwhile_is_gone(bindings: BindingStore) -> None:
    await bindings.put_binding(binding(OLD))
    busy = Busy(bindings, lambda: bindings.remove_binding(ACME))
    assert await rekeying(busy).run() == [Row(ACME, "gone")]


async def test_a_key_that_becomes_unreadable_meanwhile_is_left(bindings: BindingStore) -> None:
    await bindings.put_binding(binding(OLD))
    busy = Busy(bindings, lambda: bindings.put_binding(binding(LOST)))
    (row,) = await rekeying(busy).run()
    assert row.outcome == "locked"
    with pytest.raises(MasterKeyError):
        await keys(bindings)


async def test_a_row_that_never_stands_still_is_left_for_another_run(bindings: BindingStore) -> None:
    await bindings.put_binding(binding(OLD))

    async def change() -> None:
        await bindings.put_binding(binding(OLD))

    busy = Busy(bindings, *[change] * 100)
    (row,) = await rekeying(busy).run()
    assert row.outcome == "changing"
    assert await keys(bindings, key=OLD) == ("arc-key", "admin-key")
    assert await rekeying(bindings).run() == [Row(ACME, "resealed")]


async def test_no_binding_is_nothing_to_do(bindings: BindingStore) -> None:
    assert await rekeying(bindings).run() == []
