"""What an Arc's answers mean."""

import pytest

from core.adapters.arc.replies import OtherColumns, Reply, admin_error, query_error, write_error
from core.model.errors import (
    StoreAmbiguous,
    StoreDenied,
    StoreError,
    StoreRefused,
    StoreTimeout,
    StoreUnreachable,
)

SECRET = "/var/lib/arc/data/acme SELECT content = 'private'"


def said(status: int, words: str = "", wait: int | None = None) -> Reply:
    return Reply(status, f'{{"success":false,"error":"{words} {SECRET}"}}'.encode(), wait)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (said(400), StoreRefused),
        (said(413), StoreRefused),
        (said(500, "Failed to write records: failed to convert columns: mixed"), StoreRefused),
        (said(500, "something else"), StoreUnreachable),
        (said(401), StoreDenied),
        (said(403), StoreDenied),
        (said(404), StoreUnreachable),
        (said(302), StoreUnreachable),
        (said(429), StoreUnreachable),
        (said(502), StoreUnreachable),
        (said(503, "Write rejected (schema churn)"), StoreUnreachable),
        (said(508), StoreUnreachable),
        (said(504), StoreTimeout),
    ],
)
def test_a_write_that_was_not_accepted(reply: Reply, error: type[StoreError]) -> None:
    found = write_error(reply)
    assert type(found) is error
    assert "private" not in f"{found!r} {found.hint}"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (said(400), StoreRefused),
        (said(500, "arrow query failed: Binder Error: no column"), OtherColumns),
        (said(500, "arrow query failed: Binder Error: no column in 'IO Error'"), OtherColumns),
        (said(500, "arrow query failed: HTTP Error: a bucket"), StoreAmbiguous),
        (said(500, "Out of Memory Error: failed to allocate"), StoreUnreachable),
        (said(500, "arrow query failed: Catalog Error"), StoreRefused),
        (said(500, "Parser Error"), StoreRefused),
        (said(500, "Conversion Error"), StoreRefused),
        (said(500, "IO Error: No files found that match"), StoreAmbiguous),
        (said(500, "arrow query failed: Invalid Error: TProtocolException: Invalid data"), StoreAmbiguous),
        (said(500, "Invalid Error: Prefetch registered for bytes outside file"), StoreAmbiguous),
        (said(500, "Invalid Input Error: No magic bytes found at end of file"), StoreAmbiguous),
        (said(500, "out of memory"), StoreUnreachable),
        (said(401), StoreDenied),
        (said(404), StoreUnreachable),
        (said(503, "replication_catch_up_in_progress", 5), StoreUnreachable),
        (said(504), StoreTimeout),
    ],
)
def test_a_question_that_was_not_answered(reply: Reply, error: type[StoreError]) -> None:
    found = query_error(reply)
    assert type(found) is error
    assert "private" not in f"{found!r} {found.hint}"


@pytest.mark.parametrize(("header", "wait"), [(None, 5), (0, 0), (7, 7), (100_000, 300)])
def test_the_wait_that_an_arc_asks_for_is_kept_within_bounds(header: int | None, wait: int) -> None:
    assert write_error(said(503, wait=header)).retry_after == wait


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_deletion_says_which_key_and_which_setting(status: int) -> None:
    found = admin_error(said(status))
    assert isinstance(found, StoreDenied)
    assert "set-admin-key" in (found.hint or "")
    assert "delete.enabled" in (found.hint or "")


def test_another_failure_of_a_deletion_is_judged_as_of_a_question() -> None:
    assert isinstance(admin_error(said(503)), StoreUnreachable)


def test_a_body_is_never_shown() -> None:
    assert "private" not in repr(said(500))
