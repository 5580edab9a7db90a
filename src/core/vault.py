"""The vault: Arc keys sealed with the master key, AES-256-GCM, the org as additional data.

It seals with one key, the current one, and opens with the previous ones too, so that a key can be
changed while everything runs; `rekeying` seals what is left anew.
"""

import base64
import binascii
import re
import secrets
from dataclasses import replace
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.model.errors import MasterKeyError
from core.model.memory import OrgId
from core.model.tenant import Binding, SealedBinding

MASTER_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_is_hexadecimal: Final = re.compile(rf"[0-9A-Fa-f]{{{2 * MASTER_KEY_BYTES}}}").fullmatch
_WAY_OUT: Final = (
    "set MEMTRACE_MASTER_KEY to the key that this installation was set up with; "
    "for a new installation, `memtrace keygen master` makes one"
)


def generate_master_key() -> str:
    """A new master key, as MEMTRACE_MASTER_KEY takes it."""
    return base64.b64encode(secrets.token_bytes(MASTER_KEY_BYTES)).decode()


def parse_master_key(text: str | None, name: str = "MEMTRACE_MASTER_KEY") -> bytes:
    """The 32 bytes of a master key called `name`, in base64 or as 64 hexadecimal digits.

    Neither can be taken for the other: so many digits are base64 of 48 bytes. Raises
    MasterKeyError, which never shows it.
    """
    stripped = (text or "").strip()
    if not stripped:
        raise MasterKeyError(f"{name} is not set", hint=_WAY_OUT)
    if _is_hexadecimal(stripped):
        return bytes.fromhex(stripped)
    try:
        key = base64.b64decode(stripped, validate=True)
    except (binascii.Error, ValueError):
        # Not chained: the cause could quote what it read.
        raise MasterKeyError(f"{name} is not base64", hint=_WAY_OUT) from None
    if len(key) != MASTER_KEY_BYTES:
        raise MasterKeyError(
            f"{name} holds {len(key)} bytes; it must be base64 of {MASTER_KEY_BYTES}", hint=_WAY_OUT
        )
    return key


class Vault:
    """Seals with one master key, opens with that and the previous ones, and shows them to nobody."""

    __slots__ = ("_ciphers",)

    def __init__(self, master_key: bytes, *previous: bytes) -> None:
        self._ciphers: tuple[AESGCM, ...] = ()
        self.use(master_key, *previous)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def use(self, master_key: bytes, *previous: bytes) -> None:
        """From here on these keys, and no others."""
        keys = (master_key, *previous)
        if any(len(key) != MASTER_KEY_BYTES for key in keys):
            raise MasterKeyError(f"the master key must be {MASTER_KEY_BYTES} bytes")
        self._ciphers = tuple(AESGCM(key) for key in keys)

    async def renew(self, *, in_vain: bool) -> bool:
        """Whether it has other keys than before; these never change. `in_vain`: something did not open."""
        return False

    def seal(self, org_id: OrgId, plain: str) -> tuple[bytes, bytes]:
        """(ciphertext, nonce), which open for this org only. A new nonce every time."""
        return self._sealed(plain, org_id.encode())

    def seal_admin_key(self, org_id: OrgId, plain: str) -> tuple[bytes, bytes]:
        """As `seal`, and never to be opened as the key that reads and writes."""
        return self._sealed(plain, _for_admin(org_id))

    def admin_key(self, sealed: SealedBinding) -> str:
        """The binding's admin key, empty where it has none. Raises MasterKeyError as `open` does."""
        if not sealed.admin_cipher:
            return ""
        found = self._found(sealed.admin_cipher, sealed.admin_nonce, _for_admin(sealed.org_id))
        if found is None:
            raise MasterKeyError(
                f"the stored admin key of {sealed.org_id} does not open with this master key",
                hint=f"{_WAY_OUT}; or store it again with `memtrace org set-admin-key {sealed.org_id}`",
            )
        return found[0]

    def open(self, org_id: OrgId, cipher: bytes, nonce: bytes) -> str:
        """What was sealed for this org; rows of the original, sealed for no org, open too.

        Raises MasterKeyError naming the org: another master key, or a row that was tampered with.
        """
        found = self._found(cipher, nonce, org_id.encode(), None)
        if found is None:
            _refuse(org_id)
        return found[0]

    def binding(self, sealed: SealedBinding) -> Binding:
        """The binding with its Arc key opened, not its admin key. Raises MasterKeyError as `open` does."""
        return Binding(
            id=sealed.id,
            org_id=sealed.org_id,
            url=sealed.url,
            database=sealed.database,
            measurement=sealed.measurement,
            created=sealed.created,
            arc_key=self.open(sealed.org_id, sealed.cipher, sealed.nonce),
        )

    async def opened(self, sealed: SealedBinding) -> Binding:
        """As `binding`, with keys that are renewed first where they are old, or where none opens it."""
        await self.renew(in_vain=False)
        try:
            return self.binding(sealed)
        except MasterKeyError:
            if not await self.renew(in_vain=True):
                raise
        return self.binding(sealed)

    def resealed(self, sealed: SealedBinding) -> SealedBinding:
        """The same binding, both keys sealed with the current master key; itself when they are already.

        Raises MasterKeyError where one of them opens with no key at hand.
        """
        arc_key = self._found(sealed.cipher, sealed.nonce, sealed.org_id.encode(), None)
        if arc_key is None:
            _refuse(sealed.org_id)
        admin_key = self.admin_key(sealed)
        if arc_key[1] and self._is_current(sealed.admin_cipher, sealed.admin_nonce, sealed.org_id):
            return sealed
        cipher, nonce = self.seal(sealed.org_id, arc_key[0])
        admin = self.seal_admin_key(sealed.org_id, admin_key) if sealed.admin_cipher else (b"", b"")
        return replace(sealed, cipher=cipher, nonce=nonce, admin_cipher=admin[0], admin_nonce=admin[1])

    def _is_current(self, admin_cipher: bytes, admin_nonce: bytes, org_id: OrgId) -> bool:
        found = self._found(admin_cipher, admin_nonce, _for_admin(org_id)) if admin_cipher else ("", True)
        return found is not None and found[1]

    def _sealed(self, plain: str, additional: bytes) -> tuple[bytes, bytes]:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return self._ciphers[0].encrypt(nonce, plain.encode(), additional), nonce

    def _found(self, cipher: bytes, nonce: bytes, *additional: bytes | None) -> tuple[str, bool] | None:
        """The text, and whether the current key opened it; None where no key does."""
        for at, key in enumerate(self._ciphers):
            for one in additional:
                try:
                    return key.decrypt(nonce, cipher, one).decode(), at == 0
                except InvalidTag:
                    continue
                except ValueError:  # a nonce of no possible length, or no text inside
                    return None
        return None


def _for_admin(org_id: OrgId) -> bytes:
    return f"{org_id}/admin".encode()


def _refuse(org_id: OrgId) -> NoReturn:
    raise MasterKeyError(
        f"the stored Arc key of {org_id} does not open with this master key",
        hint=f"{_WAY_OUT}; or store the Arc key again with `memtrace org add-arc {org_id}`",
    ) from None
