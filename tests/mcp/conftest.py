"""The API's fixtures, for MCP."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.api.conftest import (
    api,
    arc_url,
    aws,
    behind_the_server,
    migrated,
    on_a_shared_file,
    on_a_table,
    pytest_configure,
    pytest_generate_tests,
)
from tests.e2e.installation import Installation

__all__ = [
    "api",
    "arc_url",
    "aws",
    "behind_the_server",
    "migrated",
    "on_a_shared_file",
    "on_a_table",
    "pytest_configure",
    "pytest_generate_tests",
]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables that lead to a server in a process of its own."""
    installation = Installation(tmp_path_factory.mktemp("served"))
    with asyncio.Runner() as runner:
        try:
            runner.run(installation.dev())
            yield {name: installation.env[name] for name in ("MEMTRACE_URL", "MEMTRACE_API_KEY")}
        finally:
            runner.run(installation.close())
