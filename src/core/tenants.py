"""What operators do: organizations, their bindings and their API keys, and the first start."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Protocol, Unpack

from core.apikeys import NewKey, lookup_prefix, new_key
from core.bindings import (
    DEFAULT_MEASUREMENT,
    AskedBinding,
    ShownBinding,
    checked_admin_key,
    checked_arc_key,
    checked_database,
    checked_measurement,
    checked_url,
    masked,
)
from core.hashing import Hasher
from core.ids import new_id
from core.model.errors import AlreadyExists, ConfigurationError, Conflict, InvalidRequest, NotFound
from core.model.memory import OrgId
from core.model.names import breaks_line
from core.model.tenant import DEFAULT_ORG, PERMISSIONS, ApiKey, Org, Permission, SealedBinding
from core.model.timewindow import moment_of
from core.ports import Backlog, BindingStore, Clock, KeyStore, OrgStore, StorePlaces
from core.telemetry import info
from core.vault import Vault

ADMIN_KEY: Final = "admin"
LEGACY_BINDING: Final = "arc_default"
_LONGEST_NAME: Final = 200


class Backlogs(Protocol):
    """What the journal holds per org; the ledger knows."""

    async def backlogs(self) -> list[Backlog]: ...


class Tenants:
    """Takes hold on a running server within seconds. Nothing here trusts its input."""

    def __init__(
        self,
        *,
        orgs: OrgStore,
        keys: KeyStore,
        bindings: BindingStore,
        ledger: Backlogs,
        places: StorePlaces,
        vault: Vault,
        hasher: Hasher,
        clock: Clock,
    ) -> None:
        self._orgs = orgs
        self._keys = keys
        self._bindings = bindings
        self._ledger = ledger
        self._places = places
        self._vault = vault
        self._hasher = hasher
        self._clock = clock

    # --- organizations

    async def create_org(self, name: str) -> Org:
        """Names need not be unique; ids are."""
        org = Org(OrgId(new_id("org")), _checked_name("name", name), self._now())
        await self._orgs.create_org(org)
        return org

    async def list_orgs(self) -> list[Org]:
        return await self._orgs.list_orgs()

    async def show_org(self, org_id: OrgId) -> Org:
        """Raises NotFound."""
        return await self._org(org_id)

    async def set_org(self, org_id: OrgId, changes: Mapping[str, float | None]) -> Org:
        """Merges settings, as `org_changes` checked them, into the org's; None takes one away. NotFound."""
        if await self._orgs.update_org_settings(org_id, changes) is None:
            raise _no_org(org_id)
        return await self._org(org_id)

    async def delete_org(self, org_id: OrgId) -> None:
        """With its binding, keys, agents, sessions and journal; the store's memories stay. NotFound."""
        if not await self._orgs.delete_org(org_id):
            raise _no_org(org_id)

    # --- bindings

    async def bind(self, org_id: OrgId, **asked: Unpack[AskedBinding]) -> ShownBinding:
        """Adds or replaces the org's binding; what is owed goes to the new one.

        Makes the folder of a `file:` binding. NotFound, InvalidRequest; StoreUnreachable where
        the folder cannot be made: then nothing is changed.
        """
        sealed = await self.new_binding(org_id, **asked)
        await self._bindings.put_binding(sealed)
        return self._shown(sealed)

    async def new_binding(self, org_id: OrgId, **asked: Unpack[AskedBinding]) -> SealedBinding:
        """A binding that is not in force yet, its place made ready; raises as `bind` does."""
        url = checked_url(asked["url"])
        cipher, nonce = self._vault.seal(org_id, checked_arc_key(asked.get("arc_key", ""), url))
        admin_cipher, admin_nonce = self._sealed_admin_key(org_id, asked.get("admin_key", ""), url)
        sealed = SealedBinding(
            id=asked.get("id", "") or new_id("arc"),
            org_id=org_id,
            url=url,
            database=checked_database(asked["database"]),
            measurement=checked_measurement(asked.get("measurement", DEFAULT_MEASUREMENT)),
            created=self._clock.micros(),
            cipher=cipher,
            nonce=nonce,
            admin_cipher=admin_cipher,
            admin_nonce=admin_nonce,
        )
        await self._org(org_id)
        await self._places.prepare(self._vault.binding(sealed))
        return sealed

    async def set_admin_key(self, org_id: OrgId, admin_key: str) -> ShownBinding:
        """Adds or replaces the admin key of the binding in force; empty removes it.

        Raises NotFound or InvalidRequest.
        """
        sealed = await self._bindings.find_binding(org_id)
        url = sealed.url if sealed else ""
        if not await self._bindings.set_admin_key(org_id, *self._sealed_admin_key(org_id, admin_key, url)):
            await self._org(org_id)
            raise _no_binding(org_id)
        return await self.show_binding(org_id)

    def _sealed_admin_key(self, org_id: OrgId, admin_key: str, url: str) -> tuple[bytes, bytes]:
        plain = checked_admin_key(admin_key, url)
        return self._vault.seal_admin_key(org_id, plain) if plain else (b"", b"")

    async def show_binding(self, org_id: OrgId) -> ShownBinding:
        """NotFound (org or binding); MasterKeyError when its Arc key does not open."""
        sealed = await self._bindings.find_binding(org_id)
        if sealed is None:
            await self._org(org_id)
            raise _no_binding(org_id)
        return self._shown(sealed)

    def _shown(self, sealed: SealedBinding) -> ShownBinding:
        binding = self._vault.binding(sealed)
        return ShownBinding(
            binding.id,
            binding.org_id,
            binding.url,
            binding.database,
            binding.measurement,
            moment_of(binding.created),
            masked(binding.arc_key),
            masked(self._vault.admin_key(sealed)),
        )

    async def unbind(self, org_id: OrgId, *, force: bool = False) -> None:
        """Raises Conflict, saying how much, while the journal owes the store anything, unless forced."""
        if not force:
            await self._refuse_while_owing(org_id)
        if not await self._bindings.remove_binding(org_id):
            await self._org(org_id)
            raise _no_binding(org_id)

    async def _refuse_while_owing(self, org_id: OrgId) -> None:
        """Delivered counts too: until it is settled, the store may have to be given it again."""
        waiting = sum(b.owed + b.delivered for b in await self._ledger.backlogs() if b.org_id == org_id)
        if waiting:
            raise Conflict(
                f"{waiting} memories of {org_id} are not settled in its store yet",
                hint="wait until `memtrace status` shows none; with --force they wait for a new binding",
                waiting=waiting,
            )

    async def check_master_key(self) -> None:
        """Every stored Arc key opens. Raises MasterKeyError naming the first org whose key does not."""
        for sealed in await self._bindings.list_bindings():
            self._vault.binding(sealed)
            self._vault.admin_key(sealed)

    # --- API keys

    async def create_key(
        self,
        org_id: OrgId,
        *,
        name: str,
        permissions: frozenset[Permission],
        expires_at: datetime | None = None,
    ) -> NewKey:
        """Raises NotFound (the org) or AlreadyExists (an enabled key of that name in the org)."""
        name = _checked_name("name", name)
        plain = new_key()
        hash = await self._hasher.hash(plain)
        key = await self._keys.create_key(
            org_id, name, lookup_prefix(plain), hash, permissions, expires_at, self._now()
        )
        return NewKey(key, plain)

    async def list_keys(self, org_id: OrgId) -> list[ApiKey]:
        """Revoked ones too. Raises NotFound."""
        await self._org(org_id)
        return await self._keys.list_keys(org_id)

    async def revoke_key(self, key_id: int) -> None:
        """For good; may be repeated. Raises NotFound."""
        if not await self._keys.revoke_key(key_id):
            raise NotFound(f"no API key has the id {key_id}")

    # --- the first start

    async def bootstrap_default(self) -> NewKey | None:
        """Where there is no org: `org_default` and its admin key. None on every later start.

        Ends what an earlier first start, killed between the two, had begun.
        """
        others = [org for org in await self._orgs.list_orgs() if org.id != DEFAULT_ORG]
        if others or await self._keys.list_keys(DEFAULT_ORG):
            return None
        await self.ensure_default_org()
        try:
            key = await self.create_key(DEFAULT_ORG, name=ADMIN_KEY, permissions=frozenset(PERMISSIONS))
        except AlreadyExists:  # another process was quicker, and shows it
            return None
        info("org_bootstrapped", org_id=DEFAULT_ORG)
        return key

    async def ensure_default_org(self) -> None:
        """`org_default` exists when this returns, as a server without authentication needs it."""
        if await self._orgs.find_org(DEFAULT_ORG) is None:
            try:
                await self._orgs.create_org(Org(DEFAULT_ORG, "Default", self._now()))
            except AlreadyExists:
                return

    async def adopt_arc_block(self, *, url: str, arc_key: str, database: str, measurement: str) -> bool:
        """Takes over the original's `[arc]` block as `org_default`'s binding, where there is none at all.

        Raises ConfigurationError where it can be no binding.
        """
        if await self._bindings.list_bindings():
            return False
        await self.ensure_default_org()
        try:
            await self.bind(
                DEFAULT_ORG,
                url=url,
                arc_key=arc_key,
                database=database,
                measurement=measurement,
                id=LEGACY_BINDING,
            )
        except InvalidRequest as e:
            raise ConfigurationError(
                f"the [arc] block of the configuration cannot be taken over: arc.{e.message}",
                hint="correct it, or remove arc.url and use `memtrace org add-arc`",
            ) from e
        info("arc_block_adopted", org_id=DEFAULT_ORG)
        return True

    # ---

    async def _org(self, org_id: OrgId) -> Org:
        org = await self._orgs.find_org(org_id)
        if org is None:
            raise _no_org(org_id)
        return org

    def _now(self) -> datetime:
        return moment_of(self._clock.micros())


def _no_org(org_id: OrgId) -> NotFound:
    return NotFound(f"organization '{org_id}' not found", hint="`memtrace org list` shows them all")


def _no_binding(org_id: OrgId) -> NotFound:
    return NotFound(f"{org_id} has no arc instance", hint=f"bind it with `memtrace org add-arc {org_id}`")


def _checked_name(field: str, name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= _LONGEST_NAME or breaks_line(name):
        raise InvalidRequest(
            f"{field} must be 1 to {_LONGEST_NAME} characters, none of them a control character", field=field
        )
    return name
