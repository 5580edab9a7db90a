"""What the server, the flusher and the commands are built of alike."""

import contextlib
from pathlib import Path
from typing import Final

from core.adapters.events.engine import Engine
from core.adapters.events.parquet import ParquetStore
from core.adapters.sqlite.database import CACHE_KIB, Database
from core.adapters.sqlite.migrate import migrate
from core.ports import Clock
from core.settings import Settings

_HIDES_FOR: Final = 15.0
"""Seconds for which a reader may act on what it knew: its binding is up to ten seconds old, a listing two."""


def open_database(
    settings: Settings, closing: contextlib.ExitStack, *, cache_kib: int = CACHE_KIB, readers: int = 2
) -> Database:
    """The file, brought up to date. Raises DatabaseError."""
    path = Path(settings.auth.db_path)
    migrate(path)
    return closing.enter_context(
        contextlib.closing(
            Database(path, synchronous=settings.journal.synchronous, cache_kib=cache_kib, readers=readers)
        )
    )


def embedded_store(
    settings: Settings, clock: Clock, closing: contextlib.ExitStack, *, threads: int | None = None
) -> ParquetStore:
    """The store of `file:` bindings; DuckDB itself is imported when it is first used."""
    engine = Engine(memory_limit_mb=settings.store.memory_limit_mb, threads=threads or settings.store.threads)
    closing.enter_context(contextlib.closing(engine))
    return ParquetStore(
        engine=engine, clock=clock, query_timeout=settings.arc.query_timeout, hides_for=_HIDES_FOR
    )
