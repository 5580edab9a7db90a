"""What every `SessionStore` promises."""

import asyncio
from typing import Any

import pytest

from core.model.errors import InvalidRequest, NotFound
from core.model.memory import OrgId
from core.model.work import Session, SessionStatus
from core.ports import IdempotencyKey
from tests.contract.metadata import ACME, OTHER, Metadata, later


def _session(
    number: int,
    *,
    agent: str = "crawler",
    org_id: OrgId = ACME,
    age: float = 0,
    status: SessionStatus = "active",
    **more: Any,
) -> Session:
    closed_at = later(age) if status == "closed" else None
    return Session(f"sess_{number}", org_id, agent, status, more, later(age), later(age), closed_at)


async def _listed(
    metadata: Metadata, agent: str | None = None, status: SessionStatus | None = None
) -> list[str]:
    return [s.id for s in await metadata.sessions.list_sessions(ACME, agent, status, 100, None)]


async def _update(
    metadata: Metadata, status: SessionStatus | None, changes: dict[str, Any] | None, age: float
) -> Session:
    session = await metadata.sessions.update_session(ACME, "sess_1", status, changes, later(age))
    assert session is not None
    return session


@pytest.mark.parametrize("status", ["active", "closed"])
async def test_a_session_is_found_as_it_was_created(metadata: Metadata, status: SessionStatus) -> None:
    session = _session(1, status=status, goal="find invoices", parts=[1, {"ü": None}])
    await metadata.sessions.create_session(session)
    assert await metadata.sessions.find_session(ACME, "sess_1") == session


async def test_a_sessions_agent_need_not_be_registered(metadata: Metadata) -> None:
    await metadata.sessions.create_session(_session(1, agent="nobody-registered-me"))
    assert await _listed(metadata, "nobody-registered-me") == ["sess_1"]


async def test_a_session_needs_an_org(metadata: Metadata) -> None:
    with pytest.raises(NotFound, match="organization not found"):
        await metadata.sessions.create_session(_session(1, org_id=OrgId("org_nobody")))


async def test_another_orgs_session_is_never_found_listed_counted_or_changed(metadata: Metadata) -> None:
    await metadata.sessions.create_session(_session(1))
    assert await metadata.sessions.find_session(OTHER, "sess_1") is None
    assert await metadata.sessions.list_sessions(OTHER, None, None, 10, None) == []
    assert await metadata.sessions.count_sessions(OTHER, ["crawler"]) == (0, 0)
    assert await metadata.sessions.update_session(OTHER, "sess_1", "closed", None, later(1)) is None
    assert await metadata.sessions.find_session(ACME, "sess_1") == _session(1)


async def test_sessions_are_listed_newest_first(metadata: Metadata) -> None:
    for session in (_session(2), _session(1), _session(3, age=1), _session(4, age=-1)):
        await metadata.sessions.create_session(session)
    assert await _listed(metadata) == ["sess_3", "sess_2", "sess_1", "sess_4"]


async def test_a_list_is_narrowed_by_agent_and_status(metadata: Metadata) -> None:
    await metadata.sessions.create_session(_session(1))
    await metadata.sessions.create_session(_session(2, status="closed"))
    await metadata.sessions.create_session(_session(3, agent="other", status="closed"))
    assert await _listed(metadata, "crawler") == ["sess_2", "sess_1"]
    assert await _listed(metadata, None, "closed") == ["sess_3", "sess_2"]
    assert await _listed(metadata, "crawler", "closed") == ["sess_2"]


