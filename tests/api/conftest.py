"""Fixtures of the API's tests."""

import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from core.adapters.aws.light import LightAws
from core.adapters.clock import SystemClock
from core.adapters.dynamodb.table import create
from core.adapters.sqlite.migrate import migrate
from core.adapters.sqlite.sharing import make_shared
from core.settings import AuthSettings, JournalSettings, ServerSettings, Settings
from core.settings_aws import DynamodbSettings, MetadataSettings
from local.arc.settings import ADMIN_TOKEN
from local.gateway.request import Stage
from tests.api.edges import opened_edges
from tests.api.rig import MASTER_KEY, Api, Store, opened
from tests.aws.moto_server import served_moto
from tests.edge.conftest import arc_url

__all__ = ["arc_url"]

SERVER: Final = "server"
DOORS: Final = (SERVER, "edges on a shared file", "edges on a table")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "every_door: the API is also called through functions in Lambda")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "door" in metafunc.fixturenames:
        is_for_all = metafunc.definition.get_closest_marker("every_door") is not None
        metafunc.parametrize("door", DOORS if is_for_all else (SERVER,))


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with all its tables, to copy."""
    path = tmp_path_factory.mktemp("migrated") / "memtrace.db"
    migrate(path)
    return path


@pytest.fixture(scope="session")
def aws() -> Iterator[Mapping[str, str]]:
    """The variables that lead to a DynamoDB."""
    with served_moto() as environ:
        yield environ


@pytest.fixture
async def api(door: str, request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    """Behind the server; tests marked `every_door` are run behind each."""
    async with request.getfixturevalue(_OPENERS[door])() as api:
        yield api


Opener = Callable[[], AbstractAsyncContextManager[Api]]


@pytest.fixture
def behind_the_server(migrated: Path, tmp_path: Path) -> Opener:
    shutil.copyfile(migrated, tmp_path / "memtrace.db")
    return lambda: opened(tmp_path / "memtrace.db", tmp_path / "store")


@pytest.fixture
def on_a_shared_file(migrated: Path, tmp_path: Path, arc_url: str) -> Opener:
    database = tmp_path / "memtrace.db"
    shutil.copyfile(migrated, database)
    make_shared(database)
    settings = Settings(
        server=ServerSettings(),
        auth=AuthSettings(db_path=database),
        journal=JournalSettings(mode="shared"),
        master_key=MASTER_KEY,
    )
    return lambda: opened_edges(settings, Store(arc_url, ADMIN_TOKEN), Stage(version=1))


@pytest.fixture
def on_a_table(aws: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, arc_url: str) -> Opener:
    for name, value in aws.items():
        monkeypatch.setenv(name, value)
    table = f"memtrace-{uuid4().hex}"
    settings = Settings(
        server=ServerSettings(),
        metadata=MetadataSettings(backend="dynamodb"),
        dynamodb=DynamodbSettings(table=table, timeout=30),
        master_key=MASTER_KEY,
    )

    @asynccontextmanager
    async def opener() -> AsyncIterator[Api]:
        aws_api = LightAws(environ=aws, clock=SystemClock())
        await create(aws_api, table, timeout=60)
        await aws_api.close()
        async with opened_edges(settings, Store(arc_url, ADMIN_TOKEN), Stage(version=2)) as api:
            yield api

    return opener


_OPENERS: Final[Mapping[str, str]] = dict(
    zip(DOORS, ("behind_the_server", "on_a_shared_file", "on_a_table"), strict=True)
)
