"""Long polls: one waits, others join it while much is there, and none begins that nobody asked for."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from core import telemetry
from core.adapters.aws.api import AwsApi, AwsError
from core.adapters.sqs.batches import MOST_ENTRIES, reason_of
from core.adapters.sqs.holding import Held, Holding
from core.telemetry import Metrics

Raw = Mapping[str, Any]
_LONG: Final = 20
"""Seconds that SQS waits for a message."""
_SHORT: Final = 1
"""For those that came to help."""
_SLACK: Final = 10.0
"""Seconds for the answer itself."""
_MOST_POLLS: Final = 4
_RECEIVES: Final = "ApproximateReceiveCount"
_PAUSE: Final = wait_random_exponential(multiplier=1, max=30)


class Receiver:
    """Puts what comes into `holding`, and tells of each message that is not there yet."""

    def __init__(
        self,
        *,
        api: AwsApi,
        url: str,
        visibility: float,
        holding: Holding,
        monotonic: Callable[[], float],
        metrics: Metrics,
        pause: Callable[[float], Coroutine[Any, Any, None]],
        may_receive: Callable[[], bool],
        came: Callable[[Held], None],
    ) -> None:
        """`may_receive`: somebody asks for messages, and there is room. `nudge` it when that has changed."""
        self._api = api
        self._url = url
        self._visibility = math.ceil(visibility)
        self._holding = holding
        self._monotonic = monotonic
        self._metrics = metrics
        self._pause = pause
        self._may_receive = may_receive
        self._came = came
        self._nudged = asyncio.Event()
        self._polls: set[asyncio.Task[None]] = set()
        self._is_closing = False

    def nudge(self) -> None:
        """Looks again whether to receive; begins to, the first time."""
        self._nudged.set()
        if not self._polls and not self._is_closing:
            self._start(self._poll_on())

    async def receive_once(self, wait: int = 0) -> int:
        """One call, which is counted; how many messages it gave. Raises AwsError."""
        parameters = {
            "QueueUrl": self._url,
            "MaxNumberOfMessages": MOST_ENTRIES,
            "WaitTimeSeconds": wait,
            "VisibilityTimeout": self._visibility,
            "MessageSystemAttributeNames": [_RECEIVES],
        }
        try:
            answer = await self._api.call("sqs", "ReceiveMessage", parameters, wait + _SLACK)
        except AwsError:
            self._metrics.count("memtrace_queue_receives_total", 1, "failed")
            raise
        self._metrics.count("memtrace_queue_receives_total", 1, "answered")
        messages: Sequence[Raw] = answer.get("Messages") or ()
        now = self._monotonic()
        for message in messages:
            id_, receipt = message.get("MessageId"), message.get("ReceiptHandle")
            if not id_ or not receipt:
                continue
            held = self._holding.take(
                str(id_),
                str(receipt),
                str(message.get("Body", "")),
                now=now,
                hidden_until=now + self._visibility,
                receives=int(message.get("Attributes", {}).get(_RECEIVES, 1)),
            )
            if held is not None:
                self._came(held)
        return len(messages)

    async def close(self, patience: float) -> None:
        """Starts no more; what is under way is waited for so long."""
        self._is_closing = True
        self._nudged.set()
        if not self._polls:
            return
        _, left = await asyncio.wait(self._polls, timeout=patience)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    async def _poll_on(self) -> None:
        """Until closed. Whatever fails is tried again, ever more slowly."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(AwsError), wait=_PAUSE, sleep=self._pause, before_sleep=_tell
        )
        while not self._is_closing:
            if not self._may_receive():
                self._nudged.clear()
                await self._nudged.wait()
            elif await retrying(self.receive_once, _LONG) == MOST_ENTRIES:
                self._call_for_help()

    async def _help(self) -> None:
        """Until there is no more than one poll can take, or something fails."""
        try:
            while not self._is_closing and self._may_receive():
                if await self.receive_once(_SHORT) < MOST_ENTRIES:
                    return
        except AwsError:
            return  # the one that polls on finds out by itself

    def _call_for_help(self) -> None:
        if len(self._polls) < _MOST_POLLS and not self._is_closing:
            self._start(self._help())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="memtrace sqs poll")
        self._polls.add(task)
        task.add_done_callback(self._polls.discard)


def _tell(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, AwsError):
        wait = round(state.upcoming_sleep, 1)
        telemetry.warning("queue_receive_failed", reason=reason_of(error), retry_in=wait)
