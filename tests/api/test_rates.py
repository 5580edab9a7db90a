"""Rate limits on the wire: 429, what it says, and that nothing has happened."""

from dataclasses import replace

import pytest

from core.limiter import Limiter, Standing
from core.model.errors import Unauthenticated
from core.model.org_settings import OrgSettings, RateSettings
from core.model.rates import Rate, Rates
from core.model.tenant import Principal
from handlers.http.app import doors_of
from handlers.http.rate_headers import rate_headers
from tests.api.raw import chunk, exchanged
from tests.api.rig import Api, assert_error
from tests.clock import ManualClock

MEMORIES = Rate("org", "memories", 100, 1_000)
URL = "/api/v1/memories"
HEADERS = ("ratelimit", "ratelimit-policy", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


class KeysOf:
    """A gate whose callers have settings of their own."""

    def __init__(self, api: Api, **settings: RateSettings) -> None:
        self._gate = api.doors.gate
        self._settings = settings

    def peek(self, presented: str | None) -> Principal | None:
        known = self._gate.peek(presented)
        own = self._settings.get(presented or "")
        return replace(known, settings=OrgSettings(rates=own)) if known and own else known

    async def authenticate(self, presented: str | None) -> Principal:
        raise Unauthenticated()

    def close(self) -> None: ...


def limited(api: Api, clock: ManualClock, **rates: float) -> Api:
    """The API with rates for the key `full`; the bursts are those of one second."""
    own = RateSettings(burst_seconds=1, **rates)
    limiter = Limiter(defaults=RateSettings(), clock=clock)
    return api.with_doors(limiter=limiter, clock=clock, gate=KeysOf(api, full=own))


def memories(count: int, name: str = "m") -> dict[str, object]:
    return {"memories": [{"agent_id": "a", "content": f"{name} {n}"} for n in range(count)]}


async def test_beyond_the_rate_requests_are_refused_until_they_may_pass(api: Api, clock: ManualClock) -> None:
    slow = limited(api, clock, requests_per_second=2)
    assert [(await slow.get(URL)).status for _ in range(3)] == [200, 200, 429]
    refused = await slow.get(URL)
    body = assert_error(refused, 429, "rate_limited", "2 requests a second")
    assert body["policy"] == "org-requests"
    assert refused.headers["retry-after"] == "1"
    clock.advance(0.5)
    assert (await slow.get(URL)).status == 200
    assert 'memtrace_refused_total{reason="rate"} 2.0' in (await slow.get("/metrics")).content.decode()


async def test_an_answer_says_how_the_caller_stands(api: Api, clock: ManualClock) -> None:
    slow = limited(api, clock, requests_per_second=5, key_memories_per_second=10)
    now = clock.micros() // 1_000_000
    answer = await slow.post(URL, memories(4))
    assert answer.headers["ratelimit-policy"] == (
        '"org-requests";q=5;w=1, "key-memories";q=10;qu="memories";w=1'
    )
    assert answer.headers["ratelimit"] == '"org-requests";r=4;t=1, "key-memories";r=6;t=1'
    assert [answer.headers[name] for name in HEADERS[2:]] == ["5", "4", str(now + 1)]


async def test_a_refusal_says_it_too(api: Api, clock: ManualClock) -> None:
    slow = limited(api, clock, key_requests_per_second=0.5)
    await slow.get(URL)
    refused = await slow.get(URL)
    assert refused.status == 429
    assert refused.headers["ratelimit"] == '"key-requests";r=0;t=2'
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert int(refused.headers["retry-after"]) >= 2


async def test_who_is_not_limited_is_told_nothing(api: Api, clock: ManualClock) -> None:
    slow = limited(api, clock, requests_per_second=2)
    for answer in (await slow.as_("other").get(URL), await slow.as_("").get(URL), await slow.get("/livez")):
        assert not {*HEADERS} & {*answer.headers}


async def test_one_orgs_flood_does_not_touch_another(api: Api, clock: ManualClock) -> None:
    slow = limited(api, clock, requests_per_second=1)
    assert [(await slow.get(URL)).status for _ in range(5)] == [200, 429, 429, 429, 429]
    assert [(await slow.as_("other").get(URL)).status for _ in range(5)] == [200] * 5


async def test_what_is_refused_is_refused_before_its_body_is_read(api: Api, clock: ManualClock) -> None:
    slow = limited(api, clock, requests_per_second=1)
    await slow.get(URL)
    wire = await exchanged(slow.app, "POST", URL, [chunk(b"{}")])
    assert (wire.answer.status, wire.unread) == (429, 1)


async def test_a_batch_beyond_the_rate_of_memories_changes_nothing(api: Api, clock: ManualClock) -> None:
    slow = limited(api, clock, memories_per_second=10)
    assert (await slow.post(URL, memories(8))).status == 201
    assert_error(await slow.post(URL, memories(8, "more")), 429, "rate_limited", "10 memories a second")
    assert (await api.get(URL)).json["count"] == 8
    assert (await slow.post(URL, memories(2, "more"))).status == 201
    refused = await exchanged(slow.app, "POST", URL, [chunk(b"{}")])
    assert (refused.answer.status, refused.unread) == (429, 1), "not even one could pass: not read"
    assert (await slow.get(URL)).status == 200, "reads have a rate of their own"


async def test_a_request_that_was_refused_may_be_repeated_with_its_key(api: Api, clock: ManualClock) -> None:
    slow = limited(api, clock, memories_per_second=1)
    one = {"agent_id": "a", "content": "x"}
    await slow.post(URL, {"agent_id": "a", "content": "first"})
    assert (await slow.post(URL, one, idempotency_key="k")).status == 429
    clock.advance(1)
    assert (await slow.post(URL, one, idempotency_key="k")).status == 201


async def test_what_is_not_valid_counts_as_no_memory(api: Api, clock: ManualClock) -> None:
    slow = limited(api, clock, memories_per_second=1)
    assert (await slow.post(URL, {"agent_id": "a"})).status == 400
    assert (await slow.post(URL, {"agent_id": "a", "content": "x"})).status == 201


async def test_rates_for_all_come_from_the_settings(api: Api) -> None:
    settings = api.with_settings(limits={"key_requests_per_second": 1, "burst_seconds": 3}).settings
    doors = doors_of(replace(api.services, settings=settings))
    caller = api.doors.gate.peek("full")
    assert caller is not None
    assert [standing.left for standing in doors.limiter.standings(caller)] == [3]


@pytest.mark.parametrize(
    ("lefts", "shown"), [((20, 5, 0), (100, 20)), ((100, 1, 0), (10, 1))], ids=["first", "second"]
)
def test_headers_of_older_clients_tell_of_the_rate_that_is_nearest_to_its_end(
    lefts: tuple[int, ...], shown: tuple[int, int]
) -> None:
    rates = Rates((Rate("key", "requests", 1, 100), Rate("org", "requests", 1, 10)), (MEMORIES,))
    headers = dict(rate_headers(rates, _standings(rates, lefts), 7))
    assert (int(headers[b"x-ratelimit-limit"]), int(headers[b"x-ratelimit-remaining"])) == shown


def test_where_only_memories_have_a_rate_older_clients_see_that() -> None:
    rates = Rates((), (MEMORIES,))
    assert dict(rate_headers(rates, _standings(rates, (3,)), 7))[b"x-ratelimit-limit"] == b"1000"
    assert rate_headers(Rates((), ()), [], 7) == ()


def _standings(rates: Rates, lefts: tuple[int, ...]) -> list[Standing]:
    return [Standing(rate, left, 1) for rate, left in zip(rates.all, lefts, strict=True)]
