"""Bindings in SQLite: one an org at most, its Arc key sealed."""

import sqlite3
from typing import Any, Final

from core.adapters.sqlite.database import Database
from core.adapters.sqlite.rows import moment_in, rules, text_of
from core.model.memory import OrgId
from core.model.tenant import SealedBinding
from core.model.timewindow import micros_of, moment_of

_COLUMNS: Final = (
    "id, org_id, url, database, measurement, created_at, api_key_cipher, api_key_nonce,"
    " admin_key_cipher, admin_key_nonce"
)


class SqliteBindings:
    """A `BindingStore`. Health seen through an earlier binding goes with it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_binding(self, org_id: OrgId) -> SealedBinding | None:
        def work(connection: sqlite3.Connection) -> SealedBinding | None:
            found = f"SELECT {_COLUMNS} FROM arc_instances WHERE org_id = ?"
            row = connection.execute(found, (org_id,)).fetchone()
            return _binding(row) if row else None

        return await self._database.read(work)

    async def list_bindings(self) -> list[SealedBinding]:
        """In the order of their orgs' ids."""

        return await self._database.read(all_bindings)

    async def put_binding(self, binding: SealedBinding) -> None:
        await self._database.write(lambda connection: replace_binding(connection, binding))

    async def set_admin_key(self, org_id: OrgId, cipher: bytes, nonce: bytes) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            return (
                connection.execute(
                    "UPDATE arc_instances SET admin_key_cipher = ?, admin_key_nonce = ? WHERE org_id = ?",
                    (cipher, nonce, org_id),
                ).rowcount
                > 0
            )

        return await self._database.write(work)

    async def reseal_binding(self, old: SealedBinding, new: SealedBinding) -> bool:
        return await self._database.write(lambda connection: _reseal(connection, old, new))

    async def remove_binding(self, org_id: OrgId) -> bool:
        return await self._database.write(lambda connection: _remove(connection, org_id))


def all_bindings(connection: sqlite3.Connection) -> list[SealedBinding]:
    """In the order of their orgs' ids."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM arc_instances ORDER BY org_id")
    return [_binding(row) for row in rows]


def replace_binding(connection: sqlite3.Connection, binding: SealedBinding) -> None:
    """Makes this the org's one binding, inside the caller's transaction. Raises as `put_binding` does."""
    created = text_of(moment_of(binding.created))
    values = (
        binding.id,
        binding.org_id,
        binding.url,
        binding.database,
        binding.measurement,
        created,
        binding.cipher,
        binding.nonce,
        binding.admin_cipher,
        binding.admin_nonce,
        created,
    )
    _remove(connection, binding.org_id)
    with rules(taken=f"the binding id '{binding.id}' is taken"):
        connection.execute(
            f"INSERT INTO arc_instances ({_COLUMNS}, updated_at) VALUES ({', '.join('?' * 11)})", values
        )


def _reseal(connection: sqlite3.Connection, old: SealedBinding, new: SealedBinding) -> bool:
    changed = connection.execute(
        """UPDATE arc_instances
            SET api_key_cipher = ?, api_key_nonce = ?, admin_key_cipher = ?, admin_key_nonce = ?
            WHERE org_id = ? AND id = ? AND api_key_cipher = ? AND api_key_nonce = ?
                AND coalesce(admin_key_cipher, x'') = ? AND coalesce(admin_key_nonce, x'') = ?""",
        (*_sealed(new), old.org_id, old.id, *_sealed(old)),
    )
    return changed.rowcount > 0


def _sealed(binding: SealedBinding) -> tuple[bytes, bytes, bytes, bytes]:
    return binding.cipher, binding.nonce, binding.admin_cipher, binding.admin_nonce


def _remove(connection: sqlite3.Connection, org_id: OrgId) -> bool:
    connection.execute("DELETE FROM store_health WHERE org_id = ?", (org_id,))
    return connection.execute("DELETE FROM arc_instances WHERE org_id = ?", (org_id,)).rowcount > 0


def _binding(row: tuple[Any, ...]) -> SealedBinding:
    binding_id, org_id, url, database, measurement, created_at, cipher, nonce, admin, admin_nonce = row
    return SealedBinding(
        id=binding_id,
        org_id=OrgId(org_id),
        url=url,
        database=database,
        measurement=measurement,
        created=micros_of(moment_in(created_at)),
        cipher=cipher,
        nonce=nonce,
        admin_cipher=admin or b"",
        admin_nonce=admin_nonce or b"",
    )
