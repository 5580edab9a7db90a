"""`memtrace forget` and `deletions` as a person calls them, with no server running."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.model.memory import Memory
from handlers.cli import forget
from tests.clock import ManualClock
from tests.contract.event_stores import T0, memory
from tests.contract.journals import ACME, OTHER, draft, workshop
from tests.unit.test_cli_commands import (  # noqa: F401  fixtures
    Memtrace,
    database,
    memtrace,
    refused,
    untouched_logging,
)
from tests.unit.test_cli_export import contents, store  # noqa: F401  fixtures

Put = Callable[..., None]
Refused = Callable[..., str]


def write(path: Path, *contents: str, **fields: object) -> list[Memory]:
    """Acknowledged memories that no store has."""
    with workshop(path, ManualClock(T0 + 10**10)) as shop:
        receipts = asyncio.run(shop.journal.append(ACME, [draft(one, **fields) for one in contents], None))  # type: ignore[arg-type]
    return [receipt.memory for receipt in receipts if receipt.memory is not None]


@pytest.fixture
def left(memtrace: Memtrace) -> Callable[[], list[str]]:  # noqa: F811
    """What a reader still finds."""
    return lambda: contents(memtrace("export", "--org", ACME))


@pytest.fixture
def filled(store: Put, database: Path) -> list[Memory]:  # noqa: F811
    """Two memories in the store, two that wait."""
    stored = [memory(1, agent_id="one", session_id="s"), memory(2, agent_id="two")]
    store(*stored)
    return stored + write(database, "waits", agent_id="one") + write(database, "too", session_id="s")


Left = Callable[[], list[str]]


def test_a_dry_run_counts_and_deletes_nothing(filled: list[Memory], memtrace: Memtrace, left: Left) -> None:  # noqa: F811
    for asked, journal, stored in (
        (("--agent", "one"), 1, 1),
        (("--session", "s"), 1, 1),
        (("--before", "2026-05-28T20:00:00.000002Z"), 0, 1),
        (("--before", "now"), 2, 2),
        (("--agent", "one", "--before", "2026-05-28T20:00:00.000002Z"), 0, 1),
    ):
        found = memtrace("forget", "--org", ACME, *asked, "--dry-run", "--json")
        assert found == {"org_id": ACME, "journal": journal, "store": stored}, asked
    assert len(left()) == 4
    assert memtrace("deletions", "list", "--json") == []


def test_an_agents_memories_are_forgotten(filled: list[Memory], memtrace: Memtrace, left: Left) -> None:  # noqa: F811
    receipt = memtrace("forget", "--org", ACME, "--agent", "one", "--yes", "--json")
    assert (receipt["state"], receipt["agent_ids"]) == ("pending", ["one"])
    assert receipt["removed"] == {"journal": 1, "store": 0}
    assert left() == ["memory 2", "too"]
    again = memtrace("forget", "--org", ACME, "--agent", "one", "--dry-run", "--json")
    assert (again["journal"], again["store"]) == (0, 0)


def test_a_session_is_forgotten_with_its_memories(
    filled: list[Memory],
    memtrace: Memtrace,  # noqa: F811
    refused: Refused,  # noqa: F811
    left: Left,
) -> None:
    assert memtrace("forget", "--org", ACME, "--session", "s", "--yes", "--json")["session_id"] == "s"
    assert left() == ["memory 2", "waits"]
    assert "session not found" in refused("forget", "--org", ACME, "--session", "s", "--yes")


def test_what_was_written_before_a_time_is_forgotten(
    filled: list[Memory],
    memtrace: Memtrace,  # noqa: F811
    left: Left,
) -> None:
    memtrace("forget", "--org", ACME, "--session", "s", "--before", "2026-05-28T21:00:00Z", "--yes")
    assert left() == ["memory 2", "waits", "too"]
    memtrace("forget", "--org", ACME, "--before", "2026-05-28T21:00:00Z", "--yes")
    assert left() == ["waits", "too"]


def test_one_memory_is_forgotten_by_its_id(filled: list[Memory], memtrace: Memtrace, left: Left) -> None:  # noqa: F811
    for one in (filled[0], filled[2]):
        call = ("forget", "--org", ACME, "--memory", one.id)
        assert memtrace(*call, "--dry-run", "--json") == {"memory_id": one.id}
        assert memtrace(*call, "--yes", "--json")["memory_id"] == one.id
    assert left() == ["memory 2", "too"]


def test_an_agent_is_known_by_its_name_and_its_id(
    filled: list[Memory],
    memtrace: Memtrace,  # noqa: F811
    database: Path,  # noqa: F811
) -> None:
    with workshop(database, ManualClock()) as shop:
        asyncio.run(
            shop.database.write(
                lambda c: (
                    c.execute(
                        "INSERT INTO agents (id, org_id, name) VALUES ('agent_1', ?, 'one')", (ACME,)
                    ).rowcount
                )
            )
        )
    found = memtrace("forget", "--org", ACME, "--agent", "agent_1", "--dry-run", "--json")
    assert (found["journal"], found["store"]) == (1, 1)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ((), "say what to forget"),
        (("--agent", "a", "--session", "s"), "do not go together"),
        (("--memory", "m", "--before", "1d"), "do not go together"),
        (("--before", "yesterday"), "before is not a time"),
        (("--agent", "one"), "nothing was deleted: not confirmed"),
        (("--memory", "mem_1"), "nothing was deleted: not confirmed"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_deletes_nothing(
    filled: list[Memory],
    refused: Refused,  # noqa: F811
    left: Left,
    asked: tuple[str, ...],
    says: str,
) -> None:
    assert says in refused("forget", "--org", ACME, *asked)
    assert len(left()) == 4


def test_what_is_not_there_is_said(filled: list[Memory], refused: Refused) -> None:  # noqa: F811
    assert "memory not found" in refused("forget", "--org", ACME, "--memory", "mem_1", "--yes")
    assert "organization" in refused("forget", "--org", "org_none", "--before", "1d", "--yes")
    assert "deletion not found" in refused("deletions", "show", "del_1")


def test_receipts_are_shown_to_people_and_scripts(filled: list[Memory], memtrace: Memtrace) -> None:  # noqa: F811
    told = memtrace("forget", "--org", ACME, "--agent", "one", "--yes")
    assert "agent one before " in told
    assert "1 from the journal, 0 from the store" in told
    assert "backups and exports: those made before" in told
    first = memtrace("deletions", "list", "--json")[0]
    assert first["deletion_id"] in memtrace("deletions", "list", "--org", ACME)
    assert memtrace("deletions", "list", "--org", OTHER, "--json") == []
    assert memtrace("deletions", "show", first["deletion_id"], "--json") == first
    assert "dedup claims until " in memtrace("deletions", "show", first["deletion_id"])
    memtrace("forget", "--org", ACME, "--session", "s", "--yes")
    memtrace("forget", "--org", ACME, "--memory", filled[1].id, "--yes")
    table = memtrace("deletions", "list")
    assert "session s before " in table
    assert f"memory {filled[1].id}" in table


def test_waiting_ends_where_no_flusher_runs(
    filled: list[Memory],
    memtrace: Memtrace,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    from handlers.cli.main import run

    assert run(["forget", "--org", ACME, "--agent", "one", "--yes", "--wait"]) == 0
    told = capsys.readouterr()
    assert "no flusher runs" in told.err
    assert "pending" in told.out


def test_waiting_ends_when_the_store_has_it_no_more(
    filled: list[Memory],
    memtrace: Memtrace,  # noqa: F811
    database: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A flusher that fails once and then removes it, in the pauses of the command."""
    reasons = ["store_unreachable: it is down", ""]
    with workshop(database, ManualClock()) as shop:
        lease = asyncio.run(shop.leases.acquire("elsewhere:1", 10**9))
        assert lease is not None

    async def flush(seconds: float) -> None:
        with workshop(database, ManualClock()) as shop:
            (deletion,) = await shop.deletions.list_deletions(ACME, 1)
            reason = reasons.pop(0)
            await shop.undertaker.progress(
                deletion,
                lease,
                state="pending" if reason else "removed",
                from_store=0 if reason else 1,
                due_at=None,
                reason=reason,
            )

    monkeypatch.setattr(forget, "pause", flush)
    receipt = memtrace("forget", "--org", ACME, "--agent", "one", "--yes", "--wait", "--json")
    assert (receipt["state"], receipt["removed"]) == ("removed", {"journal": 1, "store": 1})


