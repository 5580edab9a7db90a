"""Both transports, over moto and over scripted answers."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from core.adapters.aws.api import AwsApi
from core.adapters.aws.boto import BotoAws
from core.adapters.aws.light import LightAws
from core.adapters.clock import SystemClock
from tests.aws.moto_server import served_moto

Transport = Callable[[dict[str, str]], AwsApi]
"""Made of the variables that it is to see."""


@pytest.fixture(scope="session")
def moto_environment() -> Iterator[dict[str, str]]:
    with served_moto() as environ:
        yield environ


@pytest.fixture(params=["light", "boto"])
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[Transport]:
    made: list[AwsApi] = []

    def make(environ: dict[str, str]) -> AwsApi:
        is_light = request.param == "light"
        api: AwsApi = LightAws(environ=environ, clock=SystemClock()) if is_light else BotoAws(environ=environ)
        made.append(api)
        return api

    yield make
    for api in made:
        await api.close()


@pytest.fixture
def aws(transport: Transport, moto_environment: dict[str, str]) -> AwsApi:
    return transport(moto_environment)
