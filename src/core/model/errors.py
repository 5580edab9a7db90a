"""Every error that Memtrace raises on purpose, each with a stable code.

    MemtraceError
    ├── InvalidRequest            the caller's input is wrong
    │   ├── InvalidCursor         a cursor that this service did not make for this order
    │   └── IdempotencyConflict   one idempotency key, two different bodies
    ├── RequestTooLarge           a body beyond the limit
    ├── RequestTimeout            the caller sent its request too slowly
    ├── Unauthenticated           no key, or none that is valid
    ├── Forbidden                 a valid key without the permission
    ├── NotFound                  the thing asked for is not there
    ├── RateLimited               the caller asks for more than its rate
    ├── Conflict                  it clashes with what is there
    │   ├── AlreadyExists         a name is taken
    │   └── DuplicateMemory       an equal memory won
    ├── Unavailable               try again later
    │   ├── NoArcInstance         the org has no binding
    │   ├── JournalFull           the org, or the journal in all, owes too much
    │   ├── ClockStepped          the clock runs behind the last stamp
    │   ├── TooManyDeletions      too many deletions of the org are open
    │   ├── MetadataBusy          the metadata table throttles or does not answer
    │   ├── Overloaded            too many requests at once
    │   ├── DeadlineExceeded      the time for the answer is over
    │   └── ShuttingDown          the service is stopping
    ├── StoreError                the event store let us down
    │   ├── StoreUnreachable      it cannot be reached, or broke off: repeat later
    │   ├── StoreTimeout          it did not answer in time: repeat later
    │   ├── StoreRefused          it refuses this for good: repeating is useless
    │   ├── StoreDenied           it refuses our key, or the key lacks a right
    │   └── StoreAmbiguous        it answered, but the answer says nothing: ask again
    ├── LeaseLost                 somebody else does this work now
    ├── HeldByOther               another process holds this installation
    ├── BackupUnusable            a backup is damaged, or not ours to read
    ├── QueueError                the queue between edge and flusher cannot be used now
    ├── MessageUnreadable         a message in that queue is none of ours
    ├── ConfigurationError        the service cannot run as configured
    │   ├── MasterKeyError        the master key is missing, malformed or the wrong one
    │   └── DatabaseError         the metadata database cannot be used
    └── InternalError             our own fault

The message is one sentence for the caller; `hint` says the way out; `fields` are extra members of the
answer (an id, a limit). No secrets, and no HTTP: `handlers/http/errors.py` has the one table of statuses.
"""

from typing import ClassVar


class MemtraceError(Exception):
    """The root: something that Memtrace can name went wrong."""

    code: ClassVar[str] = "internal_error"
    hint: str | None = None
    retry_after: int | None = None
    """Whole seconds after which trying again makes sense, where that is known."""

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        retry_after: int | None = None,
        **fields: object,
    ) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])
        self.hint = self.hint if hint is None else hint
        self.retry_after = self.retry_after if retry_after is None else retry_after
        self.fields: dict[str, object] = fields

    @property
    def message(self) -> str:
        return str(self.args[0])


class InvalidRequest(MemtraceError):
    """The request is not valid."""

    code = "invalid_request"


class InvalidCursor(InvalidRequest):
    """The cursor is not one that this service made for this order."""

    code = "invalid_cursor"
    hint = "start again without a cursor"


class IdempotencyConflict(InvalidRequest):
    """This Idempotency-Key was used with a different body."""

    code = "idempotency_conflict"
    hint = "use a new Idempotency-Key for a new request"


class RequestTooLarge(MemtraceError):
    """The request body is too large."""

    code = "request_too_large"


class RequestTimeout(MemtraceError):
    """The request did not arrive in time."""

    code = "request_timeout"


class Unauthenticated(MemtraceError):
    """invalid API key"""

    code = "unauthenticated"
    hint = "send the key as `x-api-key: mtk_…` or `Authorization: Bearer mtk_…`"


class Forbidden(MemtraceError):
    """The API key lacks the permission for this."""

    code = "forbidden"


class NotFound(MemtraceError):
    """not found"""

    code = "not_found"


class RateLimited(MemtraceError):
    """Too many requests or memories in too short a time."""

    code = "rate_limited"
    retry_after: int | None = 1


class Conflict(MemtraceError):
    """The request clashes with what is there."""

    code = "conflict"


class AlreadyExists(Conflict):
    """The name is taken."""

    code = "already_exists"


class DuplicateMemory(Conflict):
    """duplicate memory"""

    code = "duplicate_memory"


class Unavailable(MemtraceError):
    """The service cannot take this now."""

    code = "unavailable"
    retry_after: int | None = 1


class NoArcInstance(Unavailable):
    """no arc instance configured for this org"""

    code = "no_arc_instance"
    retry_after = None


class JournalFull(Unavailable):
    """Too many memories wait for the event store."""

    code = "journal_full"
    retry_after = 5


class ClockStepped(Unavailable):
    """The server's clock runs behind the last memory."""

    code = "clock_stepped"
    retry_after = 2


class TooManyDeletions(Unavailable):
    """Too many deletions of this organization are open."""

    code = "too_many_deletions"
    retry_after = 60
    hint = "try again later; the operator sees what stands in the way with `memtrace deletions list`"


class MetadataBusy(Unavailable):
    """The metadata table cannot answer now."""

    code = "metadata_busy"


class Overloaded(Unavailable):
    """Too many requests at once."""

    code = "overloaded"


class DeadlineExceeded(Unavailable):
    """The request was not answered in time."""

    code = "deadline_exceeded"


class ShuttingDown(Unavailable):
    """The service is shutting down."""

    code = "shutting_down"


class StoreError(MemtraceError):
    """The event store failed."""

    code = "store_error"


class StoreUnreachable(StoreError):
    """The event store cannot be reached."""

    code = "store_unreachable"
    retry_after = 5


class StoreTimeout(StoreError):
    """The event store did not answer in time."""

    code = "store_timeout"
    retry_after = 5


class StoreRefused(StoreError):
    """The event store refuses this request."""

    code = "store_refused"


class StoreDenied(StoreError):
    """The event store refuses our key, or the key lacks a right."""

    code = "store_denied"
    retry_after = 5


class StoreAmbiguous(StoreError):
    """The event store gave no usable answer."""

    code = "store_ambiguous"
    retry_after = 5


class LeaseLost(MemtraceError):
    """The flushing lease belongs to somebody else now."""

    code = "lease_lost"


class HeldByOther(MemtraceError):
    """Another process holds this installation."""

    code = "held_by_other"


class BackupUnusable(MemtraceError):
    """The backup cannot be used."""

    code = "backup_unusable"


class QueueError(MemtraceError):
    """The queue cannot be used now."""

    code = "queue_error"


class MessageUnreadable(MemtraceError):
    """The message cannot be read."""

    code = "message_unreadable"


class ConfigurationError(MemtraceError):
    """The configuration is not usable."""

    code = "configuration_error"


class MasterKeyError(ConfigurationError):
    """The master key is not usable."""

    code = "master_key_error"


class DatabaseError(ConfigurationError):
    """The metadata database is not usable."""

    code = "database_error"


class InternalError(MemtraceError):
    """internal error"""
