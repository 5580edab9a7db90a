"""`memtrace dead … --messages`: what is in the queue's dead-letter queue, never with what it holds."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from core.model.errors import InvalidRequest, QueueError
from core.model.timewindow import rfc3339
from core.ports import DeadMessage, DeadMessages
from handlers.cli.calls import Call
from handlers.cli.output import confirmed, record, records, say, size_of, warn

T = TypeVar("T")
_MOST: Final = 10_000
"""Sent again by one command."""
_COLUMNS: Final = {
    "id": "MESSAGE",
    "size": "SIZE",
    "sent_at": "SENT",
    "receives": "RECEIVED",
    "reason": "REASON",
}


def shown(call: Call, limit: int, as_json: bool) -> None:
    """Only these, the newest first. Raises QueueError."""
    messages = _asked(call, lambda dead: dead.list_messages(limit))
    records([_summary(one) for one in messages], _COLUMNS, as_json_=as_json, empty="no unreadable messages")


async def found(dead: DeadMessages | None, limit: int) -> Sequence[DeadMessage] | QueueError:
    """What is to be shown below the dead memories, or why it cannot be."""
    try:
        return await dead.list_messages(limit) if dead is not None else []
    except QueueError as error:
        return error


def show_below(messages: Sequence[DeadMessage] | QueueError) -> None:
    """Where there are none, nothing; a queue that cannot be asked is only warned of."""
    if isinstance(messages, QueueError):
        warn(f"messages that nobody could read cannot be listed: {messages.message}")
    elif messages:
        say("\nmessages that nobody could read (`--messages` means these):")
        records([_summary(one) for one in messages], _COLUMNS, as_json_=False, empty="")


def replayed(call: Call, as_json: bool) -> None:
    """Sends all to the queue again. Raises QueueError."""
    count = _asked(call, lambda dead: dead.replay_messages(_MOST))
    _told("replayed", count, as_json, "were sent to the queue again")


def purged(call: Call, yes: bool, as_json: bool) -> None:
    """Gives all up. Raises QueueError."""
    if not confirmed("Purge all messages that nobody could read for good?", yes=yes):
        raise InvalidRequest("nothing was purged: not confirmed", hint="use --yes")
    count = _asked(call, lambda dead: dead.purge_messages())
    _told("purged", count, as_json, "are gone")


def _asked(call: Call, work: Callable[[DeadMessages], Awaitable[T]]) -> T:
    async def ask(dead: DeadMessages | None) -> T:
        if dead is None:
            raise InvalidRequest(
                "there is no queue for messages that nobody could read",
                hint="`queue.url` and `queue.dead_letter_url` name the two",
            )
        return await work(dead)

    return call.admin(lambda admin: ask(admin.dead_messages))


def _told(word: str, count: int, as_json: bool, then: str) -> None:
    if as_json:
        record({word: count}, as_json_=True)
    else:
        say(f"{count} messages {then}")


def _summary(message: DeadMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "bytes": message.bytes,
        "size": size_of(message.bytes),
        "sent_at": rfc3339(message.sent_at),
        "receives": message.receives,
        "reason": message.reason,
    }
