"""A table of its own for every test, in one DynamoDB that moto imitates."""

import pytest

from core.adapters.dynamodb.client import Dynamo
from tests.dynamodb.tables import LocalDynamodb, fresh_table


@pytest.fixture(scope="session")
def dynamodb() -> LocalDynamodb:
    return LocalDynamodb()


@pytest.fixture
async def dynamo(dynamodb: LocalDynamodb) -> Dynamo:
    return await fresh_table(dynamodb)
