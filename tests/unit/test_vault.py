"""The vault: what it opens, what it refuses, and that it shows nothing."""

import base64
import dataclasses

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import MasterKeyError
from core.model.memory import OrgId
from core.model.tenant import SealedBinding
from core.vault import Vault, generate_master_key, parse_master_key

KEY = bytes(range(32))
ORG = OrgId("org_a")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
ORGS = TEXTS.filter(bool)


@given(ORGS, TEXTS)
def test_what_was_sealed_opens_for_its_org(org: str, plain: str) -> None:
    vault = Vault(KEY)
    assert vault.open(OrgId(org), *vault.seal(OrgId(org), plain)) == plain


@given(ORGS, ORGS, TEXTS)
def test_what_was_sealed_for_one_org_opens_for_no_other(org: str, other: str, plain: str) -> None:
    vault = Vault(KEY)
    if org != other:
        with pytest.raises(MasterKeyError):
            vault.open(OrgId(other), *vault.seal(OrgId(org), plain))


@given(TEXTS, st.data())
def test_a_changed_ciphertext_does_not_open(plain: str, data: st.DataObject) -> None:
    vault = Vault(KEY)
    cipher, nonce = vault.seal(ORG, plain)
    at = data.draw(st.integers(0, len(cipher) - 1))
    flipped = data.draw(st.integers(1, 255))
    changed = cipher[:at] + bytes([cipher[at] ^ flipped]) + cipher[at + 1 :]
    with pytest.raises(MasterKeyError):
        vault.open(ORG, changed, nonce)


@given(st.binary(max_size=100), st.binary(max_size=40))
def test_bytes_that_nobody_sealed_do_not_open(cipher: bytes, nonce: bytes) -> None:
    with pytest.raises(MasterKeyError, match="org_a"):
        Vault(KEY).open(ORG, cipher, nonce)


def test_two_seals_of_the_same_text_differ() -> None:
    vault = Vault(KEY)
    assert vault.seal(ORG, "key") != vault.seal(ORG, "key")


def test_a_row_sealed_for_no_org_opens_as_the_original_wrote_it() -> None:
    nonce = b"123456789012"
    assert Vault(KEY).open(ORG, AESGCM(KEY).encrypt(nonce, b"arc-key", None), nonce) == "arc-key"


def test_what_is_no_text_does_not_open() -> None:
    nonce = b"123456789012"
    with pytest.raises(MasterKeyError):
        Vault(KEY).open(ORG, AESGCM(KEY).encrypt(nonce, b"\xff\xfe", ORG.encode()), nonce)


def test_another_master_key_opens_nothing() -> None:
    sealed = Vault(KEY).seal(ORG, "plain-arc-key")
    with pytest.raises(MasterKeyError) as caught:
        Vault(bytes(32)).open(ORG, *sealed)
    assert "plain-arc-key" not in str(caught.value)
    assert "memtrace org add-arc org_a" in (caught.value.hint or "")


def test_a_binding_is_opened_whole() -> None:
    vault = Vault(KEY)
    cipher, nonce = vault.seal(ORG, "arc-key")
    binding = vault.binding(SealedBinding("arc_1", ORG, "https://a", "db", "events", 7, cipher, nonce))
    assert (binding.id, binding.org_id, binding.url) == ("arc_1", ORG, "https://a")
    assert (binding.database, binding.measurement, binding.created) == ("db", "events", 7)
    assert (binding.arc_key, binding.key_opens) == ("arc-key", True)
    assert "arc-key" not in repr(binding)


def test_a_generated_master_key_is_one() -> None:
    assert len(parse_master_key(generate_master_key())) == 32
    assert generate_master_key() != generate_master_key()


def test_blanks_around_a_master_key_do_not_matter() -> None:
    assert parse_master_key(f" {base64.b64encode(KEY).decode()}\n") == KEY


def test_a_master_key_may_be_written_in_hexadecimal_digits() -> None:
    assert parse_master_key(KEY.hex()) == parse_master_key(f"{KEY.hex().upper()}\n") == KEY


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "MEMTRACE_MASTER_KEY is not set"),
        ("  ", "MEMTRACE_MASTER_KEY is not set"),
        ("not*base64*at*all", "not base64"),
        ("SECRETSECRET-_-_", "not base64"),
        ("schlüssel", "not base64"),
        ("U0VDUkVU", "holds 6 bytes"),
        (base64.b64encode(bytes(33)).decode(), "holds 33 bytes"),
        ("ab" * 30, "holds 45 bytes"),
    ],
)
def test_a_master_key_that_is_none_is_refused_with_the_reason(text: str | None, why: str) -> None:
    with pytest.raises(MasterKeyError, match=why) as caught:
        parse_master_key(text)
    assert "memtrace keygen master" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["U0VDUkVU", "SECRET*not*base64"])
def test_a_refused_master_key_is_shown_nowhere(text: str) -> None:
    with pytest.raises(MasterKeyError) as caught:
        parse_master_key(text)
    shown = f"{caught.value!r} {caught.value.hint} {caught.value.fields} {caught.value.__cause__!r}"
    assert text not in shown
    assert "SECRET" not in shown


def test_a_key_of_the_wrong_length_makes_no_vault() -> None:
    with pytest.raises(MasterKeyError, match="32 bytes"):
        Vault(b"short")


def test_a_vault_shows_nothing_of_itself() -> None:
    assert repr(Vault(KEY)) == "Vault()"
    assert str(Vault(KEY)) == "Vault()"


def with_admin_key(vault: Vault, plain: str) -> SealedBinding:
    cipher, nonce = vault.seal(ORG, "arc-key")
    admin = vault.seal_admin_key(ORG, plain)
    return SealedBinding("arc_1", ORG, "https://a", "db", "events", 7, cipher, nonce, *admin)


