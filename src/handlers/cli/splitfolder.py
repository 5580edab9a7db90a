"""The folder of `memtrace dev --aws`: what the stand-ins hold, their ports, their logs, and `dev.env`."""

import contextlib
import json
import os
import shlex
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from core.auth import Authenticator, Callers
from core.hashing import Hasher
from core.model.errors import ConfigurationError, NotFound, Unauthenticated
from core.model.tenant import DEFAULT_ORG, PERMISSIONS
from core.telemetry import NoMetrics
from handlers.cli.devfolder import DATABASE, kept_key, put_in_place, words
from local.arc.settings import ADMIN_TOKEN
from local.sqs.attributes import ACCOUNT as QUEUES

if TYPE_CHECKING:
    from core.bootstrap.admin import Admin
    from core.settings import Settings

TABLE: Final = "memtrace"
QUEUE: Final = "memtrace"
DEAD_LETTERS: Final = "memtrace-dead"
REGION: Final = "us-east-1"
ACCOUNT: Final = "123456789012"
SECRET_ARN: Final = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:memtrace/master-key"
_HOST: Final = "127.0.0.1"
_NO_FILE: Final = os.devnull
_INHERITED: Final = ("HOME", "LANG", "PATH", "TMPDIR", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Ports:
    """Of the stand-ins; the same at every start, as long as they are free."""

    cloud: int
    queue: int
    arc: int


class SplitFolder:
    """Everything of one installation, by absolute paths."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder.expanduser().absolute()
        self.env: Final = self.folder / "dev.env"
        self._own: Final = self.folder / "aws"
        self.cloud: Final = self._own / "cloud"
        self.arc: Final = self._own / "arc"
        self._key = ""

    def make(self) -> None:
        """The folders (0700). Raises ConfigurationError."""
        try:
            for folder in (self.folder, self._own, self.cloud, self.arc, self._own / "logs"):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as e:
            raise ConfigurationError(
                f"cannot write into {self.folder}: {e.strerror}", hint="choose another folder with --data"
            ) from e

    @cached_property
    def ports(self) -> Ports:
        """Those of the last start where all are free, else new ones."""
        file = self._own / "ports.json"
        with contextlib.suppress(OSError, ValueError, TypeError):
            known = Ports(**json.loads(file.read_text()))
            if all(map(_is_free, asdict(known).values())):
                return known
        ports = Ports(*_free_ports(3))
        put_in_place(file, json.dumps(asdict(ports)))
        return ports

    def log(self, name: str) -> Path:
        return self._own / "logs" / f"{name}.log"

    def first_key(self) -> str:
        """What the secret holds at the very first start."""
        from core.vault import generate_master_key

        return generate_master_key()

    def environ(self, outer: Mapping[str, str]) -> dict[str, str]:
        """The outer environment, made to mean this installation."""
        foreign = ("MEMTRACE_MASTER_KEY", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")
        kept = {name: value for name, value in outer.items() if not name.startswith(foreign)}
        return {**kept, **self._variables()}

    def edge_environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """All that a sandbox sees of it."""
        ours = ("MEMTRACE_", "AWS_")
        kept = {n: v for n, v in environ.items() if n.startswith(ours) or n in _INHERITED}
        kept.pop("MEMTRACE_CONFIG")  # a function reads no file
        return kept

    def _variables(self) -> dict[str, str]:
        cloud = f"http://{_HOST}:{self.ports.cloud}"
        queues = f"http://{_HOST}:{self.ports.queue}"
        return {
            "MEMTRACE_CONFIG": _NO_FILE,
            "MEMTRACE_METADATA_BACKEND": "dynamodb",
            "MEMTRACE_DYNAMODB_TABLE": TABLE,
            "MEMTRACE_QUEUE_URL": f"{queues}/{QUEUES}/{QUEUE}",
            "MEMTRACE_QUEUE_DEAD_LETTER_URL": f"{queues}/{QUEUES}/{DEAD_LETTERS}",
            "MEMTRACE_MASTER_KEY_SECRET_ARN": SECRET_ARN,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_DYNAMODB": cloud,
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": cloud,
            "AWS_ENDPOINT_URL_SQS": queues,
        }

    async def prepare(self, admin: "Admin", arc: str, arc_key: str) -> None:
        """`org_default`, bound to this Arc, and its key, as they were or new."""
        made = await admin.tenants.bootstrap_default()
        await self._bind(admin, arc, arc_key)
        self._key = made.plain if made else kept_key(self.env)
        if made is None and not await _is_valid(admin, self._key):
            name = f"dev {datetime.now(UTC).isoformat()}"
            granted = frozenset(PERMISSIONS)
            new = await admin.tenants.create_key(DEFAULT_ORG, name=name, permissions=granted)
            self._key = new.plain

    async def _bind(self, admin: "Admin", arc: str, arc_key: str) -> None:
        try:
            bound = await admin.tenants.show_binding(DEFAULT_ORG)
        except NotFound:
            bound = None
        if bound is None or bound.url != arc:
            key = arc_key or ADMIN_TOKEN
            bound = await admin.tenants.bind(DEFAULT_ORG, url=arc, database=DATABASE, arc_key=key)
        ours = arc == f"http://{_HOST}:{self.ports.arc}"
        if ours and not bound.masked_admin_key:  # without one no deletion would ever be done
            await admin.tenants.set_admin_key(DEFAULT_ORG, ADMIN_TOKEN)

    async def tell(self, settings: "Settings", url: str) -> str:
        """Writes `dev.env`; the words for whoever started it."""
        variables = {"MEMTRACE_URL": url, "MEMTRACE_API_KEY": self._key, **self._variables()}
        lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        put_in_place(self.env, "\n".join(lines) + "\n")
        return words(url, self._key, self.folder, self.env, has_console=settings.server.console)


async def _is_valid(admin: "Admin", key: str) -> bool:
    if not key:
        return False
    callers = Callers(orgs=admin.backend.orgs, bindings=admin.bindings, vault=admin.vault)
    gate = Authenticator(
        keys=admin.backend.keys, callers=callers, hasher=Hasher(), clock=admin.clock, metrics=NoMetrics()
    )
    with contextlib.closing(gate):
        try:
            return (await gate.authenticate(key)).org_id == DEFAULT_ORG
        except Unauthenticated:
            return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((_HOST, 0))
        return [probe.getsockname()[1] for probe in probes]
