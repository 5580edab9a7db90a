"""Sessions."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ids import Attempt
from core.model.errors import InvalidRequest, NotFound
from core.model.timewindow import micros_of, moment_of
from core.model.work import merged
from core.sessions import Sessions
from tests.clock import ManualClock
from tests.contract.metadata import ACME, OTHER, Metadata, sqlite

OBJECTS = st.dictionaries(st.sampled_from("abcd"), st.none() | st.integers() | st.lists(st.text()))


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Metadata]:
    with sqlite(tmp_path) as metadata:
        yield metadata


@pytest.fixture
async def sessions(files: Metadata, clock: ManualClock) -> Sessions:
    await files.with_orgs()
    return Sessions(sessions=files.sessions, clock=clock)


async def test_a_new_session_is_active_and_found(sessions: Sessions, clock: ManualClock) -> None:
    session = await sessions.create(ACME, "crawler", {"goal": "x"})
    assert re.fullmatch("sess_[0-9a-f]{24}", session.id)
    assert (session.status, session.closed_at) == ("active", None)
    assert session.created_at == session.updated_at == moment_of(clock.micros())
    assert await sessions.find(ACME, session.id) == session


async def test_another_orgs_session_is_not_found(sessions: Sessions) -> None:
    session = await sessions.create(ACME, "crawler", {})
    with pytest.raises(NotFound, match="session not found"):
        await sessions.find(OTHER, session.id)
    with pytest.raises(NotFound, match="session not found"):
        await sessions.update(OTHER, session.id, "closed", None)


async def test_an_update_says_how_the_session_is_now(sessions: Sessions, clock: ManualClock) -> None:
    session = await sessions.create(ACME, "crawler", {"a": 1})
    clock.advance(5)
    updated = await sessions.update(ACME, session.id, "closed", {"b": 2})
    assert updated.metadata == {"a": 1, "b": 2}
    assert updated.closed_at == updated.updated_at == moment_of(clock.micros())
    assert await sessions.find(ACME, session.id) == updated


async def test_pages_end_exactly(sessions: Sessions, clock: ManualClock) -> None:
    created = []
    for _ in range(4):
        created.append(await sessions.create(ACME, "crawler", {}))
        clock.advance(1)
    newest, after = await sessions.list(ACME, "crawler", "active", 2, None)
    rest, end = await sessions.list(ACME, "crawler", "active", 2, after)
    assert newest + rest == created[::-1]
    assert end is None


@given(OBJECTS, OBJECTS)
def test_merging_sets_what_is_given_and_takes_away_what_is_null(
    old: dict[str, object], changes: dict[str, object]
) -> None:
    outcome = merged(old, changes)
    for key in old.keys() | changes.keys():
        if key not in changes:
            assert outcome[key] == old[key]
        elif changes[key] is None:
            assert key not in outcome
        else:
            assert outcome[key] == changes[key]


def test_merging_the_same_changes_again_changes_nothing() -> None:
    changes = {"a": {"b": 1}, "c": None}
    once = merged({"c": 1}, changes)
    assert merged(once, changes) == once


def test_merging_refuses_what_grows_too_large_and_names_the_field() -> None:
    with pytest.raises(InvalidRequest, match="64 KB") as caught:
        merged({"a": "x" * 65_000}, {"b": "y" * 600})
    assert caught.value.fields["field"] == "metadata"


async def test_an_attempt_makes_one_session_however_often_it_is_repeated(sessions: Sessions) -> None:
    first = await sessions.create(ACME, "crawler", {}, Attempt(b"token", 0))
    assert await sessions.create(ACME, "crawler", {}, Attempt(b"token", 0)) == first
    assert (await sessions.create(ACME, "crawler", {}, Attempt(b"other", 0))).id != first.id
    later = Attempt(b"token", micros_of(first.created_at) + 1)
    assert (await sessions.create(ACME, "crawler", {}, later)).id != first.id