def test_an_admin_key_is_opened_only_when_it_is_asked_for() -> None:
    vault = Vault(KEY)
    sealed = with_admin_key(vault, "may-delete-everything")
    assert vault.binding(sealed).admin_key == ""
    assert vault.admin_key(sealed) == "may-delete-everything"
    assert "may-delete" not in repr(sealed)


def test_a_binding_without_an_admin_key_has_none() -> None:
    vault = Vault(KEY)
    cipher, nonce = vault.seal(ORG, "arc-key")
    assert vault.admin_key(SealedBinding("a", ORG, "https://a", "db", "events", 7, cipher, nonce)) == ""


def test_an_admin_key_does_not_open_as_the_key_that_reads_and_writes_nor_the_other_way_round() -> None:
    vault = Vault(KEY)
    sealed = with_admin_key(vault, "may-delete-everything")
    with pytest.raises(MasterKeyError):
        vault.open(ORG, sealed.admin_cipher, sealed.admin_nonce)
    swapped = SealedBinding("a", ORG, "", "db", "e", 7, b"", b"", *vault.seal(ORG, "arc-key"))
    with pytest.raises(MasterKeyError, match="admin key of org_a") as caught:
        vault.admin_key(swapped)
    assert "memtrace org set-admin-key org_a" in (caught.value.hint or "")


NEW, OLD, OLDEST = bytes([1] * 32), bytes([2] * 32), bytes([3] * 32)


def both_keys(vault: Vault) -> SealedBinding:
    return with_admin_key(vault, "admin-key")


def opened(vault: Vault, sealed: SealedBinding) -> tuple[str, str]:
    return vault.binding(sealed).arc_key, vault.admin_key(sealed)


@pytest.mark.parametrize("key", [NEW, OLD, OLDEST])
def test_what_a_previous_key_sealed_opens_too(key: bytes) -> None:
    assert opened(Vault(NEW, OLD, OLDEST), both_keys(Vault(key))) == ("arc-key", "admin-key")


def test_what_is_sealed_opens_with_the_current_key_alone() -> None:
    sealed = both_keys(Vault(NEW, OLD))
    assert opened(Vault(NEW), sealed) == ("arc-key", "admin-key")
    with pytest.raises(MasterKeyError):
        Vault(OLD).binding(sealed)


def test_a_previous_key_of_the_wrong_length_makes_no_vault() -> None:
    with pytest.raises(MasterKeyError, match="32 bytes"):
        Vault(KEY, b"short")


def test_other_keys_take_the_place_of_all_before() -> None:
    vault = Vault(OLD)
    sealed = both_keys(vault)
    vault.use(NEW)
    with pytest.raises(MasterKeyError):
        vault.binding(sealed)
    vault.use(NEW, OLD)
    assert opened(vault, sealed) == ("arc-key", "admin-key")


@pytest.mark.parametrize("admin_key", ["", "admin-key"])
def test_resealing_changes_the_sealed_keys_and_nothing_that_they_say(admin_key: str) -> None:
    old, vault = Vault(OLD), Vault(NEW, OLD)
    cipher, nonce = old.seal(ORG, "arc-key")
    admin = old.seal_admin_key(ORG, admin_key) if admin_key else (b"", b"")
    sealed = SealedBinding("arc_1", ORG, "https://a", "db", "events", 7, cipher, nonce, *admin)
    anew = vault.resealed(sealed)
    assert opened(Vault(NEW), anew) == ("arc-key", admin_key)
    assert (anew.id, anew.url, anew.created) == (sealed.id, sealed.url, sealed.created)
    assert bool(anew.admin_cipher) == bool(admin_key)
    assert vault.resealed(anew) is anew


def test_one_key_of_two_sealed_with_an_earlier_one_is_reason_enough() -> None:
    sealed = both_keys(Vault(NEW))
    admin_cipher, admin_nonce = Vault(OLD).seal_admin_key(ORG, "admin-key")
    mixed = dataclasses.replace(sealed, admin_cipher=admin_cipher, admin_nonce=admin_nonce)
    assert opened(Vault(NEW), Vault(NEW, OLD).resealed(mixed)) == ("arc-key", "admin-key")


def test_what_no_key_opens_is_not_resealed() -> None:
    sealed = both_keys(Vault(OLDEST))
    with pytest.raises(MasterKeyError, match="Arc key of org_a"):
        Vault(NEW, OLD).resealed(sealed)
    cipher, nonce = Vault(NEW).seal(ORG, "arc-key")
    with pytest.raises(MasterKeyError, match="admin key of org_a"):
        Vault(NEW, OLD).resealed(dataclasses.replace(sealed, cipher=cipher, nonce=nonce))


def test_a_row_of_the_original_is_resealed_for_its_org() -> None:
    nonce = b"123456789012"
    cipher = AESGCM(OLD).encrypt(nonce, b"arc-key", None)
    anew = Vault(NEW, OLD).resealed(SealedBinding("arc_1", ORG, "u", "d", "m", 7, cipher, nonce))
    assert Vault(NEW).binding(anew).arc_key == "arc-key"
    with pytest.raises(MasterKeyError):
        Vault(NEW).open(OrgId("org_b"), anew.cipher, anew.nonce)


async def test_keys_that_were_given_are_never_renewed() -> None:
    vault = Vault(NEW)
    assert not await vault.renew(in_vain=True)
    with pytest.raises(MasterKeyError):
        await vault.opened(both_keys(Vault(OLD)))
    assert (await vault.opened(both_keys(vault))).arc_key == "arc-key"
