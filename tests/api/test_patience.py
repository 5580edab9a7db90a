"""X-Request-Timeout: the answer comes within the caller's time, whatever it waits for."""

import asyncio
from typing import Any

import pytest

from core.model.errors import StoreTimeout
from handlers.arrival import ARRIVED
from tests.api.raw import chunk, exchanged
from tests.api.rig import Answer, Api, assert_error
from tests.clock import ManualClock

URL = "/api/v1/memories"
ONE = b'{"agent_id":"a","content":"x"}'
SHORT = {"x-api-key": "full", "x-request-timeout": "0.05"}


class Never:
    """Any service, never done with anything."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def __getattr__(self, name: str) -> Any:
        async def wait(*_: Any, **__: Any) -> Any:
            try:
                await asyncio.Event().wait()
            finally:
                self.ended.append(name)

        return wait

    def peek(self, presented: str | None) -> None:
        return None


@pytest.fixture
def never() -> Never:
    return Never()


async def sent(
    api: Api, method: str = "GET", messages: Any = (), headers: Any = SHORT, **more: Any
) -> Answer:
    return (await exchanged(api.app, method, URL, messages, headers, **more)).answer


async def test_a_slow_handler_is_given_up_in_the_callers_time(api: Api, never: Never) -> None:
    answer = await sent(api.with_doors(ingest=never), "POST", [chunk(ONE)])
    body = assert_error(answer, 504, "deadline_exceeded", "within 0.05 seconds")
    assert "Idempotency-Key" in body["hint"]
    assert answer.headers["retry-after"] == "1"
    assert never.ended == ["write"]


async def test_a_slow_look_at_the_key_is_given_up_too(api: Api, never: Never) -> None:
    assert_error(await sent(api.with_doors(gate=never)), 504, "deadline_exceeded")
    assert never.ended == ["authenticate"]


async def test_a_slow_body_is_given_up_too(api: Api) -> None:
    assert_error(await sent(api, "POST", [chunk(ONE[:3], more=True)]), 504, "deadline_exceeded")


async def test_its_place_and_its_room_come_back(api: Api, never: Never) -> None:
    tight = api.with_server(max_concurrent_requests=1)
    await sent(tight.with_doors(ingest=never), "POST", [chunk(ONE)])
    busy = tight.with_doors(recall=never)
    assert (await sent(busy)).status == 504
    assert (await sent(busy)).status == 504, "not 503: there is room again"


async def test_the_time_in_the_queue_counts(api: Api, clock: ManualClock) -> None:
    arrived = {ARRIVED: clock.monotonic() - 5}
    headers = {**SHORT, "x-request-timeout": "5"}
    wire = await exchanged(api.with_doors(clock=clock).app, "POST", URL, [chunk(ONE)], headers, **arrived)
    body = assert_error(wire.answer, 504, "deadline_exceeded", "before it was looked at")
    assert body["hint"] == "nothing of it was done"
    assert wire.unread == 1
    text = (await api.get("/metrics")).content.decode()
    assert 'memtrace_refused_total{reason="deadline"} 1.0' in text


async def test_a_patient_caller_gets_its_answer(api: Api) -> None:
    for patience in ("5", "0.9", " 30 ", "999999"):
        assert (await sent(api, headers={**SHORT, "x-request-timeout": patience})).status == 200


async def test_patience_does_not_lengthen_the_servers_time(api: Api, never: Never) -> None:
    arc = {"query_timeout": 0.1, "connect_timeout": 0.1}
    hasty = api.with_settings(server={"write_timeout": 0.1}, arc=arc).with_doors(recall=never)
    answer = await sent(hasty, headers={**SHORT, "x-request-timeout": "600"})
    assert_error(answer, 504, "deadline_exceeded", "within 0.1 seconds")


async def test_the_servers_time_counts_from_the_heads_arrival(
    api: Api, never: Never, clock: ManualClock
) -> None:
    late: dict[str, Any] = {ARRIVED: clock.monotonic() - 31}
    async with asyncio.timeout(20):
        answer = await sent(api.with_doors(recall=never, clock=clock), headers={"x-api-key": "full"}, **late)
    assert_error(answer, 504, "deadline_exceeded", "within 30 seconds")


async def test_the_look_at_the_key_is_part_of_the_servers_time(
    api: Api, never: Never, clock: ManualClock
) -> None:
    class Slow:
        def peek(self, presented: str | None) -> None:
            return None

        async def authenticate(self, presented: str | None) -> Any:
            clock.advance(31)
            return api.doors.gate.peek(presented)

    slow = api.with_doors(gate=Slow(), recall=never, clock=clock)
    async with asyncio.timeout(20):
        answer = await sent(slow, headers={"x-api-key": "full"})
    assert_error(answer, 504, "deadline_exceeded", "within 30 seconds")


@pytest.mark.parametrize("given", ["", "0", "0.0", "-1", "soon", "1e3", "5s", "1,5", "٣", "inf", "9" * 400])
async def test_what_is_no_time_is_refused(api: Api, given: str) -> None:
    headers = {**SHORT, "x-request-timeout": given.encode().decode("latin-1")}
    answer = await sent(api, headers=headers)
    body = assert_error(answer, 400, "invalid_request", "X-Request-Timeout must be")
    assert body["field"] == "X-Request-Timeout"


async def test_a_probe_asks_for_no_patience(api: Api) -> None:
    wire = await exchanged(api.app, "GET", "/livez", headers={"x-request-timeout": "soon"})
    assert wire.answer.status == 200


async def test_an_earlier_timeout_of_somebody_else_says_more(api: Api) -> None:
    class TimesOut:
        async def search(self, *_: Any) -> Any:
            raise StoreTimeout()

    assert_error(await sent(api.with_doors(recall=TimesOut())), 504, "store_timeout")


async def test_a_timeout_that_is_a_defect_is_not_taken_for_the_callers(api: Api) -> None:
    class Defect:
        async def search(self, *_: Any) -> Any:
            raise TimeoutError

    assert_error(await sent(api.with_doors(recall=Defect())), 500, "internal_error")


async def test_a_write_that_was_given_up_is_whole_or_not_there(api: Api) -> None:
    """Its commit may have been under way: then it is there, and a repetition is told so."""
    headers = {**SHORT, "x-request-timeout": "0.000001", "idempotency-key": "k"}
    first = await sent(api, "POST", [chunk(ONE)], headers)
    again = await sent(api, "POST", [chunk(ONE)], {**headers, "x-request-timeout": "10"})
    assert (first.status, again.status) == (504, 201)
    assert (await api.get(URL)).json["count"] == 1
