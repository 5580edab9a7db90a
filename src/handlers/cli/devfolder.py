"""The folder of `memtrace dev`: a master key, a database, a store, and `dev.env` that tells of them.

Made once and kept; whatever was lost of it is made again where that loses nothing.
"""

import contextlib
import os
import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from core.model.errors import ConfigurationError, NotFound, Unauthenticated
from core.model.tenant import DEFAULT_ORG, FILE_SCHEME, PERMISSIONS

if TYPE_CHECKING:
    from core.bootstrap.services import Services

DATABASE: Final = "memory"
_NO_FILE: Final = os.devnull


class DevFolder:
    """Everything of one development installation, by absolute paths."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder.expanduser().absolute()
        self.master_key: Final = self.folder / "master.key"
        self.database: Final = self.folder / "memtrace.db"
        self.store: Final = self.folder / "store"
        self.env: Final = self.folder / "dev.env"

    def make(self) -> None:
        """The folder (0700) and its master key (0600). Raises ConfigurationError.

        A database without its master key is refused: a new key would open nothing in it.
        """
        from core.vault import generate_master_key

        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.master_key.exists():
                return
            if self.database.exists():
                raise ConfigurationError(
                    f"{self.master_key} is missing, but {self.database} is there",
                    hint="put the database's master key into that file (`dev` takes it from nowhere else),"
                    " use `memtrace serve` for an installation that is not `dev`'s, or choose another"
                    " folder with --data",
                )
            put_in_place(self.master_key, generate_master_key() + "\n")
        except OSError as e:
            raise ConfigurationError(
                f"cannot write into {self.folder}: {e.strerror}", hint="choose another folder with --data"
            ) from e

    def environ(self, outer: Mapping[str, str], *, ignore_files: bool) -> dict[str, str]:
        """The outer environment, made to mean this installation."""
        return {**outer, **self._variables(ignore_files=ignore_files)}

    def _variables(self, *, ignore_files: bool) -> dict[str, str]:
        """An empty variable counts as none, so that no other installation's key is used."""
        variables = {
            "MEMTRACE_MASTER_KEY": "",
            "MEMTRACE_MASTER_KEY_FILE": str(self.master_key),
            "MEMTRACE_MASTER_KEY_SECRET_ARN": "",
            "MEMTRACE_AUTH_DB_PATH": str(self.database),
        }
        return variables | ({"MEMTRACE_CONFIG": _NO_FILE} if ignore_files else {})

    async def prepare(self, services: "Services", url: str) -> str:
        """`org_default`, its binding and its key, as they were or new; writes `dev.env`."""
        made = await services.tenants.bootstrap_default()
        news = await self._bind(services)
        key = made.plain if made else kept_key(self.env)
        if made is None and not await _is_valid(services, key):
            now = datetime.now(UTC).isoformat()
            granted = frozenset(PERMISSIONS)
            name = f"dev {now}"
            key = (await services.tenants.create_key(DEFAULT_ORG, name=name, permissions=granted)).plain
            news += "The key of before is not known any more: this is a new key.\n"
        self._tell(url, key)
        return news + words(url, key, self.folder, self.env, has_console=services.settings.server.console)

    async def _bind(self, services: "Services") -> str:
        """Binds `org_default` to the store here, unless it is bound; a folder that moved is followed."""
        here = FILE_SCHEME + str(self.store)
        try:
            bound = await services.tenants.show_binding(DEFAULT_ORG)
        except NotFound:
            await services.tenants.bind(DEFAULT_ORG, url=here, database=DATABASE)
            return ""
        if not self._has_moved(bound.url):
            return ""
        await services.tenants.bind(
            DEFAULT_ORG, url=here, database=bound.database, measurement=bound.measurement
        )
        return f"The folder moved: org_default is bound to {here} now.\n"

    def _has_moved(self, bound: str) -> bool:
        """Whether the store that is bound is no more, and one is here."""
        is_folder = bound.startswith(FILE_SCHEME)
        return is_folder and not Path(bound.removeprefix(FILE_SCHEME)).exists() and self.store.exists()

    def _tell(self, url: str, key: str) -> None:
        variables = {
            "MEMTRACE_URL": url,
            "MEMTRACE_API_KEY": key,
            **self._variables(ignore_files=True),
        }
        lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        put_in_place(self.env, "\n".join(lines) + "\n")


async def _is_valid(services: "Services", key: str) -> bool:
    if not key:
        return False
    try:
        principal = await services.gate.authenticate(key)
    except Unauthenticated:
        return False
    return principal.org_id == DEFAULT_ORG


def put_in_place(path: Path, text: str) -> None:
    """Replaces the file in one step; nobody but its owner can read it at any time."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)


def kept_key(env: Path) -> str:
    """The API key that this `dev.env` tells of; empty where there is none."""
    with contextlib.suppress(OSError, ValueError):
        for line in env.read_text().splitlines():
            for word in shlex.split(line):
                name, _, value = word.partition("=")
                if name == "MEMTRACE_API_KEY":
                    return value
    return ""


def words(url: str, key: str, folder: Path, env: Path, *, has_console: bool) -> str:
    """What whoever started it is told."""
    look = f"Look at it in a browser, with that key:\n  {url}/console\n" if has_console else ""
    header = shlex.quote(f"x-api-key: {key}")
    body = '{"agent_id":"me","session_id":"sess_first","content":"Memtrace works"}'
    return f"""\
Memtrace serves {url}
  API key  {key}
  data     {folder}

Write a memory:
  curl -s {url}/api/v1/memories -H {header} -H 'content-type: application/json' -d '{body}'
Read it back:
  curl -s '{url}/api/v1/memories?agent_id=me' -H {header}
{look}
In another shell, `. {shlex.quote(str(env))}` makes curl, the SDK and every memtrace command use it.
Ctrl-C stops it; started again on this folder it serves the same memories with the same key.
"""
