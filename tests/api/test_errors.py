"""The one table of statuses, and the one shape."""

from collections.abc import Iterator

import msgspec
import pytest

from core.model import errors
from core.model.errors import DatabaseError, MemtraceError
from handlers.http.errors import STATUSES, error_reply, status_of

EXPECTED = {
    "invalid_request": 400,
    "invalid_cursor": 400,
    "idempotency_conflict": 409,
    "request_too_large": 413,
    "request_timeout": 408,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "rate_limited": 429,
    "conflict": 409,
    "already_exists": 409,
    "duplicate_memory": 409,
    "unavailable": 503,
    "no_arc_instance": 503,
    "journal_full": 503,
    "too_many_deletions": 503,
    "clock_stepped": 503,
    "metadata_busy": 503,
    "overloaded": 503,
    "deadline_exceeded": 504,
    "shutting_down": 503,
    "store_error": 502,
    "store_unreachable": 502,
    "store_timeout": 504,
    "store_refused": 502,
    "store_denied": 502,
    "store_ambiguous": 502,
    "lease_lost": 500,
    "held_by_other": 500,
    "backup_unusable": 500,
    "queue_error": 500,
    "message_unreadable": 500,
    "configuration_error": 500,
    "master_key_error": 500,
    "database_error": 503,
    "internal_error": 500,
}


def tree(root: type[MemtraceError] = MemtraceError) -> Iterator[type[MemtraceError]]:
    for cls in root.__subclasses__():
        if cls.__module__ == errors.__name__:
            yield cls
            yield from tree(cls)


def test_every_error_of_the_tree_has_its_status() -> None:
    assert {cls.code: status_of(cls) for cls in tree()} == EXPECTED


def test_an_error_that_nobody_listed_is_our_own_fault() -> None:
    assert status_of(MemtraceError) == 500
    assert MemtraceError not in STATUSES


@pytest.mark.parametrize("cls", list(tree()), ids=lambda cls: cls.code)
def test_every_error_has_the_one_shape(cls: type[MemtraceError]) -> None:
    error = cls("words for whoever may read them", retry_after=7, field="x", error="not this")
    reply = error_reply(error, "req_1")
    body = msgspec.json.decode(reply.body)
    assert reply.status == EXPECTED[cls.code]
    assert (body["code"], body["request_id"]) == (cls.code, "req_1")
    assert isinstance(body["error"], str)
    assert body["error"] != "not this"
    assert dict(reply.headers)[b"retry-after"].isdigit()


@pytest.mark.parametrize(
    "cls", [errors.DatabaseError, errors.MasterKeyError, errors.LeaseLost, errors.HeldByOther]
)
def test_words_for_operators_do_not_reach_callers(cls: type[MemtraceError]) -> None:
    reply = error_reply(cls("see /etc/secret", hint="look at /etc/secret", path="/etc/secret"), "req_1")
    assert b"secret" not in reply.body


def test_where_nothing_is_known_of_when_nothing_is_said() -> None:
    assert error_reply(errors.NoArcInstance(), "req_1").headers == ()
    assert error_reply(errors.NotFound(), "req_1").headers == ()


@pytest.mark.parametrize(
    ("error", "seconds"), [(DatabaseError("x", retry_after=1), b"1"), (DatabaseError("x"), b"5")]
)
def test_a_database_that_is_busy_may_be_asked_again_sooner_than_a_broken_one(
    error: DatabaseError, seconds: bytes
) -> None:
    reply = error_reply(error, "id")
    assert (reply.status, dict(reply.headers)[b"retry-after"]) == (503, seconds)
