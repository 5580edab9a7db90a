"""Keys that are kept elsewhere: when they are read again, and what happens while they cannot be."""

import asyncio
import base64
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from core.master_keys import GivenKeys, KeptVault, plain_vault, reading_vault
from core.model.errors import MasterKeyError
from core.model.memory import OrgId
from core.model.tenant import SealedBinding
from core.ports import MasterKeyTexts
from core.vault import Vault
from tests.clock import ManualClock

ORG = OrgId("org_a")
MAX_AGE = 3600.0


def text(key: int) -> str:
    return base64.b64encode(bytes([key] * 32)).decode()


def row(key: int) -> SealedBinding:
    cipher, nonce = Vault(bytes([key] * 32)).seal(ORG, f"arc key {key}")
    return SealedBinding("arc_1", ORG, "https://a", "db", "events", 7, cipher, nonce)


class Safe:
    """Master keys that a test changes, and a count of how often they were read."""

    name = "the secret of this test"

    def __init__(self) -> None:
        self.texts = MasterKeyTexts(text(1))
        self.reads = 0
        self.fails = False
        self.gate: asyncio.Event | None = None

    def rotate(self, key: int) -> None:
        self.texts = MasterKeyTexts(text(key), (self.texts.current,))

    async def read(self) -> MasterKeyTexts:
        self.reads += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            raise MasterKeyError("nobody answers")
        return self.texts


NOTHING = GivenKeys(current="", previous="")


@pytest.fixture
def safe() -> Safe:
    return Safe()


async def kept(safe: Safe, clock: ManualClock, given: GivenKeys = NOTHING) -> KeptVault:
    return await reading_vault(source=safe, given=given, clock=clock, max_age=MAX_AGE)


async def opens(vault: Vault, key: int) -> bool:
    try:
        return (await vault.opened(row(key))).arc_key == f"arc key {key}"
    except MasterKeyError:
        return False


async def test_it_is_read_once_and_again_when_it_is_old(safe: Safe, clock: ManualClock) -> None:
    vault = await kept(safe, clock)
    for _ in range(3):
        assert await opens(vault, 1)
        clock.advance(MAX_AGE / 3 - 1)
    assert safe.reads == 1
    clock.advance(3)
    assert await opens(vault, 1)
    assert safe.reads == 2
    assert await opens(vault, 1)
    assert safe.reads == 2


async def test_a_row_sealed_with_a_newer_key_has_it_read_at_once(safe: Safe, clock: ManualClock) -> None:
    vault = await kept(safe, clock)
    safe.rotate(2)
    clock.advance(31)
    with capture_logs() as logged:
        assert await opens(vault, 2)
    assert [(line["event"], line["previous"]) for line in logged] == [("master_key_changed", 1)]
    assert await opens(vault, 1)
    assert safe.reads == 2


async def test_a_key_changed_right_after_it_was_read_is_no_reason_to_wait(
    safe: Safe, clock: ManualClock
) -> None:
    vault = await kept(safe, clock)
    safe.rotate(2)
    assert await opens(vault, 2)


async def test_a_change_is_taken_over_for_sealing(safe: Safe, clock: ManualClock) -> None:
    vault = await kept(safe, clock)
    safe.rotate(2)
    clock.advance(MAX_AGE)
    await vault.renew(in_vain=False)
    assert Vault(bytes([2] * 32)).open(ORG, *vault.seal(ORG, "plain")) == "plain"


async def test_what_never_opens_has_it_read_every_half_minute_at_most(safe: Safe, clock: ManualClock) -> None:
    vault = await kept(safe, clock)
    for _ in range(60):
        clock.advance(1)
        assert not await opens(vault, 9)
    assert safe.reads == 1 + 2


async def test_two_changes_leave_the_oldest_key_behind(safe: Safe, clock: ManualClock) -> None:
    vault = await kept(safe, clock)
    safe.rotate(2)
    safe.rotate(3)
    clock.advance(MAX_AGE)
    assert [await opens(vault, key) for key in (1, 2, 3)] == [False, True, True]


async def test_while_it_cannot_be_read_the_keys_at_hand_serve(safe: Safe, clock: ManualClock) -> None:
    vault = await kept(safe, clock)
    safe.fails = True
    clock.advance(MAX_AGE)
    with capture_logs() as logged:
        for _ in range(40):
            assert await opens(vault, 1)
            clock.advance(1)
    assert [(line["event"], line["reason"]) for line in logged] == [
        ("master_key_unread", "nobody answers")
    ] * 2
    assert safe.reads == 3
    safe.fails = False
    clock.advance(30)
    assert await opens(vault, 1)
    assert safe.reads == 4


