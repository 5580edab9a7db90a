"""Every rule holds for every kind of deployment."""

import pytest

from tests.template.stack import VARIANTS, Stack


@pytest.fixture(params=list(VARIANTS))
def stack(request: pytest.FixtureRequest) -> Stack:
    """Each of the deployments in turn."""
    return Stack.of(**VARIANTS[request.param])
