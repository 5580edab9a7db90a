"""Who calls and where their memories live: orgs, API keys and bindings."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from core.model.errors import NoArcInstance
from core.model.memory import Micros, OrgId
from core.model.org_settings import NO_SETTINGS, OrgSettings

Permission = Literal["read", "write", "admin"]
PERMISSIONS: Final[tuple[Permission, ...]] = ("read", "write", "admin")
DEFAULT_ORG: Final = OrgId("org_default")
FILE_SCHEME: Final = "file:"


@dataclass(frozen=True, slots=True)
class Org:
    id: OrgId
    name: str
    created_at: datetime
    settings: OrgSettings = NO_SETTINGS


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as stored: never the key itself."""

    id: int
    org_id: OrgId
    name: str
    prefix: str
    hash: str = field(repr=False)
    permissions: frozenset[Permission]
    created_at: datetime
    expires_at: datetime | None = None
    enabled: bool = True

    def is_valid(self, now: datetime) -> bool:
        return self.enabled and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class Binding:
    """Where one org's memories live. `arc_key` is the opened Arc key, empty for an embedded store."""

    id: str
    org_id: OrgId
    url: str
    database: str
    measurement: str
    created: Micros
    arc_key: str = field(default="", repr=False)
    admin_key: str = field(default="", repr=False)
    """The opened key for deleting; only the flusher and commands ever ask for it."""
    key_opens: bool = True
    """False when the stored Arc key does not open with this master key: a store must refuse its use."""

    @property
    def is_embedded(self) -> bool:
        return self.url.startswith(FILE_SCHEME)


@dataclass(frozen=True, slots=True)
class SealedBinding:
    """A binding as stored: the Arc key is AES-256-GCM ciphertext beside its nonce.

    So is the admin key, both parts empty where there is none.
    """

    id: str
    org_id: OrgId
    url: str
    database: str
    measurement: str
    created: Micros
    cipher: bytes = field(repr=False)
    nonce: bytes = field(repr=False)
    admin_cipher: bytes = field(default=b"", repr=False)
    admin_nonce: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. The org comes from here and from nowhere else."""

    org_id: OrgId
    org_name: str
    key_name: str
    permissions: frozenset[Permission]
    expires_at: datetime | None
    binding: Binding | None
    key_id: int = 0
    """0 where no key is asked for."""
    settings: OrgSettings = NO_SETTINGS
    """Of its org."""

    def may(self, permission: Permission) -> bool:
        """`admin` implies both others."""
        return permission in self.permissions or "admin" in self.permissions

    def bound(self) -> Binding:
        """The org's binding. Raises NoArcInstance, with the way out, when it has none."""
        if self.binding is None:
            raise NoArcInstance(hint=f"ask an admin to run `memtrace org add-arc {self.org_id}`")
        return self.binding
