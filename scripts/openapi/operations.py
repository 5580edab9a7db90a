"""One operation of the document, out of its row in the table of routes."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from handlers.http.endpoint import Endpoint
from handlers.http.given import ID_PATTERN
from scripts.openapi.example import Example
from scripts.openapi.examples import of_operation
from scripts.openapi.failures import errors_of, failure
from scripts.openapi.prose import OPERATIONS, PATH_PARAMETERS, Prose
from scripts.openapi.schemas import one_of, properties_of, reference

JsonObject = dict[str, Any]

_JSON: Final = "application/json"
PARAMETERS: Final[JsonObject] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Within the dedup window (24 hours) the same key with the same body, byte for byte,"
        " gets the same answer again, and nothing is done twice; with another body it is a `409`.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
        "example": "import-42",
    },
    "RequestId": {
        "name": "X-Request-ID",
        "in": "header",
        "description": "A name for this request, repeated in its answer and in the server's log. One that is"
        " not 1 to 128 letters, digits, `.`, `_` or `-` is replaced.",
        "schema": {"type": "string"},
        "example": "checkout-7f3a",
    },
    "RequestTimeout": {
        "name": "X-Request-Timeout",
        "in": "header",
        "description": "Seconds, above 0, from when the server had the head of the request. After them the"
        " answer is of no use: it is a `504`. The server's own limit holds beside it.",
        "schema": {"type": "string", "pattern": r"^[0-9]{1,6}(\.[0-9]{1,6})?$"},
        "example": "2.5",
    },
}
HEADERS: Final[JsonObject] = {
    "RequestId": {
        "description": "The request's name: your own, where you sent one that is well formed.",
        "schema": {"type": "string"},
        "example": "req_ca3fbfef8ac1000000000015",
    },
    "RetryAfter": {
        "description": "Seconds after which trying again makes sense.",
        "schema": {"type": "integer", "minimum": 0},
        "example": 1,
    },
    "RateLimitPolicy": {
        "description": "The rates that hold for the caller, where any does"
        " (draft-ietf-httpapi-ratelimit-headers-10): `q` is the burst, `w` the seconds in which it comes"
        " back, `qu` what is counted, requests where it is not said.",
        "schema": {"type": "string"},
        "example": '"key-requests";q=50;w=10, "org-memories";q=1000;qu="memories";w=10',
    },
    "RateLimit": {
        "description": "What is left of each rate (`r`), and the seconds until there is more (`t`).",
        "schema": {"type": "string"},
        "example": '"key-requests";r=37;t=1, "org-memories";r=1000;t=0',
    },
    "RateLimitLimit": {
        "description": "Of the rate of requests that is nearest to its end: the burst.",
        "schema": {"type": "integer"},
        "example": 50,
    },
    "RateLimitRemaining": {
        "description": "Of that rate: what is left.",
        "schema": {"type": "integer"},
        "example": 37,
    },
    "RateLimitReset": {
        "description": "Of that rate: the Unix time at which there is more.",
        "schema": {"type": "integer"},
        "example": 1763695712,
    },
    "NoStore": {
        "description": "Answers to reads are for the caller alone.",
        "schema": {"const": "no-store"},
        "example": "no-store",
    },
}
_ON_EVERY_ANSWER: Final = {"X-Request-ID": "RequestId"}
_OF_RATES: Final = {
    "RateLimit-Policy": "RateLimitPolicy",
    "RateLimit": "RateLimit",
    "X-RateLimit-Limit": "RateLimitLimit",
    "X-RateLimit-Remaining": "RateLimitRemaining",
    "X-RateLimit-Reset": "RateLimitReset",
}
_BEFORE_ANY_RATE: Final = (401, 403)


def prose_of(endpoint: Endpoint) -> Prose:
    """The operation in words; where nobody wrote any, its summary says it all."""
    plain = Prose(endpoint.name, endpoint.name.split("_")[0], "", endpoint.summary)
    return OPERATIONS.get(endpoint.name, plain)


def operation(endpoint: Endpoint) -> JsonObject:
    """The operation as OpenAPI has it."""
    prose = prose_of(endpoint)
    made: JsonObject = {
        "operationId": prose.id,
        "tags": [prose.tag],
        "summary": endpoint.summary,
        **({"description": prose.text} if prose.text else {}),
        "security": [{"ApiKey": []}, {"Bearer": []}] if endpoint.permission else [],
        **({"x-permission": endpoint.permission} if endpoint.permission else {}),
        "parameters": [*_path(endpoint), *_query(endpoint), *_headers(endpoint)],
    }
    if endpoint.takes:
        made["requestBody"] = _body(endpoint)
    failures = {str(status): _failure(endpoint, status) for status in errors_of(endpoint)}
    otherwise = {
        str(status): {"description": told, "headers": _answer_headers(endpoint)}
        for status, told in prose.otherwise.items()
    }
    made["responses"] = {str(endpoint.status): _success(endpoint), **otherwise, **failures}
    return made


def _path(endpoint: Endpoint) -> list[JsonObject]:
    things = endpoint.path.split("/")
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH_PARAMETERS.get(name) or PATH_PARAMETERS[things[3]],
            "schema": {"type": "string", **({"pattern": ID_PATTERN} if prose_of(endpoint).wants_id else {})},
            **_examples((e, e.path[name]) for e in _good(endpoint) if name in e.path),
        }
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]


def _query(endpoint: Endpoint) -> list[JsonObject]:
    if endpoint.query is None:
        return []
    ignored = prose_of(endpoint).ignores
    known = properties_of(endpoint.query).items()
    return [_query_parameter(endpoint, name, schema) for name, schema in known if name not in ignored]


def _query_parameter(endpoint: Endpoint, name: str, schema: JsonObject) -> JsonObject:
    description = schema.pop("description", "")
    examples = ((e, e.query[name]) for e in _good(endpoint) if name in e.query)
    return {"name": name, "in": "query", "description": description, "schema": schema, **_examples(examples)}


def _headers(endpoint: Endpoint) -> list[JsonObject]:
    names = ["RequestId"]
    if not endpoint.is_probe:
        names.append("RequestTimeout")
    if endpoint.repeatable:
        names.append("IdempotencyKey")
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _good(endpoint: Endpoint) -> Iterable[Example]:
    """Examples to follow: tools send them as they are, and expect no complaint. A cursor is of one day."""
    known = of_operation(endpoint.name)
    return (e for e in known if e.status != HTTPStatus.BAD_REQUEST and "cursor" not in e.query)


def _examples(found: Iterable[tuple[Example, Any]]) -> JsonObject:
    examples = {e.name: {"summary": e.summary, "value": value} for e, value in found}
    return {"examples": examples} if examples else {}


def _body(endpoint: Endpoint) -> JsonObject:
    examples = _examples((e, e.body) for e in _good(endpoint) if e.body is not None)
    content = {_JSON: {"schema": one_of(endpoint.takes), **examples}}
    return {"required": endpoint.body_required, "content": content}


def _success(endpoint: Endpoint) -> JsonObject:
    answer: JsonObject = {"description": prose_of(endpoint).success, "headers": _answer_headers(endpoint)}
    if endpoint.permission == "read":
        answer["headers"]["Cache-Control"] = {"$ref": "#/components/headers/NoStore"}
    if endpoint.status == 204:
        return answer
    schema = one_of(endpoint.answers, "oneOf") if endpoint.answers else _plain(endpoint.media)
    examples = _examples(_answered(endpoint, endpoint.status))
    kinds = prose_of(endpoint).media or (endpoint.media,)
    answer["content"] = {media: {"schema": schema, **examples} for media in kinds}
    return answer


def _plain(media: str) -> JsonObject:
    return {"type": "object", "additionalProperties": True} if media == _JSON else {"type": "string"}


def _failure(endpoint: Endpoint, status: int) -> JsonObject:
    made = failure(status, errors_of(endpoint)[status], _answer_headers(endpoint, status))
    content = made["content"][_JSON]
    if status == endpoint.also_with:
        content["schema"] = {"anyOf": [*map(reference, endpoint.answers), content["schema"]]}
        made["description"] = f"{endpoint.summary}: no; or\n\n{made['description']}"
    told = {example.answer.get("code"): example for example, _ in _answered(endpoint, status)}
    content["examples"] = {
        **{code: general for code, general in content["examples"].items() if code not in told},
        **_examples(_answered(endpoint, status)).get("examples", {}),
    }
    return made


def _answered(endpoint: Endpoint, status: int) -> list[tuple[Example, Any]]:
    return [(e, e.answer) for e in of_operation(endpoint.name) if e.status == status and e.answer is not None]


def _answer_headers(endpoint: Endpoint, status: int = 200) -> JsonObject:
    names = dict(_ON_EVERY_ANSWER)
    if endpoint.permission and status not in _BEFORE_ANY_RATE:
        names |= _OF_RATES
    return {name: {"$ref": f"#/components/headers/{shared}"} for name, shared in names.items()}
