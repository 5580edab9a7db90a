"""Cursors lead back to the place they were made for, and to no other."""

import base64
from datetime import UTC, datetime
from hashlib import blake2b

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import InvalidCursor
from core.model.memory import Position
from core.model.timewindow import LATEST
from handlers.http.cursors import Kind, open_after, open_position, seal_after, seal_position

positions = st.builds(
    Position,
    order=st.sampled_from(["asc", "desc"]),
    time=st.integers(0, LATEST),
    dedup_key=st.text(max_size=300),
)


@given(positions)
def test_a_position_comes_back_and_fits_into_a_url(position: Position) -> None:
    cursor = seal_position(position)
    assert open_position(cursor) == position
    assert cursor.replace("-", "").replace("_", "").isalnum()


@given(positions, st.data())
def test_an_altered_cursor_is_refused(position: Position, data: st.DataObject) -> None:
    cursor = seal_position(position)
    at = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.sampled_from("ABCxyz019-_=!é"))
    altered = cursor[:at] + other + cursor[at + 1 :]
    if altered.rstrip("=") != cursor:
        with pytest.raises(InvalidCursor):
            open_position(altered)


@given(st.text(max_size=60))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        open_position(text)


@pytest.mark.parametrize("time", [-1, LATEST + 1, 2**63])
def test_a_time_that_no_memory_has_is_refused(time: int) -> None:
    with pytest.raises(InvalidCursor):
        open_position(seal_position(Position("asc", time, "k")))


@given(
    st.sampled_from(["agents", "sessions"]),
    st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)),
    st.text(max_size=40),
)
def test_a_place_by_creation_comes_back_in_its_own_list_alone(kind: Kind, when: datetime, id: str) -> None:
    cursor = seal_after(kind, (when, id))
    assert open_after(kind, cursor) == (when, id)
    with pytest.raises(InvalidCursor):
        open_after("sessions" if kind == "agents" else "agents", cursor)
    with pytest.raises(InvalidCursor):
        open_position(cursor)


def test_a_cursor_that_is_whole_but_holds_something_else_is_refused() -> None:
    content = b"\x93\x01\x02\x03"
    cursor = base64.urlsafe_b64encode(blake2b(content, digest_size=4).digest() + content).decode().rstrip("=")
    with pytest.raises(InvalidCursor):
        open_position(cursor)
    with pytest.raises(InvalidCursor):
        open_after("agents", cursor)


def test_no_cursor_is_the_beginning() -> None:
    assert open_after("agents", "") is None
