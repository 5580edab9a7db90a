"""The vault: Arc keys sealed with the master key, AES-256-GCM, the org as additional data."""

import base64
import binascii
import re
import secrets
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


def parse_master_key(text: str | None) -> bytes:
    """The 32 bytes of a master key, in base64 or as 64 hexadecimal digits.

    Neither can be taken for the other: so many digits are base64 of 48 bytes. Raises
    MasterKeyError, which never shows it.
    """
    stripped = (text or "").strip()
    if not stripped:
        raise MasterKeyError("MEMTRACE_MASTER_KEY is not set", hint=_WAY_OUT)
    if _is_hexadecimal(stripped):
        return bytes.fromhex(stripped)
    try:
        key = base64.b64decode(stripped, validate=True)
    except (binascii.Error, ValueError):
        # Not chained: the cause could quote what it read.
        raise MasterKeyError("MEMTRACE_MASTER_KEY is not base64", hint=_WAY_OUT) from None
    if len(key) != MASTER_KEY_BYTES:
        raise MasterKeyError(
            f"MEMTRACE_MASTER_KEY holds {len(key)} bytes; it must be base64 of {MASTER_KEY_BYTES}",
            hint=_WAY_OUT,
        )
    return key


class Vault:
    """Seals and opens with one master key, which it shows to nobody."""

    __slots__ = ("_cipher",)

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != MASTER_KEY_BYTES:
            raise MasterKeyError(f"the master key must be {MASTER_KEY_BYTES} bytes")
        self._cipher = AESGCM(master_key)

    def __repr__(self) -> str:
        return "Vault()"

    def seal(self, org_id: OrgId, plain: str) -> tuple[bytes, bytes]:
        """(ciphertext, nonce), which open for this org only. A new nonce every time."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return self._cipher.encrypt(nonce, plain.encode(), org_id.encode()), nonce

    def seal_admin_key(self, org_id: OrgId, plain: str) -> tuple[bytes, bytes]:
        """As `seal`, and never to be opened as the key that reads and writes."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return self._cipher.encrypt(nonce, plain.encode(), _for_admin(org_id)), nonce

    def admin_key(self, sealed: SealedBinding) -> str:
        """The binding's admin key, empty where it has none. Raises MasterKeyError as `open` does."""
        if not sealed.admin_cipher:
            return ""
        try:
            return self._cipher.decrypt(
                sealed.admin_nonce, sealed.admin_cipher, _for_admin(sealed.org_id)
            ).decode()
        except (InvalidTag, ValueError):
            raise MasterKeyError(
                f"the stored admin key of {sealed.org_id} does not open with this master key",
                hint=f"{_WAY_OUT}; or store it again with `memtrace org set-admin-key {sealed.org_id}`",
            ) from None

    def open(self, org_id: OrgId, cipher: bytes, nonce: bytes) -> str:
        """What was sealed for this org; rows of the original, sealed for no org, open too.

        Raises MasterKeyError naming the org: another master key, or a row that was tampered with.
        """
        for additional in (org_id.encode(), None):
            try:
                return self._cipher.decrypt(nonce, cipher, additional).decode()
            except InvalidTag:
                continue
            except ValueError:  # a nonce of no possible length, or no text inside
                _refuse(org_id)
        _refuse(org_id)

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


def _for_admin(org_id: OrgId) -> bytes:
    return f"{org_id}/admin".encode()


def _refuse(org_id: OrgId) -> NoReturn:
    raise MasterKeyError(
        f"the stored Arc key of {org_id} does not open with this master key",
        hint=f"{_WAY_OUT}; or store the Arc key again with `memtrace org add-arc {org_id}`",
    ) from None
