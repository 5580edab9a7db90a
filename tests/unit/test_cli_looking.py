"""The first look at a store that was bound."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from core.model.errors import MasterKeyError, StoreDenied
from core.model.memory import OrgId
from handlers.cli import looking
from handlers.cli.looking import what_is_wrong

ACME = OrgId("org_acme")


def admin(check: Any, *, is_bound: bool = True) -> Any:
    """As much of the commands' services as a look needs."""

    async def find_binding(org_id: OrgId) -> object:
        return org_id if is_bound else None

    return SimpleNamespace(
        bindings=SimpleNamespace(find_binding=find_binding),
        vault=SimpleNamespace(binding=lambda sealed: sealed),
        store=SimpleNamespace(check=check),
    )


async def works(binding: object) -> None:
    assert binding == ACME


async def hangs(binding: object) -> None:
    await asyncio.Event().wait()


async def denies(binding: object) -> None:
    raise StoreDenied("no right", hint="another key")


async def test_a_store_that_works_has_nothing_wrong() -> None:
    assert await what_is_wrong(admin(works), ACME) == ("", "")


async def test_without_a_binding_there_is_nothing_to_look_at() -> None:
    assert await what_is_wrong(admin(denies, is_bound=False), ACME) == ("", "")


async def test_what_the_store_says_is_said_with_the_way_out() -> None:
    assert await what_is_wrong(admin(denies), ACME) == ("no right", "another key")


async def test_a_key_that_does_not_open_is_said() -> None:
    async def other_key(binding: object) -> None:
        raise MasterKeyError("another master key")

    assert await what_is_wrong(admin(other_key), ACME) == ("another master key", "")


async def test_a_store_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "CHECK_SECONDS", 0.01)
    trouble, advice = await what_is_wrong(admin(hangs), ACME)
    assert trouble.startswith("no answer within")
    assert "the way to it" in advice
