"""Whatever comes in, it becomes a value of the type or a refusal in words."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import InvalidRequest
from handlers.http.drafts import draft_of, drafts_of
from handlers.http.given import ListQuery, MemoryInput, MemoryOrBatch, SearchInput
from handlers.http.wire import parse_body, parse_query

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
bodies = st.fixed_dictionaries(
    {}, optional=dict.fromkeys((*MemoryInput.__struct_fields__, "memories"), json_values)
)


def refusal(work: Callable[[], object]) -> InvalidRequest | None:
    """How the input was refused; None when it was taken. Any other error is a failure."""
    try:
        work()
    except InvalidRequest as e:
        return e
    return None


def remembered(body: bytes) -> None:
    given_ = parse_body(body, MemoryOrBatch)
    if given_.memories:
        drafts_of(given_.memories)
    else:
        draft_of(given_)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_refusal(body: bytes) -> None:
    refused = refusal(lambda: parse_body(body, MemoryOrBatch))
    assert refused is None or refused.message


@given(bodies)
def test_any_json_becomes_drafts_or_a_refusal_that_names_a_field(body: dict[str, Any]) -> None:
    refused = refusal(lambda: remembered(msgspec.json.encode(body)))
    assert refused is None or (refused.fields["field"] and len(refused.message) < 200)


@given(st.binary(max_size=100))
def test_any_query_string_is_a_value_or_a_refusal(query: bytes) -> None:
    refused = refusal(lambda: parse_query(query, ListQuery))
    assert refused is None or refused.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"agent_id":1}', "agent_id must be a string"),
        (b'{"memories":[{"agent_id":"a"}]}', "memories[0].content is required"),
        (b'{"memories":[{"content":"x","agent_id":"a"},7]}', "memories[1] must be an object"),
        (b'{"memories":{}}', "memories must be a list"),
        (b'{"importance":2}', "importance must be at most 1"),
        (b'{"importance":-1}', "importance must be at least 0"),
        (b'{"importance":"high"}', "importance must be a number"),
        (b'{"memory_type":"x"}', "memory_type must be one of episodic, session, decision, entity"),
        (b'{"memory_type":1}', "memory_type must be one of episodic, session, decision, entity"),
        (b'{"tags":[1]}', "tags[0] must be a string"),
        (b'{"tags":"a"}', "tags must be a list"),
        (b"[]", "the body must be an object"),
        (b'{"content":"\xff"}', "the body is not valid UTF-8: byte 12"),
        (b"", "the body is not valid JSON: Input data was truncated"),
        (b'{"metadata":{"x":1e999}}', "metadata[...] holds a number that is out of range"),
        (b'{"metadata":"x"}', "metadata must be an object"),
    ],
)
def test_the_words_say_where_and_why(body: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_body(body, MemoryOrBatch)
    assert caught.value.message == message


def test_the_words_for_numbers_of_a_search() -> None:
    with pytest.raises(InvalidRequest, match="limit must be at most 1000"):
        parse_body(b'{"limit":1001}', SearchInput)