async def test_pages_neither_repeat_nor_skip(metadata: Metadata) -> None:
    for number in range(7):
        await metadata.sessions.create_session(_session(number, age=number // 3))
    seen: list[str] = []
    after = None
    while page := await metadata.sessions.list_sessions(ACME, "crawler", "active", 2, after):
        seen += [session.id for session in page]
        after = (page[-1].created_at, page[-1].id)
    assert seen == [f"sess_{number}" for number in reversed(range(7))]


async def test_closing_sets_when_it_was_closed(metadata: Metadata) -> None:
    await metadata.sessions.create_session(_session(1))
    closed = await _update(metadata, "closed", None, 5)
    assert (closed.status, closed.closed_at, closed.updated_at) == ("closed", later(5), later(5))


async def test_closing_again_keeps_when_it_was_closed_first(metadata: Metadata) -> None:
    await metadata.sessions.create_session(_session(1))
    await _update(metadata, "closed", None, 5)
    assert (await _update(metadata, "closed", None, 9)).closed_at == later(5)


async def test_opening_again_clears_when_it_was_closed(metadata: Metadata) -> None:
    await metadata.sessions.create_session(_session(1, status="closed"))
    opened = await _update(metadata, "active", None, 5)
    assert (opened.status, opened.closed_at) == ("active", None)


async def test_metadata_is_merged_by_key_and_null_takes_a_key_away(metadata: Metadata) -> None:
    await metadata.sessions.create_session(_session(1, kept=1, replaced={"a": 1}, dropped=2))
    updated = await _update(metadata, None, {"replaced": {"b": 2}, "dropped": None, "added": [3]}, 5)
    assert updated.metadata == {"kept": 1, "replaced": {"b": 2}, "added": [3]}
    assert await metadata.sessions.find_session(ACME, "sess_1") == updated


async def test_an_update_of_metadata_leaves_the_status(metadata: Metadata) -> None:
    await metadata.sessions.create_session(_session(1, status="closed"))
    updated = await _update(metadata, None, {"a": 1}, 5)
    assert (updated.status, updated.closed_at) == ("closed", later(0))


async def test_an_unknown_session_is_not_updated(metadata: Metadata) -> None:
    assert await metadata.sessions.update_session(ACME, "sess_9", "closed", None, later(1)) is None


async def test_concurrent_updates_all_leave_their_key(metadata: Metadata) -> None:
    await metadata.sessions.create_session(_session(1))
    await asyncio.gather(*(_update(metadata, None, {f"k{n}": n}, n) for n in range(20)))
    session = await metadata.sessions.find_session(ACME, "sess_1")
    assert session is not None
    assert session.metadata == {f"k{n}": n for n in range(20)}


async def test_updates_that_add_up_to_too_much_change_nothing(metadata: Metadata) -> None:
    await metadata.sessions.create_session(_session(1, first="x" * 40_000))
    with pytest.raises(InvalidRequest, match="64 KB"):
        await _update(metadata, "closed", {"second": "y" * 40_000}, 5)
    assert await metadata.sessions.find_session(ACME, "sess_1") == _session(1, first="x" * 40_000)


async def test_sessions_are_counted_under_all_names_of_an_agent(metadata: Metadata) -> None:
    await metadata.sessions.create_session(_session(1, agent="crawler"))
    await metadata.sessions.create_session(_session(2, agent="agent_1", status="closed"))
    await metadata.sessions.create_session(_session(3, agent="other"))
    assert await metadata.sessions.count_sessions(ACME, ["crawler", "agent_1"]) == (2, 1)


async def test_counting_for_no_names_counts_nothing(metadata: Metadata) -> None:
    await metadata.sessions.create_session(_session(1))
    assert await metadata.sessions.count_sessions(ACME, []) == (0, 0)


async def test_a_deleted_session_is_gone_in_its_org_alone(metadata: Metadata) -> None:
    await metadata.sessions.create_session(_session(1))
    assert not await metadata.sessions.delete_session(OTHER, "sess_1")
    assert await metadata.sessions.delete_session(ACME, "sess_1")
    assert await metadata.sessions.find_session(ACME, "sess_1") is None
    assert not await metadata.sessions.delete_session(ACME, "sess_1")


async def test_the_answer_kept_of_a_deleted_session_tells_its_metadata_no_more(metadata: Metadata) -> None:
    for n, org in enumerate((ACME, OTHER)):
        answer = b'{"id":"sess_1","metadata":{"who":"private"},"status":"active"}'
        await metadata.replies.keep_reply(org, IdempotencyKey(b"k", b"b"), n, 201, answer)
    await metadata.sessions.delete_session(ACME, "sess_1")
    kept = await metadata.replies.begin_reply(ACME, IdempotencyKey(b"k", b"b"), 5, 0)
    assert kept == (201, b'{"id":"sess_1","status":"active"}')
    others = await metadata.replies.begin_reply(OTHER, IdempotencyKey(b"k", b"b"), 5, 0)
    assert others is not None
    assert b"private" in others[1]