def test_a_store_that_does_not_answer_keeps_nobody_from_deleting(
    filled: list[Memory],
    memtrace: Memtrace,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / ACME).rename(tmp_path / "unmounted")
    found = memtrace("forget", "--org", ACME, "--agent", "one", "--dry-run", "--json")
    assert (found["journal"], found["store"]) == (1, None)
    asked: list[str] = []

    def consent(question: str, *, yes: bool) -> bool:
        asked.append(question)
        return True

    monkeypatch.setattr(forget, "confirmed", consent)
    answer: Any = memtrace("forget", "--org", ACME, "--agent", "one", "--json")
    assert answer["state"] == "pending"
    assert "which does not answer" in asked[0]


def test_a_person_is_told_how_many_before_saying_yes(
    filled: list[Memory],
    memtrace: Memtrace,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def consent(question: str, *, yes: bool) -> bool:
        asked.append(question)
        return True

    monkeypatch.setattr(forget, "confirmed", consent)
    memtrace("forget", "--org", ACME, "--agent", "one")
    assert asked == [f"Delete 2 memories of {ACME} for good?"]


def test_an_org_without_a_store_can_forget_what_waits(
    database: Path,  # noqa: F811
    memtrace: Memtrace,  # noqa: F811
) -> None:
    write(database, "waits")
    receipt = memtrace("forget", "--org", ACME, "--before", "now", "--yes", "--json")
    assert receipt["removed"] == {"journal": 1, "store": 0}
