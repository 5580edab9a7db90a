"""One queue in memory: what is visible, what is hidden until when, and which receipt is the newest. Pure."""

import base64
import binascii
import heapq
from collections import deque
from dataclasses import dataclass
from typing import Final

from local.sqs.attributes import Attributes
from local.sqs.checks import MOST_VISIBILITY, Sent
from local.sqs.refusals import Refusal, bad_handle, invalid

MOST_IN_FLIGHT: Final = 120_000
_SECOND: Final = 1_000_000


@dataclass(slots=True, eq=False)
class Message:
    """Alive until it is deleted, moved or too old."""

    id: str
    sent: Sent
    sent_at: int
    """Microseconds since 1970, as all its times."""
    source: str = ""
    """The queue that it died in."""
    first_received: int = 0
    received: int = 0
    """When it was last given out."""
    receives: int = 0
    receipt: int = 0
    """The number of its newest receipt."""
    turn: int = 0
    """Of its places in the heap, only the last one counts."""
    is_gone: bool = False
    in_flight: bool = False


class Queue:
    """Everything takes the time in microseconds; nothing looks at all messages."""

    def __init__(self, name: str, attributes: Attributes, *, created: int, most_in_flight: int) -> None:
        self.name: Final = name
        self.attributes = attributes
        self.created: Final = created
        self.changed = created
        self.purged_at: int | None = None
        self.bytes = 0
        self.in_flight = 0
        self.delayed = 0
        self._most_in_flight: Final = most_in_flight
        self._messages: dict[str, Message] = {}
        self._visible: deque[Message] = deque()
        self._hidden: list[tuple[int, int, int, Message]] = []
        self._serial = 0

    @property
    def visible(self) -> int:
        return len(self._messages) - self.in_flight - self.delayed

    def put(self, message: Message, now: int, delay: int = 0) -> None:
        """Takes it in; visible after so many microseconds."""
        self._messages[message.id] = message
        self.bytes += message.sent.size
        message.in_flight = False
        if delay > 0:
            self.delayed += 1
            self._hide(message, now + delay)
        else:
            self._visible.append(message)

    def take(self, now: int, most: int, visibility: int) -> tuple[list[Message], list[Message]]:
        """Messages given out, hidden for so many microseconds, and those received too often, now gone."""
        self.surface(now)
        given: list[Message] = []
        dead: list[Message] = []
        limit = self.attributes.most_receives
        while self._visible and len(given) < most:
            if self.in_flight >= self._most_in_flight:
                break
            message = self._visible.popleft()
            if message.is_gone or message.in_flight:
                continue
            if message.sent_at + self.attributes.retention * _SECOND <= now:
                self._forget(message)
            elif limit is not None and message.receives >= limit:
                self._forget(message)
                dead.append(message)
            else:
                given.append(self._given(message, now, visibility))
        if not given and self.in_flight >= self._most_in_flight and self.visible:
            raise Refusal("OverLimit", "too many messages are in flight")
        return given, dead

    def delete(self, handle: str) -> None:
        """Forgets the message, if this is its newest receipt; else nothing, and nobody is told."""
        found = self._found(handle)
        if found is not None and found[0].receipt == found[1]:
            self._forget(found[0])

    def change(self, handle: str, seconds: int, now: int) -> None:
        """Hides it for so long from now on. Raises Refusal where it is not in flight by this receipt."""
        self.surface(now)
        found = self._found(handle)
        if found is None or (found[0].in_flight and found[0].receipt != found[1]):
            raise invalid(
                f"Value {handle[:80]} for parameter ReceiptHandle is invalid. Reason: Message does not exist"
                " or is not available for visibility timeout change."
            )
        message = found[0]
        if not message.in_flight:
            raise Refusal("MessageNotInflight", "The specified message isn't in flight.")
        if now + seconds * _SECOND > message.received + MOST_VISIBILITY * _SECOND:
            raise invalid(
                f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout"
                f" for the message is beyond the limit [{MOST_VISIBILITY} seconds]"
            )
        self._hide(message, now + seconds * _SECOND)
        self.surface(now)

    def again(self, message: Message) -> None:
        """A copy of it is found: the next receive gives it out once more, and its receipt is old then."""
        if not message.is_gone and message.in_flight:
            message.in_flight = False
            message.turn += 1
            self.in_flight -= 1
            self._visible.append(message)

    def purge(self, now: int) -> None:
        """Forgets everything, what is in flight too. Raises Refusal within a minute of the last time."""
        if self.purged_at is not None and now - self.purged_at < 60 * _SECOND:
            raise Refusal(
                "PurgeQueueInProgress",
                f"Only one PurgeQueue operation on {self.name} is allowed every 60 seconds.",
            )
        self.purged_at = now
        for message in self._messages.values():
            message.is_gone = True
        self._messages.clear()
        self._visible.clear()
        self._hidden.clear()
        self.in_flight = self.delayed = self.bytes = 0

    def surface(self, now: int) -> None:
        """What was hidden until now is visible."""
        while self._hidden and self._hidden[0][0] <= now:
            _, _, turn, message = heapq.heappop(self._hidden)
            if message.is_gone or message.turn != turn:
                continue
            if message.in_flight:
                message.in_flight = False
                self.in_flight -= 1
            else:
                self.delayed -= 1
            self._visible.append(message)

    def next_due(self) -> int | None:
        """When something hidden may become visible."""
        return self._hidden[0][0] if self._hidden else None

    def handle_of(self, message: Message) -> str:
        """The newest receipt of a message."""
        return base64.b64encode(f"{self.name} {message.id} {message.receipt}".encode()).decode()

    def _given(self, message: Message, now: int, visibility: int) -> Message:
        message.receives += 1
        message.receipt += 1
        message.received = now
        message.first_received = message.first_received or now
        message.in_flight = True
        self.in_flight += 1
        self._hide(message, now + visibility)
        return message

    def _hide(self, message: Message, until: int) -> None:
        message.turn += 1
        self._serial += 1
        heapq.heappush(self._hidden, (until, self._serial, message.turn, message))

    def _forget(self, message: Message) -> None:
        if self._messages.pop(message.id, None) is None:
            return
        message.is_gone = True
        self.bytes -= message.sent.size
        if message.in_flight:
            self.in_flight -= 1

    def _found(self, handle: str) -> tuple[Message, int] | None:
        """A receipt's message and number; None when the message is gone. Raises Refusal for other texts."""
        try:
            name, id_, number = base64.b64decode(handle, validate=True).decode().split(" ")
            receipt = int(number)
        except (binascii.Error, ValueError) as e:
            raise bad_handle(handle) from e
        if name != self.name:
            raise bad_handle(handle)
        message = self._messages.get(id_)
        return None if message is None else (message, receipt)
