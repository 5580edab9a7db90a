"""The OpenAPI 3.1 document, made from the table of routes and the types that decode and encode."""

from collections.abc import Sequence
from typing import Any, Final

from core.version import VERSION
from handlers.http.endpoint import Endpoint
from scripts.openapi.failures import errors_of, example, hoisted
from scripts.openapi.operations import HEADERS, PARAMETERS, operation, prose_of
from scripts.openapi.prose import DESCRIPTION, SUMMARY, TAGS
from scripts.openapi.schemas import component_schemas

JsonObject = dict[str, Any]

_SECURITY: Final = {
    "ApiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "`x-api-key: mtk_…`; made with `memtrace key create`, and shown once.",
    },
    "Bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "mtk_…",
        "description": "`Authorization: Bearer mtk_…`, the same key.",
    },
}
_SERVERS: Final = [
    {"url": ".", "description": "where this document came from"},
    {
        "url": "{url}",
        "description": "any other",
        "variables": {"url": {"default": "http://localhost:9100", "description": "MEMTRACE_URL"}},
    },
]


def document_of(routes: Sequence[Endpoint]) -> JsonObject:
    """The whole document. The same routes give the same document."""
    paths: JsonObject = {}
    for endpoint in routes:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation(endpoint)
    errors = {error for endpoint in routes for given in errors_of(endpoint).values() for error in given}
    responses = hoisted(paths)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Memtrace",
            "version": VERSION,
            "summary": SUMMARY,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": _SERVERS,
        "tags": _tags(routes),
        "paths": paths,
        "components": {
            "securitySchemes": _SECURITY,
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "responses": responses,
            "examples": {e.code: example(e) for e in sorted(errors, key=lambda e: e.code)},
            "schemas": component_schemas(t for e in routes for t in (*e.takes, *e.answers)),
        },
    }


def _tags(routes: Sequence[Endpoint]) -> list[JsonObject]:
    used = dict.fromkeys(prose_of(endpoint).tag for endpoint in routes)
    return [{"name": tag, **({"description": TAGS[tag]} if tag in TAGS else {})} for tag in used]
