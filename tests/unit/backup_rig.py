"""A small installation in a folder, to be backed up and restored in one process."""

import asyncio
import base64
import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.adapters.clock import SystemClock
from core.adapters.events.engine import Engine
from core.adapters.events.parquet import ParquetStore
from core.bootstrap.backup import opened_backup, restore_backup, write_backup
from core.model.backup import Manifest, Restored
from core.model.memory import Memory, MemoryFilter, OrgId
from core.model.tenant import Binding
from core.restores import Target
from core.settings import AuthSettings, Settings
from core.vault import Vault
from tests.clock import ManualClock
from tests.contract.event_stores import ALWAYS, collapsed, memory, parcel
from tests.contract.journals import ACME, Workshop, draft, make_file, workshop

KEY: Final = base64.b64encode(b"k" * 32).decode()
OTHER_KEY: Final = base64.b64encode(b"x" * 32).decode()


def ignored(_: int) -> None:
    """For those who are told of progress."""


@dataclass
class Installation:
    """A database with two orgs; `org_acme` is bound to a folder beside it."""

    folder: Path
    master_key: str = KEY

    @property
    def database(self) -> Path:
        return self.folder / "memtrace.db"

    @property
    def root(self) -> Path:
        return self.folder / "store"

    @property
    def settings(self) -> Settings:
        return Settings(auth=AuthSettings(db_path=self.database), master_key=self.master_key)

    def make(self) -> "Installation":
        self.folder.mkdir(exist_ok=True)
        make_file(self.database)
        self.bind(f"file:{self.root}")
        self.root.mkdir()
        return self

    def bind(self, url: str, org: str = ACME, database: str = "db") -> None:
        cipher, nonce = Vault(b"k" * 32).seal(OrgId(org), "")
        self.run("DELETE FROM arc_instances WHERE org_id = ?", org)
        self.run(
            """INSERT INTO arc_instances (id, org_id, url, database, measurement, created_at,
               api_key_cipher, api_key_nonce) VALUES (?, ?, ?, ?, 'events', '2026-01-01', ?, ?)""",
            *(f"arc_{org}", org, url, database, cipher, nonce),
        )

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return run(self.database, statement, *values)

    @contextlib.contextmanager
    def shop(self) -> Iterator[Workshop]:
        with workshop(self.database, ManualClock()) as shop:
            yield shop

    def write(self, *contents: str) -> None:
        """Acknowledged memories that no store has yet."""
        with self.shop() as shop:
            asyncio.run(shop.journal.append(ACME, [draft(one) for one in contents], None))

    def store(self, *memories: Memory) -> None:
        """Memories that the store has."""
        asyncio.run(_stored(self.root, memories))

    def stored(self, root: Path | None = None) -> list[str]:
        """What a reader of the store sees."""
        return [m.content for m in asyncio.run(_read(root or self.root))]

    def backup(self, name: str = "backup.tar") -> Path:
        self.manifest(name)
        return self.folder.parent / name

    def manifest(self, name: str = "backup.tar") -> Manifest:
        return write_backup(self.settings, self.folder.parent / name, replace=True, seen=ignored)

    def restore(self, archive: Path, **more: Any) -> Restored:
        target = Target(self.database, more.pop("store_root", None), any_key=more.pop("any_key", False))
        with opened_backup(archive, ignored) as (reader, manifest):
            return restore_backup(self.settings, reader, manifest, target, ignored, **more)

    @property
    def contents(self) -> list[str]:
        """What waits in the journal."""
        with self.shop() as shop:
            return asyncio.run(shop.contents())


def run(database: Path, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        return connection.execute(statement, values).fetchall()


def hour(*numbers: int, **fields: object) -> list[Memory]:
    return [memory(number, **fields) for number in numbers]  # type: ignore[arg-type]


@contextlib.contextmanager
def _opened(root: Path) -> Iterator[tuple[ParquetStore, Binding]]:
    engine = Engine(memory_limit_mb=128, threads=1)
    try:
        store = ParquetStore(engine=engine, clock=SystemClock(), query_timeout=30)
        yield store, Binding("arc_1", ACME, f"file:{root}", "db", "events", 0)
    finally:
        engine.close()


async def _stored(root: Path, memories: Sequence[Memory]) -> None:
    with _opened(root) as (store, binding):
        await store.append(binding, parcel(memories))


async def _read(root: Path) -> list[Memory]:
    with _opened(root) as (store, binding):
        return collapsed(await store.search(binding, MemoryFilter(), ALWAYS, "asc", 10_000, None))
