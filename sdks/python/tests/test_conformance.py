"""The conformance files that all SDKs share."""

from typing import Any, Final

import pytest

from memtrace import (
    AuthenticationError,
    ConflictError,
    MemtraceError,
    NoArcInstanceError,
    NotFoundError,
    RateLimitError,
    TransportError,
)
from scripted import Server, cases, lacks, run, wire

KINDS: Final[dict[str, type[Exception]]] = {
    "authentication": AuthenticationError,
    "not_found": NotFoundError,
    "conflict": ConflictError,
    "rate_limited": RateLimitError,
    "no_arc_instance": NoArcInstanceError,
    "memtrace": MemtraceError,
    "transport": TransportError,
}
NAMES: Final = {"status": "status_code"}


def told(error: Exception, names: list[str]) -> dict[str, Any]:
    """What an error tells, in the words of the files."""
    return {name: getattr(error, NAMES.get(name, name), None) for name in names}


def in_range(waited: float, attempt: int) -> bool:
    longest: float = min(8.0, 0.5 * 2**attempt)
    return longest / 2 <= waited <= longest


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in cases()])
def test_the_client_does_as_all_sdks_do(case: dict[str, Any], kind: str) -> None:
    server, waits = Server(case["exchanges"]), list[float]()
    if "raises" in case:
        raises = {**case["raises"]}
        wanted = KINDS[raises.pop("error")]
        with pytest.raises(wanted) as caught:
            run(kind, server, case["call"], waits)
        assert wanted is TransportError or caught.type is wanted or raises["code"] == "invalid_response"
        assert lacks(told(caught.value, list(raises)), raises) == []
    else:
        assert lacks(wire(run(kind, server, case["call"], waits)), case["returns"]) == []
    assert server.is_done, "not all was asked"
    expected = case.get("waits", [])
    assert len(waits) == len(expected)
    for attempt, (waited, wait) in enumerate(zip(waits, expected, strict=True)):
        assert in_range(waited, attempt) if wait == "jitter" else waited == wait
