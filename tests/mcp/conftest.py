"""The API's fixtures, for MCP."""

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
from tests.e2e.conftest import installation

__all__ = [
    "api",
    "arc_url",
    "aws",
    "behind_the_server",
    "installation",
    "migrated",
    "on_a_shared_file",
    "on_a_table",
    "pytest_configure",
    "pytest_generate_tests",
]
