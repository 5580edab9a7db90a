"""API keys in SQLite: hashes and lookup prefixes, never a key itself."""

import re
import sqlite3
from datetime import datetime
from typing import Any, Final

from core.adapters.sqlite.database import Database
from core.adapters.sqlite.rows import moment_in, moment_or_none, rules, text_of
from core.model.memory import OrgId
from core.model.tenant import PERMISSIONS, ApiKey, Permission

_BETWEEN: Final = re.compile(r"[\s,;]+")
_COLUMNS: Final = "id, org_id, name, key_prefix, key_hash, permissions, created_at, expires_at, enabled"


class SqliteKeys:
    """A `KeyStore`. A revoked key's name is free for its successor."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_key(
        self,
        org_id: OrgId,
        name: str,
        prefix: str,
        hash: str,
        permissions: frozenset[Permission],
        expires_at: datetime | None,
        created_at: datetime,
    ) -> ApiKey:
        def work(connection: sqlite3.Connection) -> ApiKey:
            with rules(taken=f"key '{name}' already exists in this organization"):
                row = connection.execute(
                    f"""INSERT INTO api_keys
                            (org_id, name, key_prefix, key_hash, permissions, created_at, expires_at)
                        VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING {_COLUMNS}""",
                    (
                        org_id,
                        name,
                        prefix,
                        hash,
                        ",".join(p for p in PERMISSIONS if p in permissions),
                        text_of(created_at),
                        text_of(expires_at) if expires_at else None,
                    ),
                ).fetchone()
            return _key(row)

        return await self._database.write(work)

    async def find_keys(self, prefix: str) -> list[ApiKey]:
        return await self._select("key_prefix = ?", prefix)

    async def list_keys(self, org_id: OrgId) -> list[ApiKey]:
        return await self._select("org_id = ?", org_id)

    async def _select(self, condition: str, value: str) -> list[ApiKey]:
        def work(connection: sqlite3.Connection) -> list[ApiKey]:
            found = f"SELECT {_COLUMNS} FROM api_keys WHERE {condition} ORDER BY id"
            return [_key(row) for row in connection.execute(found, (value,))]

        return await self._database.read(work)

    async def revoke_key(self, key_id: int) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            revoked = "UPDATE api_keys SET enabled = 0 WHERE id = ?"
            return connection.execute(revoked, (key_id,)).rowcount > 0

        return await self._database.write(work)


def _key(row: tuple[Any, ...]) -> ApiKey:
    key_id, org_id, name, prefix, hash, permissions, created_at, expires_at, enabled = row
    return ApiKey(
        id=key_id,
        org_id=OrgId(org_id),
        name=name,
        prefix=prefix,
        hash=hash,
        permissions=permissions_in(permissions),
        created_at=moment_in(created_at),
        expires_at=moment_or_none(expires_at),
        enabled=bool(enabled),
    )


def permissions_in(text: str) -> frozenset[Permission]:
    """In any order, with blanks or not. Words that are no permission, as another writer may have left them,
    permit nothing."""
    words = set(_BETWEEN.split(text.lower()))
    return frozenset(permission for permission in PERMISSIONS if permission in words)
