"""Servers that several modules share: they start once."""

from collections.abc import Iterator

import pytest

from tests.sqs.served import moto


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    with moto() as url:
        yield url
