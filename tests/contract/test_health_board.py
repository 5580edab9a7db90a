"""What every `HealthBoard` promises."""

from core.model.memory import OrgId
from core.ports import StoreHealth
from tests.contract.metadata import ACME, OTHER, Metadata


async def test_health_is_read_as_it_was_posted(metadata: Metadata) -> None:
    board = [
        StoreHealth(ACME, True, 1_780_000_000_000_000),
        StoreHealth(OTHER, False, 5, "half_open", 9, "connection refused"),
    ]
    await metadata.health.post_health(board)
    assert await metadata.health.read_health() == board


async def test_later_health_replaces_that_of_its_org_only(metadata: Metadata) -> None:
    await metadata.health.post_health([StoreHealth(ACME, False, 1, "open", 9), StoreHealth(OTHER, True, 1)])
    await metadata.health.post_health([StoreHealth(ACME, True, 2)])
    assert await metadata.health.read_health() == [StoreHealth(ACME, True, 2), StoreHealth(OTHER, True, 1)]


async def test_a_deleted_org_is_not_brought_back(metadata: Metadata) -> None:
    await metadata.health.post_health([StoreHealth(OrgId("org_nobody"), True, 1)])
    assert await metadata.health.read_health() == []


async def test_there_is_no_report_before_one_was_posted(metadata: Metadata) -> None:
    assert await metadata.health.read_report() is None


async def test_the_last_report_is_read(metadata: Metadata) -> None:
    await metadata.health.post_report(b"memtrace_flushed_total 1\n", 100)
    await metadata.health.post_report(b"memtrace_flushed_total 2\n", 200)
    assert await metadata.health.read_report() == (b"memtrace_flushed_total 2\n", 200)
