"""A stand-in for SQS on a port of this machine."""

import json
from types import TracebackType
from typing import Final

from core.adapters.clock import SystemClock
from core.ports import Clock
from local.arc.serving import Listener
from local.sqs.account import Account
from local.sqs.app import App
from local.sqs.attributes import arn_of
from local.sqs.control import control_app
from local.sqs.faults import Faults
from local.sqs.queue import MOST_IN_FLIGHT


class SqsEndpoint:
    """Serves within `async with`. Messages live as long as the object: they outlive `refuse` and `accept`.

    What hides and shows messages is `clock`, so that a test can move it.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        most_in_flight: int = MOST_IN_FLIGHT,
    ) -> None:
        self.faults: Final = Faults()
        self.account: Final = Account(
            clock=clock or SystemClock(), faults=self.faults, most_in_flight=most_in_flight
        )
        self._host: Final = host
        self._port = port
        self._listener: Listener | None = None

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}"

    async def __aenter__(self) -> "SqsEndpoint":
        await self.accept()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def accept(self) -> None:
        """Connections are taken; again, on the same port."""
        listener = Listener(App(self.account, control_app(self.account)))
        self._port = await listener.start(self._host, self._port)
        self._listener = listener
        self.account.url = self.url

    async def refuse(self) -> None:
        """Connections are refused from now on, and those that are open reset, as when it is killed."""
        if self._listener is not None:
            listener, self._listener = self._listener, None
            await listener.abort()

    async def close(self) -> None:
        """Long polls are answered, then it ends. May be called twice."""
        self.account.stopping.set()
        if self._listener is not None:
            listener, self._listener = self._listener, None
            await listener.stop()

    async def create(self, name: str, *, dead: str = "", most_receives: int = 3, **attributes: str) -> str:
        """A queue, and one for its dead messages where that is named; the queue's URL."""
        if dead:
            await self.account.call("CreateQueue", {"QueueName": dead, "Attributes": {}})
            policy = {"deadLetterTargetArn": arn_of(dead), "maxReceiveCount": most_receives}
            attributes["RedrivePolicy"] = json.dumps(policy)
        made = await self.account.call("CreateQueue", {"QueueName": name, "Attributes": attributes})
        return str(made["QueueUrl"])
