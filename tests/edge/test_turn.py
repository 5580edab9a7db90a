"""One turn: an answer in time whatever the application does, and nothing that runs on."""

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from handlers.edge.events import HttpEvent
from handlers.edge.turn import AtRest, Turn, TurnTaker
from tests.edge.rig import told

App = Callable[[Any, Any, Any], Awaitable[None]]


def event(**headers: str) -> HttpEvent:
    return HttpEvent(
        version=1,
        method="GET",
        path="/api/v1/memories/a%2Fb",
        query={},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=b"",
        client_ip="",
        request_id="gateway-1",
    )


class Sent:
    """What was answered, and the scope that the application saw."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.scope: Any = None

    @property
    def status(self) -> int:
        starts = [m["status"] for m in self.messages if m["type"] == "http.response.start"]
        assert len(starts) == 1
        return int(starts[0])

    @property
    def json(self) -> Any:
        return json.loads(b"".join(m.get("body", b"") for m in self.messages))

    def seen(self, name: bytes) -> bytes | None:
        return dict(self.scope["headers"]).get(name)


async def resting() -> None:
    """Nothing is half-way."""


async def turn(app: App, remaining: float = 10.0, at_rest: AtRest = resting, **headers: str) -> Sent:
    """One request to this application."""
    sent = Sent()
    asked = event(**headers)

    async def recorded(scope: Any, receive: Any, send: Any) -> None:
        sent.scope = scope
        await app(scope, receive, send)

    async def send(message: Any) -> None:
        sent.messages.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    taker = TurnTaker(recorded, at_rest)
    taker.turn = Turn(asked, remaining)
    raw = [[name.encode(), value.encode()] for name, value in asked.headers.items()]
    await taker({"type": "http", "path": "/api/v1/memories/a/b", "headers": raw}, receive, send)
    return sent


async def answering(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


async def hanging(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.Event().wait()


async def _uncancelled(release: asyncio.Event) -> None:
    while not release.is_set():
        try:
            await release.wait()
        except asyncio.CancelledError:
            continue


def others() -> list[str]:
    current = asyncio.current_task()
    return [t.get_name() for t in asyncio.all_tasks() if t is not current and t.get_name() != "probe"]


async def test_an_answer_passes_through() -> None:
    sent = await turn(answering)
    assert (sent.status, sent.json) == (200, {})


async def test_the_application_sees_the_path_as_it_was_sent() -> None:
    sent = await turn(answering)
    assert sent.scope["raw_path"] == b"/api/v1/memories/a%2Fb"


async def test_the_gateways_request_id_is_taken_where_the_caller_has_none() -> None:
    assert (await turn(answering)).seen(b"x-request-id") == b"gateway-1"
    assert (await turn(answering, x_request_id="mine")).seen(b"x-request-id") == b"mine"


@pytest.mark.parametrize(
    ("remaining", "given", "told"),
    [
        (10.0, None, b"9.000"),
        (10.0, "2.5", b"2.5"),
        (10.0, "60", b"9.000"),
        (10.0, "soon", b"soon"),
        (10.0, "nan", b"nan"),
        (10.0, "-1", b"-1"),
        (2.0, None, b"1.600"),
        (-1.0, None, b"0.001"),
    ],
)
async def test_lambdas_time_bounds_the_requests(remaining: float, given: str | None, told: bytes) -> None:
    headers = {} if given is None else {"x_request_timeout": given}
    sent = await turn(answering, remaining, resting, **headers)
    assert sent.seen(b"x-request-timeout") == told


async def test_what_hangs_is_answered_before_lambda_kills_it() -> None:
    began = asyncio.get_running_loop().time()
    sent = await turn(hanging, 0.2)
    assert sent.status == 504
    assert sent.json["code"] == "deadline_exceeded"
    assert sent.json["request_id"] == "gateway-1"
    assert asyncio.get_running_loop().time() - began < 1.0
    assert others() == []


async def test_what_does_not_stop_is_answered_all_the_same() -> None:
    release = asyncio.Event()

    async def stubborn(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await _uncancelled(release)
            await answering(scope, receive, send)

    sent = await turn(stubborn, 0.05)
    assert sent.status == 504
    release.set()
    await asyncio.gather(*(t for t in asyncio.all_tasks() if t.get_name() == "request"))
    assert sent.status == 504  # what came afterwards went nowhere


async def test_what_the_request_started_is_waited_for() -> None:
    ended = []

    async def later() -> None:
        await asyncio.sleep(0.01)
        ended.append(True)

    async def starting(scope: Any, receive: Any, send: Any) -> None:
        starting.task = asyncio.create_task(later(), name="later")  # type: ignore[attr-defined]
        await answering(scope, receive, send)

    assert (await turn(starting)).status == 200
    assert ended == [True]


async def test_what_it_started_and_never_ends_is_ended() -> None:
    async def starting(scope: Any, receive: Any, send: Any) -> None:
        starting.task = asyncio.create_task(asyncio.Event().wait(), name="forever")  # type: ignore[attr-defined]
        await answering(scope, receive, send)

    assert (await turn(starting, 0.1)).status == 200
    assert others() == []


async def test_what_cannot_be_ended_is_told_by_name(log: io.StringIO) -> None:
    release = asyncio.Event()

    async def starting(scope: Any, receive: Any, send: Any) -> None:
        starting.task = asyncio.create_task(_uncancelled(release), name="obstinate")  # type: ignore[attr-defined]
        await answering(scope, receive, send)

    assert (await turn(starting, 0.05)).status == 200
    assert [line["names"] for line in told(log, "work_left_behind")] == [["obstinate"]]
    release.set()
    await asyncio.gather(*(t for t in asyncio.all_tasks() if t.get_name() == "obstinate"))


async def test_what_is_half_way_outside_of_tasks_is_waited_for() -> None:
    ended = []

    async def at_rest() -> None:
        await asyncio.sleep(0)
        ended.append(True)

    assert (await turn(answering, at_rest=at_rest)).status == 200
    assert ended == [True]


async def test_what_stays_half_way_is_given_up_when_the_time_is_over() -> None:
    async def at_rest() -> None:
        await asyncio.Event().wait()

    assert (await turn(answering, 0.1, at_rest=at_rest)).status == 200
    assert others() == []


async def test_a_caller_in_a_hurry_does_not_wait_for_what_is_left() -> None:
    async def starting(scope: Any, receive: Any, send: Any) -> None:
        starting.task = asyncio.create_task(asyncio.Event().wait(), name="forever")  # type: ignore[attr-defined]
        await answering(scope, receive, send)

    async with asyncio.timeout(30):
        sent = await turn(starting, 28.0, resting, x_request_timeout="0.05")
    assert sent.status == 200
    assert others() == []
