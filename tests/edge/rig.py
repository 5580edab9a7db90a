"""An edge and what it needs: a database with one org and its key, an environment, events to send."""

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from core.bootstrap.admin import open_admin
from core.bootstrap.edge import open_edge
from core.settings_environ import load
from handlers.edge.function import Function
from local.arc.serving import Listener
from local.gateway.door import Gateway
from local.gateway.request import Stage
from local.lambda_runtime.function import LambdaFunction
from local.lambda_runtime.sandbox import Code
from tests.e2e.installation import environment

MASTER_KEY: Final = "bWVtdHJhY2UgdGVzdHMgdXNlIHRoaXMgb25lIGtleSE="
HANDLER: Final = "handlers.lambda_api.handler"
EVENTS: Final = Path(__file__).parents[2] / "events"
NOBODYS_ARC: Final = "http://127.0.0.1:9"
PLACEHOLDER: Final = "mtk_replace_me"


@dataclass(frozen=True)
class Deployed:
    """An organization with a key, and the variables of an edge that knows it."""

    folder: Path
    key: str = field(repr=False)
    environ: dict[str, str]

    def event(self, name: str) -> Any:
        """A recorded event, sent with the key."""
        return json.loads((EVENTS / f"{name}.json").read_text().replace(PLACEHOLDER, self.key))


def on_sqlite(folder: Path) -> dict[str, str]:
    """The variables of metadata and journal in a file that sandboxes share."""
    return {
        "MEMTRACE_AUTH_DB_PATH": str(folder / "memtrace.db"),
        "MEMTRACE_JOURNAL_MODE": "shared",
    }


def deployed(
    folder: Path, arc_url: str = NOBODYS_ARC, arc_key: str = "arc-key", metadata: dict[str, str] | None = None
) -> Deployed:
    """Made anew in this folder, or where these variables of its metadata lead."""
    given = {"MEMTRACE_MASTER_KEY": MASTER_KEY, "MEMTRACE_LOG_LEVEL": "debug"}
    environ = {**given, **(metadata or on_sqlite(folder))}

    async def make() -> str:
        async with open_admin(load(environ)) as admin:
            made = await admin.tenants.bootstrap_default()
            assert made is not None
            org_id = made.key.org_id
            await admin.tenants.bind(org_id, url=arc_url, database="memory", arc_key=arc_key)
            return made.plain

    return Deployed(folder, asyncio.run(make()), environ)


@contextlib.contextmanager
def function_of(environ: Mapping[str, str]) -> Iterator[Function]:
    """The function in this process, started."""
    function = Function(lambda: open_edge(load(environ)))
    try:
        function.start()
        yield function
    finally:
        function.close()


class Context:
    """What Lambda says of an invocation."""

    aws_request_id = "lambda-request-1"

    def __init__(self, seconds: float = 28.0) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return round(self._seconds * 1000)


@dataclass(frozen=True)
class Answer:
    """A result in API Gateway's shape, taken apart."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def ask(function: Function, event: Any, seconds: float = 28.0) -> Answer:
    """One invocation with a request."""
    result = function(event, Context(seconds))
    assert not result["isBase64Encoded"]
    json.dumps(result)
    return Answer(result["statusCode"], result["headers"], result["body"])


def told(log: io.StringIO, event: str) -> list[Any]:
    """The log's lines of this event."""
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line for line in lines if line["event"] == event]


def code_of(deployment: Deployed, handler: str = HANDLER, **changes: Any) -> Code:
    """The edge as a sandbox runs it, in the real runtime."""
    environ = {k: v for k, v in environment().items() if not k.startswith("AWS_")} | deployment.environ
    log = deployment.folder / "lambda.log"
    return Code(handler=handler, environ={**environ, **changes.pop("environ", {})}, log=log, **changes)


@contextlib.asynccontextmanager
async def running(code: Code, **options: Any) -> AsyncIterator[LambdaFunction]:
    """The function behind an emulated Lambda; its processes are gone in the end."""
    function = LambdaFunction(code, **options)
    try:
        yield function
    finally:
        await function.close()
        await asyncio.sleep(0)  # lets the loop see the ends of the processes


@contextlib.asynccontextmanager
async def published(
    function: LambdaFunction, stage: Stage | None = None, **options: Any
) -> AsyncIterator[str]:
    """The function behind an emulated API Gateway; its URL."""
    gateway = Gateway(function, stage, **options)
    listener = Listener(gateway)
    try:
        port = await listener.start("127.0.0.1", 0)
        yield f"http://127.0.0.1:{port}"
    finally:
        await listener.abort()
        await gateway.close()
