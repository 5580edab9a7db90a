"""How a double of Arc is to behave."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ADMIN_TOKEN: Final = "arc-double-admin-token-for-tests-only"
"""The token of a double that was given none. Not a secret: a double holds nothing worth one."""


@dataclass(frozen=True, slots=True)
class ArcSettings:
    """Times in seconds. The defaults are those of the configuration file that Arc is shipped with."""

    data: Path
    """The folder: `data` below it is the storage root, as Arc lays it out, `wal` the write-ahead log."""
    admin_token: str = field(default=ADMIN_TOKEN, repr=False)
    buffer_age: float = 0.1
    """How long rows wait in memory, where nobody sees them; 0 writes them within the request."""
    buffer_rows: int = 50_000
    max_payload: int = 1 << 30
    """Bytes of a body, as sent and again after decompression."""
    wal: bool = False
    delete_enabled: bool = True
    confirmation_threshold: int = 10_000
    max_rows_per_delete: int = 1_000_000
    query_timeout: float = 300.0
    strict: bool = True
    """Refuse SQL that Arc would take and get wrong (`strictness.py`), so that tests notice it."""
    memory_limit_mb: int = 256
    threads: int = 2

    @property
    def root(self) -> Path:
        return self.data / "data"