async def test_what_becomes_no_key_is_as_good_as_unread(safe: Safe, clock: ManualClock) -> None:
    vault = await kept(safe, clock)
    safe.texts = MasterKeyTexts("sesame*")
    clock.advance(MAX_AGE)
    with capture_logs() as logged:
        assert await opens(vault, 1)
    assert [line["event"] for line in logged] == ["master_key_unread"]
    assert "sesame" not in str(logged)


@pytest.mark.parametrize("bad", ["", "sesame*", "U0VDUkVU"])
async def test_without_a_key_there_is_no_start(safe: Safe, clock: ManualClock, bad: str) -> None:
    safe.texts = MasterKeyTexts(bad)
    with pytest.raises(MasterKeyError, match="the secret of this test") as caught:
        await kept(safe, clock)
    assert "sesame" not in f"{caught.value!r} {caught.value.hint}"


async def test_a_place_that_cannot_be_read_is_no_start(safe: Safe, clock: ManualClock) -> None:
    safe.fails = True
    with pytest.raises(MasterKeyError, match="nobody answers"):
        await kept(safe, clock)


async def test_one_reads_and_the_others_do_not_wait(safe: Safe, clock: ManualClock) -> None:
    vault = await kept(safe, clock)
    safe.gate = asyncio.Event()
    clock.advance(MAX_AGE)
    reading = asyncio.create_task(vault.opened(row(1)))
    await _until(lambda: safe.reads == 2)
    other = asyncio.create_task(vault.opened(row(1)))
    await asyncio.sleep(0)
    assert other.done()
    safe.gate.set()
    assert (await reading).arc_key == "arc key 1"
    assert safe.reads == 2


async def test_all_who_meet_a_newer_row_at_once_share_one_reading(safe: Safe, clock: ManualClock) -> None:
    vault = await kept(safe, clock)
    safe.rotate(2)
    safe.gate = asyncio.Event()
    clock.advance(31)
    waiting = [asyncio.create_task(vault.opened(row(2))) for _ in range(5)]
    await _until(lambda: safe.reads == 2)
    safe.gate.set()
    assert [one.arc_key for one in await asyncio.gather(*waiting)] == ["arc key 2"] * 5
    assert safe.reads == 2


async def test_a_previous_key_that_is_none_is_told_and_left_out(safe: Safe, clock: ManualClock) -> None:
    safe.texts = MasterKeyTexts(text(1), ("sesame*", text(4)))
    with capture_logs() as logged:
        vault = await kept(safe, clock)
    assert [line["event"] for line in logged] == ["master_key_previous_unusable"]
    assert "sesame" not in str(logged)
    assert await opens(vault, 1)
    assert await opens(vault, 4)


async def test_keys_of_the_settings_go_beside_those_of_the_place(safe: Safe, clock: ManualClock) -> None:
    vault = await kept(safe, clock, GivenKeys(current=text(1), previous=text(7)))
    assert await opens(vault, 1)
    assert await opens(vault, 7)


async def test_two_sources_that_differ_are_a_mistake(safe: Safe, clock: ManualClock) -> None:
    with pytest.raises(MasterKeyError, match="hold different keys") as caught:
        await kept(safe, clock, GivenKeys(current=text(2), previous=""))
    assert text(1) not in str(caught.value)
    assert text(2) not in str(caught.value)
    assert "MEMTRACE_MASTER_KEY_SECRET_ARN" in (caught.value.hint or "")


async def test_the_settings_alone_make_a_vault() -> None:
    vault = plain_vault(GivenKeys(current=text(1), previous=text(2)))
    assert await opens(vault, 1)
    assert await opens(vault, 2)
    assert await opens(plain_vault(GivenKeys(current=text(1), previous=text(1))), 1)
    with pytest.raises(MasterKeyError, match="MEMTRACE_MASTER_KEY is not set"):
        plain_vault(GivenKeys(current="", previous=text(2)))


@pytest.mark.parametrize(
    ("current", "previous", "name"),
    [("sesame*", "", "MEMTRACE_MASTER_KEY is"), (text(1), "sesame*", "MEMTRACE_MASTER_KEY_PREVIOUS is")],
)
def test_a_given_key_that_is_none_is_refused_by_its_name(current: str, previous: str, name: str) -> None:
    with pytest.raises(MasterKeyError, match=name) as caught:
        GivenKeys(current=current, previous=previous)
    assert "sesame" not in str(caught.value)


async def test_nothing_of_the_keys_is_shown(safe: Safe, clock: ManualClock) -> None:
    vault = await kept(safe, clock)
    assert repr(vault) == "KeptVault()"
    assert repr(safe.texts) == "MasterKeyTexts()"
    assert text(1) not in repr(GivenKeys(current=text(1), previous=""))


async def _until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not happened():  # noqa: ASYNC110 - another task's work
            await asyncio.sleep(0)
