"""What every `Replies` promises."""

import pytest

from core.model.errors import IdempotencyConflict
from core.ports import IdempotencyKey
from tests.contract.metadata import ACME, OTHER, Metadata

KEY = IdempotencyKey(b"k" * 16, b"b" * 16)


async def test_an_answer_that_was_kept_is_given_again(metadata: Metadata) -> None:
    await metadata.replies.keep_reply(ACME, KEY, 100, 201, b'{"id":"\xc3\xa4"}')
    assert await metadata.replies.begin_reply(ACME, KEY, 110, 50) == (201, b'{"id":"\xc3\xa4"}')


async def test_a_new_key_has_no_answer(metadata: Metadata) -> None:
    assert await metadata.replies.begin_reply(ACME, KEY, 110, 50) is None


async def test_an_answer_from_before_the_window_is_none(metadata: Metadata) -> None:
    await metadata.replies.keep_reply(ACME, KEY, 100, 201, b"{}")
    assert await metadata.replies.begin_reply(ACME, KEY, 300, 101) is None


async def test_once_the_window_is_over_the_key_may_be_used_anew(metadata: Metadata) -> None:
    await metadata.replies.keep_reply(ACME, KEY, 100, 201, b"old")
    anew = IdempotencyKey(KEY.key, b"x" * 16)
    await metadata.replies.begin_reply(ACME, anew, 300, 200)
    await metadata.replies.keep_reply(ACME, anew, 300, 201, b"new")
    assert await metadata.replies.begin_reply(ACME, anew, 310, 200) == (201, b"new")


async def test_many_keys_beyond_the_window_do_not_keep_one_from_being_used_anew(metadata: Metadata) -> None:
    for number in range(120):
        await metadata.replies.keep_reply(ACME, IdempotencyKey(bytes([number]) * 16, KEY.body), 10, 201, b"")
    await metadata.replies.keep_reply(ACME, KEY, 100, 201, b"old")
    assert await metadata.replies.begin_reply(ACME, KEY, 300, 200) is None
    await metadata.replies.keep_reply(ACME, KEY, 300, 201, b"new")
    assert await metadata.replies.begin_reply(ACME, KEY, 310, 200) == (201, b"new")


async def test_the_same_key_with_another_body_is_refused(metadata: Metadata) -> None:
    await metadata.replies.keep_reply(ACME, KEY, 100, 201, b"{}")
    with pytest.raises(IdempotencyConflict):
        await metadata.replies.begin_reply(ACME, IdempotencyKey(KEY.key, b"x" * 16), 110, 50)


async def test_the_first_answer_kept_stays(metadata: Metadata) -> None:
    await metadata.replies.keep_reply(ACME, KEY, 100, 201, b"first")
    await metadata.replies.keep_reply(ACME, KEY, 101, 409, b"second")
    assert await metadata.replies.begin_reply(ACME, KEY, 110, 50) == (201, b"first")


async def test_another_orgs_key_is_another_key(metadata: Metadata) -> None:
    await metadata.replies.keep_reply(ACME, KEY, 100, 201, b"{}")
    assert await metadata.replies.begin_reply(OTHER, KEY, 110, 50) is None


async def test_only_the_deleted_sessions_metadata_leaves_kept_answers(metadata: Metadata) -> None:
    """Any id may be deleted, also one that is a part of others."""
    other, own = IdempotencyKey(b"o" * 16, KEY.body), IdempotencyKey(b"m" * 16, KEY.body)
    answer = b'{"id":"%b","org_id":"org_acme","metadata":{"goal":"prices"}}'
    await metadata.replies.keep_reply(ACME, other, 100, 201, answer % b"sess_1")
    await metadata.replies.keep_reply(ACME, own, 100, 201, answer % b"s")
    await metadata.sessions.delete_session(ACME, "s")
    assert await metadata.replies.begin_reply(ACME, other, 110, 50) == (201, answer % b"sess_1")
    assert await metadata.replies.begin_reply(ACME, own, 110, 50) == (201, b'{"id":"s","org_id":"org_acme"}')
