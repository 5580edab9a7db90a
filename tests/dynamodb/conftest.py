"""A table of its own for every test, in one DynamoDB that moto imitates."""

import pytest

from core.adapters.dynamodb.client import Dynamo
from tests.clock import ManualClock
from tests.dynamodb.shops import TableShop, make_tables, open_shop
from tests.dynamodb.tables import LocalDynamodb, fresh_table


@pytest.fixture(scope="session")
def dynamodb() -> LocalDynamodb:
    return LocalDynamodb()


@pytest.fixture
async def shop(clock: ManualClock) -> TableShop:
    """A journal in an empty table, as one process has it open."""
    tables = await make_tables(clock)
    return open_shop(tables.dynamo, clock)


@pytest.fixture
async def dynamo(dynamodb: LocalDynamodb) -> Dynamo:
    return await fresh_table(dynamodb)
