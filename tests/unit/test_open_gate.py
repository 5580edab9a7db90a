"""A server without authentication: everybody is the default org."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.auth import Callers, Gate, OpenGate
from core.model.errors import Unavailable
from core.model.tenant import DEFAULT_ORG, Org
from tests.clock import ManualClock
from tests.contract.metadata import START, Metadata, sqlite
from tests.unit.auth_door import VAULT


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Metadata]:
    with sqlite(tmp_path) as metadata:
        yield metadata


@pytest.fixture
async def open_gate(files: Metadata, clock: ManualClock) -> Gate:
    await files.orgs.create_org(Org(DEFAULT_ORG, "Default", START))
    return OpenGate(callers=Callers(orgs=files.orgs, bindings=files.bindings, vault=VAULT), clock=clock)


@pytest.mark.parametrize("presented", [None, "mtk_whatever"])
async def test_an_open_gate_takes_everybody_for_the_default_org(
    open_gate: Gate, presented: str | None
) -> None:
    assert open_gate.peek(presented) is None
    caller = await open_gate.authenticate(presented)
    assert caller.org_id == DEFAULT_ORG
    assert caller.permissions == {"read", "write", "admin"}
    assert open_gate.peek(presented) is caller
    assert await open_gate.authenticate(presented) is caller
    open_gate.close()


async def test_an_open_gate_knows_what_is_set_for_the_org(
    open_gate: Gate, files: Metadata, clock: ManualClock
) -> None:
    await open_gate.authenticate(None)
    await files.orgs.update_org_settings(DEFAULT_ORG, {"requests_per_second": 5})
    clock.advance(10)
    caller = await open_gate.authenticate(None)
    assert caller.settings.members() == {"requests_per_second": 5}
    assert caller.key_id == 0


async def test_an_open_gate_sees_changes_within_ten_seconds(
    open_gate: Gate, files: Metadata, clock: ManualClock
) -> None:
    await open_gate.authenticate(None)
    await files.orgs.delete_org(DEFAULT_ORG)
    clock.advance(10)
    assert open_gate.peek(None) is None
    with pytest.raises(Unavailable, match="org_default is gone"):
        await open_gate.authenticate(None)
