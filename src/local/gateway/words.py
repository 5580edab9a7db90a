"""What `template.yaml` has API Gateway say by itself, in the shape of every other error. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from local.gateway.answer import Answer


@dataclass(frozen=True, slots=True)
class Words:
    """One of the template's gateway responses."""

    body: Mapping[str, str]
    status: int = 0
    """0: as it would be without them."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Beside those that all of them have."""


WORDS: Final[Mapping[str, Words]] = {
    "DEFAULT_4XX": Words({"error": "the request was refused before it was read", "code": "invalid_request"}),
    "DEFAULT_5XX": Words(
        {
            "error": "the service could not answer",
            "code": "unavailable",
            "hint": "send the request again; with an Idempotency-Key it is done once",
        },
        headers={"retry-after": "1"},
    ),
    "INTEGRATION_TIMEOUT": Words(
        {"error": "the request was not answered in time", "code": "deadline_exceeded"}, 504
    ),
    "MISSING_AUTHENTICATION_TOKEN": Words({"error": "no such path", "code": "not_found"}, 404),
    "REQUEST_TOO_LARGE": Words(
        {
            "error": "the request is too large",
            "code": "request_too_large",
            "hint": "send fewer memories at once: 4 MB are taken",
        },
        413,
    ),
}
_KINDS: Final = {403: "MISSING_AUTHENTICATION_TOKEN", 413: "REQUEST_TOO_LARGE", 504: "INTEGRATION_TIMEOUT"}


def worded(answer: Answer, request_id: str) -> Answer:
    """The gateway's own answer as a stack of ours gives it."""
    words = WORDS[_KINDS.get(answer.status, f"DEFAULT_{answer.status // 100}XX")]
    headers = {
        "content-type": "application/json",
        "access-control-allow-origin": "*",
        "x-request-id": request_id,
        **words.headers,
    }
    body = json.dumps({**words.body, "request_id": request_id}).encode()
    return replace(answer, status=words.status or answer.status, headers=tuple(headers.items()), body=body)
