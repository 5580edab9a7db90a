"""The database file itself, for commands that look at it or bring it up to date."""

from pathlib import Path

from core.adapters.sqlite.inspection import inspect
from core.adapters.sqlite.migrate import migrate
from core.ports import DatabaseReport
from core.settings import Settings


def inspect_database(settings: Settings) -> DatabaseReport | None:
    """What a look at it found; changes nothing. None when there is none. Blocks. Raises DatabaseError."""
    return inspect(Path(settings.auth.db_path))


def migrate_database(settings: Settings) -> list[str]:
    """Brings it up to date; the names of what was applied. Blocks. Raises DatabaseError."""
    return migrate(Path(settings.auth.db_path))
