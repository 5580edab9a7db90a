"""Browsers of other origins: open by default, configurable, free without an Origin header."""

import pytest

from tests.api.rig import Api

URL = "/api/v1/memories"
HERE = "https://app.example"
PREFLIGHT = {
    "Origin": HERE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "x-api-key, content-type",
}


async def test_any_origin_may_read_answers_and_the_headers_that_matter(api: Api) -> None:
    answer = await api.send("GET", URL, headers={"Origin": HERE})
    assert answer.headers["access-control-allow-origin"] == "*"
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"X-Request-ID", "Retry-After", "RateLimit", "RateLimit-Policy", "X-RateLimit-Reset"} <= {*exposed}


@pytest.mark.every_door
async def test_errors_can_be_read_too(api: Api) -> None:
    for path in ("/nowhere", URL + "?limit=0"):
        answer = await api.send("GET", path, headers={"Origin": HERE})
        assert answer.headers["access-control-allow-origin"] == "*"


async def test_without_an_origin_nothing_is_said(api: Api) -> None:
    answer = await api.get(URL)
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.every_door
async def test_a_preflight_needs_no_key_and_allows_our_headers(api: Api) -> None:
    answer = await api.as_("").send("OPTIONS", URL, headers=PREFLIGHT)
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    allowed = answer.headers["access-control-allow-headers"]
    for name in ("Content-Type", "Authorization", "x-api-key", "Idempotency-Key", "X-Request-ID"):
        assert name in allowed
    assert "X-Request-Timeout" in allowed
    for method in ("GET", "POST", "PUT", "DELETE"):
        assert method in answer.headers["access-control-allow-methods"]
    assert "x-request-id" in answer.headers


@pytest.mark.every_door
async def test_of_listed_origins_each_is_named_and_others_are_not(api: Api) -> None:
    closed = api.with_server(cors_origins=(HERE,))
    ours = await closed.send("GET", URL, headers={"Origin": HERE})
    assert ours.headers["access-control-allow-origin"] == HERE
    assert ours.headers["vary"] == "Origin"
    theirs = await closed.send("GET", URL, headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in theirs.headers
    assert theirs.headers["vary"] == "Origin"


@pytest.mark.parametrize("origins", [(), (HERE,)])
async def test_a_preflight_of_another_origin_allows_nothing(api: Api, origins: tuple[str, ...]) -> None:
    headers = {**PREFLIGHT, "Origin": "https://evil.example"}
    answer = await api.with_server(cors_origins=origins).send("OPTIONS", URL, headers=headers)
    assert answer.status == 204
    assert not [name for name in answer.headers if name.startswith("access-control")]
