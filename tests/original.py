"""A real installation of Memtrace v0.2.0, and others built in its schema. Their keys belong to nothing."""

import base64
import contextlib
import json
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.model.memory import OrgId

FOLDER: Final = Path(__file__).parent / "fixtures" / "original-v0.2.0"
_SECRETS: Final = json.loads((FOLDER / "secrets.json").read_text())
MASTER_KEY: Final[str] = _SECRETS["master_key"]
API_KEYS: Final[dict[str, str]] = _SECRETS["keys"]
ARC_KEY: Final[str] = _SECRETS["arc_api_key"]
ACME: Final = OrgId(_SECRETS["org_id"])
UNBOUND: Final = OrgId("org_b2798134c263a5b93f3d710b")
LISTING: Final[list[dict[str, Any]]] = json.loads((FOLDER / "listing.json").read_text())["memories"]
AT: Final = "2026-11-21 00:43:14"


def copied_to(folder: Path) -> Path:
    """A copy of its database that may be changed."""
    path = folder / "memtrace.db"
    shutil.copyfile(FOLDER / "memtrace.db", path)
    return path


def sealed(plain: str, master_key: str = MASTER_KEY) -> tuple[bytes, bytes]:
    """As the original seals: no additional data, the nonce apart."""
    nonce = secrets.token_bytes(12)
    return AESGCM(base64.b64decode(master_key)).encrypt(nonce, plain.encode(), None), nonce


class Built:
    """A database with the real one's schema and other rows, open until `close`."""

    def __init__(self, path: Path, *, page_size: int = 4096) -> None:
        self.path = path
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute(f"PRAGMA page_size={page_size}")
        self.connection.execute("PRAGMA journal_mode=WAL")
        uri = f"file:{FOLDER / 'memtrace.db'}?immutable=1"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as real:
            for (sql,) in real.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall():
                if "sqlite_" not in sql:
                    self.connection.execute(sql)

    def run(self, sql: str, *values: object) -> list[Any]:
        return self.connection.execute(sql, values).fetchall()

    def org(self, org_id: str, name: object = "", created: object = AT) -> str:
        self.run(
            "INSERT INTO organizations (id, name, created_at) VALUES (?, ?, ?)",
            org_id,
            name or org_id,
            created,
        )
        return org_id

    def key(self, org_id: str, name: object, **columns: object) -> None:
        """A key that is `API_KEYS["read_write"]`, unless another hash and prefix are given."""
        values = {
            "key_hash": "$2a$10$Ytr5vcvCMG60OODsvOTai.A6qjWaYWBuxg3HVT28Cy0Jx7VPYC1tS",
            "key_prefix": "587b676e8501bfac",
            "name": name,
            "org_id": org_id,
            "created_at": AT,
            **columns,
        }
        self._insert("api_keys", values)

    def agent(self, org_id: str, agent_id: str, **columns: object) -> None:
        values = {"id": agent_id, "org_id": org_id, "name": agent_id, "created_at": AT, **columns}
        self._insert("agents", values)

    def session(self, org_id: str, session_id: str, **columns: object) -> None:
        values = {"id": session_id, "org_id": org_id, "agent_id": "agent_gone", "created_at": AT, **columns}
        self._insert("sessions", values)

    def binding(self, org_id: str, url: str = "http://arc:8000", **columns: object) -> None:
        cipher, nonce = sealed(ARC_KEY)
        values = {
            "id": f"arc_of_{org_id}",
            "org_id": org_id,
            "url": url,
            "api_key_cipher": cipher,
            "api_key_nonce": nonce,
            "database": "memory",
            **columns,
        }
        self._insert("arc_instances", values)

    def _insert(self, table: str, values: dict[str, object]) -> None:
        marks = ", ".join("?" for _ in values)
        self.run(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", *values.values())

    def close(self) -> None:
        self.connection.close()


@contextlib.contextmanager
def built(folder: Path, *, page_size: int = 4096) -> Iterator[Built]:
    """Closed when left, as after an orderly stop."""
    made = Built(folder / "memtrace.db", page_size=page_size)
    try:
        yield made
    finally:
        made.close()
