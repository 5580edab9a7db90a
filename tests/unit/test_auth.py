"""Who calls: what is remembered, for how long, and what never reaches bcrypt."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.apikeys import lookup_prefix, new_key
from core.auth import Authenticator, Callers
from core.hashing import Hasher
from core.model.errors import Unauthenticated, Unavailable
from core.model.org_settings import NO_SETTINGS
from core.model.timewindow import moment_of
from tests.clock import ManualClock
from tests.contract.metadata import ACME, OTHER, START, Metadata, sqlite
from tests.unit.auth_door import VAULT, Door, door_to
from tests.unit.fakes import FakeMetrics

UNKNOWN = "mtk_" + "A" * 44


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Metadata]:
    with sqlite(tmp_path) as metadata:
        yield metadata


@pytest.fixture
async def door(files: Metadata, clock: ManualClock) -> AsyncIterator[Door]:
    door = door_to(await files.with_orgs(), clock)
    yield door
    door.bcrypt.go.set()
    door.gate.close()


async def test_a_key_is_its_orgs_caller(door: Door) -> None:
    plain, key = await door.new_key()
    caller = await door.gate.authenticate(plain)
    assert (caller.org_id, caller.org_name, caller.key_name) == (ACME, str(ACME), "ci")
    assert (caller.permissions, caller.expires_at, caller.binding) == (key.permissions, None, None)


async def test_with_real_bcrypt_too(files: Metadata, clock: ManualClock) -> None:
    await files.with_orgs()
    hasher = Hasher(cost=4)
    gate = Authenticator(
        keys=files.keys,
        callers=Callers(orgs=files.orgs, bindings=files.bindings, vault=VAULT),
        hasher=hasher,
        clock=clock,
        metrics=FakeMetrics(),
    )
    plain = new_key()
    hashed = await hasher.hash(plain)
    await files.keys.create_key(ACME, "k", lookup_prefix(plain), hashed, frozenset({"read"}), None, START)
    assert (await gate.authenticate(plain)).key_name == "k"
    with pytest.raises(Unauthenticated):
        await gate.authenticate(new_key())
    gate.close()


@pytest.mark.parametrize("presented", [None, ""])
async def test_no_key_is_missing(door: Door, presented: str | None) -> None:
    with pytest.raises(Unauthenticated, match=r"^missing API key$"):
        await door.gate.authenticate(presented)


async def test_an_unknown_key_is_invalid_and_never_reaches_bcrypt(door: Door) -> None:
    await door.new_key()
    with pytest.raises(Unauthenticated, match=r"^invalid API key$"):
        await door.gate.authenticate(UNKNOWN)
    assert door.bcrypt.calls == 0


@pytest.mark.parametrize(
    "presented", ["mtk_" + "a" * 197, "sk_other", "mtk_ü", "mtk_\udcff", "x" * 100_000, " "]
)
async def test_what_cannot_be_a_key_is_not_even_looked_up(door: Door, presented: str) -> None:
    assert door.gate.peek(presented) is None
    with pytest.raises(Unauthenticated, match=r"^invalid API key$"):
        await door.gate.authenticate(presented)
    assert door.keys.lookups == 0


async def test_a_key_whose_prefix_alone_is_known_is_invalid(door: Door) -> None:
    await door.metadata.keys.create_key(
        ACME, "twin", lookup_prefix(UNKNOWN), "another hash", frozenset({"read"}), None, START
    )
    with pytest.raises(Unauthenticated):
        await door.gate.authenticate(UNKNOWN)
    assert door.bcrypt.calls == 1


async def test_the_right_key_is_found_among_those_of_its_prefix(door: Door) -> None:
    plain, _ = await door.new_key(OTHER)
    await door.metadata.keys.create_key(
        ACME, "twin", lookup_prefix(plain), "another hash", frozenset({"admin"}), None, START
    )
    assert (await door.gate.authenticate(plain)).org_id == OTHER


async def test_a_key_not_seen_yet_cannot_be_peeked(door: Door) -> None:
    plain, _ = await door.new_key()
    assert door.gate.peek(plain) is None
    assert door.gate.peek(None) is None


async def test_a_key_just_seen_is_answered_from_memory(door: Door) -> None:
    plain, _ = await door.new_key()
    caller = await door.gate.authenticate(plain)
    door.clock.advance(9.9)
    assert door.gate.peek(plain) is caller
    assert await door.gate.authenticate(plain) is caller
    assert (door.keys.lookups, door.bcrypt.calls) == (1, 1)


async def test_after_ten_seconds_the_database_is_asked_again_but_not_bcrypt(door: Door) -> None:
    plain, _ = await door.new_key()
    await door.gate.authenticate(plain)
    door.clock.advance(10)
    assert door.gate.peek(plain) is None
    await door.gate.authenticate(plain)
    assert door.gate.peek(plain) is not None
    assert (door.keys.lookups, door.bcrypt.calls) == (2, 1)


async def test_a_revoked_key_is_refused_within_ten_seconds(door: Door) -> None:
    plain, key = await door.new_key()
    await door.gate.authenticate(plain)
    await door.metadata.keys.revoke_key(key.id)
    door.clock.advance(10)
    with pytest.raises(Unauthenticated):
        await door.gate.authenticate(plain)
    assert door.gate.peek(plain) is None
    assert door.bcrypt.calls == 1


async def test_a_key_of_a_deleted_org_is_refused_within_ten_seconds(door: Door) -> None:
    plain, _ = await door.new_key()
    await door.gate.authenticate(plain)
    await door.metadata.orgs.delete_org(ACME)
    door.clock.advance(10)
    with pytest.raises(Unauthenticated):
        await door.gate.authenticate(plain)


async def test_a_key_whose_org_goes_while_it_is_checked_is_refused(door: Door) -> None:
    plain, _ = await door.new_key()
    door.bcrypt.go.clear()
    check = asyncio.create_task(door.gate.authenticate(plain))
    await asyncio.to_thread(door.bcrypt.started.wait, 10)
    await door.metadata.orgs.delete_org(ACME)
    door.bcrypt.go.set()
    with pytest.raises(Unauthenticated):
        await check


async def test_a_key_ends_with_its_expiry_even_from_memory(door: Door, clock: ManualClock) -> None:
    plain, key = await door.new_key(expires_at=moment_of(clock.micros() + 3_000_000))
    caller = await door.gate.authenticate(plain)
    assert caller.expires_at == key.expires_at
    clock.advance(2.9)
    assert door.gate.peek(plain) is caller
    clock.advance(0.1)
    assert door.gate.peek(plain) is None
    with pytest.raises(Unauthenticated):
        await door.gate.authenticate(plain)


async def test_an_expired_key_never_reaches_bcrypt(door: Door, clock: ManualClock) -> None:
    plain, _ = await door.new_key(expires_at=moment_of(clock.micros()))
    with pytest.raises(Unauthenticated):
        await door.gate.authenticate(plain)
    assert door.bcrypt.calls == 0


async def test_a_new_binding_is_seen_within_ten_seconds_its_arc_key_opened(door: Door) -> None:
    plain, _ = await door.new_key()
    assert (await door.gate.authenticate(plain)).binding is None
    await door.bind()
    door.clock.advance(10)
    binding = (await door.gate.authenticate(plain)).bound()
    assert (binding.url, binding.arc_key, binding.key_opens) == ("https://arc.example", "arc-key", True)


async def test_what_is_set_for_an_org_is_known_within_ten_seconds(door: Door) -> None:
    plain, key = await door.new_key()
    caller = await door.gate.authenticate(plain)
    assert (caller.key_id, caller.settings) == (key.id, NO_SETTINGS)
    await door.metadata.orgs.update_org_settings(ACME, {"requests_per_second": 5})
    door.clock.advance(10)
    assert (await door.gate.authenticate(plain)).settings.members() == {"requests_per_second": 5}


async def test_a_binding_that_does_not_open_is_carried_without_its_key_and_logged_once(door: Door) -> None:
    plain, _ = await door.new_key()
    await door.bind()
    sealed = await door.metadata.bindings.find_binding(ACME)
    assert sealed is not None
    await door.metadata.bindings.put_binding(dataclasses.replace(sealed, cipher=bytes(40)))
    with capture_logs() as logged:
        for _ in range(2):
            binding = (await door.gate.authenticate(plain)).bound()
            door.clock.advance(10)
    assert (binding.url, binding.arc_key, binding.key_opens) == (sealed.url, "", False)
    assert [(line["event"], line["org_id"]) for line in logged] == [("key_unsealable", ACME)]


async def test_a_binding_that_opens_again_is_used_again(door: Door) -> None:
    plain, _ = await door.new_key()
    await door.bind()
    good = await door.metadata.bindings.find_binding(ACME)
    assert good is not None
    for sealed, opens in ((dataclasses.replace(good, cipher=b""), False), (good, True)):
        await door.metadata.bindings.put_binding(sealed)
        assert (await door.gate.authenticate(plain)).bound().key_opens is opens
        door.clock.advance(10)


async def test_a_failing_database_is_an_error_and_spoils_nothing(door: Door) -> None:
    plain, _ = await door.new_key()
    await door.gate.authenticate(plain)
    door.clock.advance(10)
    door.keys.error = Unavailable("the database is busy")
    with pytest.raises(Unavailable):
        await door.gate.authenticate(plain)
    door.keys.error = None
    assert (await door.gate.authenticate(plain)).key_name == "ci"
    assert door.bcrypt.calls == 1


async def test_a_changed_hash_is_verified_again(door: Door) -> None:
    plain, key = await door.new_key()
    await door.gate.authenticate(plain)
    await door.metadata.keys.revoke_key(key.id)
    await door.metadata.keys.create_key(
        ACME, "ci", key.prefix, "a new hash", frozenset({"admin"}), None, START
    )
    door.clock.advance(10)
    with pytest.raises(Unauthenticated):
        await door.gate.authenticate(plain)
    assert door.bcrypt.calls == 2


async def test_checks_are_counted_by_outcome(door: Door) -> None:
    plain, _ = await door.new_key()
    await door.gate.authenticate(plain)
    for _ in range(3):
        door.gate.peek(plain)
    with pytest.raises(Unauthenticated):
        await door.gate.authenticate(UNKNOWN)
    door.clock.advance(10)
    await door.gate.authenticate(plain)
    counted = {label: n for (name, label), n in door.metrics.counts.items() if name.endswith("checks_total")}
    assert counted == {"verified": 1, "refused": 1, "cached": 4}


async def test_nothing_that_is_remembered_shows_a_key(door: Door) -> None:
    plain, key = await door.new_key()
    await door.bind()
    caller = await door.gate.authenticate(plain)
    for shown in (repr(caller), repr(key), repr(vars(door.gate))):
        assert plain not in shown
        assert "arc-key" not in shown
        assert key.hash not in shown
