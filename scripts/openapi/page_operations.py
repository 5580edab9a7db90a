"""One operation as a part of the page."""

import json
import shlex
from collections.abc import Iterator
from html import escape
from typing import Any
from urllib.parse import quote, urlencode

from scripts.openapi.example import Example, in_query
from scripts.openapi.examples import of_operation_id
from scripts.openapi.markdown import html_of, inline
from scripts.openapi.page_schemas import kind_of, limits

JsonObject = dict[str, Any]


class Operations:
    """Writes operations of one document."""

    def __init__(self, document: JsonObject) -> None:
        self._components: JsonObject = document["components"]

    def section(self, method: str, path: str, operation: JsonObject) -> str:
        """The whole operation under its anchor."""
        permission = operation.get("x-permission")
        needs = f"needs <b>{escape(permission)}</b>" if permission else "no key"
        return (
            f'<section id="{operation["operationId"]}" class=operation>'
            f"<h3><span class=verb>{method.upper()}</span> <code>{escape(path)}</code></h3>"
            f"<p class=summary>{inline(operation['summary'])} <span class=needs>{needs}</span></p>"
            f"{html_of(operation.get('description', ''))}"
            f"{self._body(operation)}{self._parameters(operation)}{self._answers(operation)}"
            f"{''.join(self._examples(method, path, operation))}</section>"
        )

    def _resolved(self, part: JsonObject) -> JsonObject:
        if "$ref" not in part:
            return part
        kind, name = part["$ref"].split("/")[-2:]
        resolved: JsonObject = self._components[kind][name]
        return resolved

    def _parameters(self, operation: JsonObject) -> str:
        rows = "".join(_parameter(self._resolved(one)) for one in operation["parameters"])
        return _table("Parameters", rows)

    def _body(self, operation: JsonObject) -> str:
        if "requestBody" not in operation:
            return ""
        body = operation["requestBody"]
        kind = kind_of(body["content"]["application/json"]["schema"])
        return f"<p><b>Body</b>: {kind}{'' if body['required'] else ', or none'}</p>"

    def _answers(self, operation: JsonObject) -> str:
        rows = "".join(
            self._answer(status, self._resolved(one)) for status, one in operation["responses"].items()
        )
        return _table("Answers", rows)

    def _answer(self, status: str, response: JsonObject) -> str:
        kinds = [
            kind_of(one["schema"]) or escape(media) for media, one in response.get("content", {}).items()
        ]
        told = html_of(response["description"])
        head = f"<th scope=row><code>{status}</code></th>"
        return f"<tr>{head}<td>{' '.join(kinds)}</td><td>{told}</td></tr>"

    def _examples(self, method: str, path: str, operation: JsonObject) -> Iterator[str]:
        for example in of_operation_id(operation["operationId"]):
            answer = (
                f"<pre>{escape(json.dumps(example.answer, indent=2, ensure_ascii=False))}</pre>"
                if example.answer is not None
                else ""
            )
            told = f"{inline(example.summary)} <code>{example.status}</code>"
            yield (
                f"<details><summary>Example: {told}</summary>"
                f"<pre>{escape(curl(method, path, example))}</pre>{answer}</details>"
            )


def curl(method: str, path: str, example: Example) -> str:
    """The request as a line for a shell."""
    filled = path.format(**{name: quote(value, safe="") for name, value in example.path.items()})
    query = f"?{urlencode({n: in_query(v) for n, v in example.query.items()})}" if example.query else ""
    parts = [f'curl "$MEMTRACE_URL{filled}{query}"']
    if method.upper() not in ("GET", "POST") or (method.upper() == "POST" and example.body is None):
        parts.append(f"-X {method.upper()}")
    if example.key:
        parts.append('-H "x-api-key: $MEMTRACE_API_KEY"')
    parts += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in example.headers.items()]
    if example.body is not None:
        parts.append(f"-d {shlex.quote(json.dumps(example.body, indent=2, ensure_ascii=False))}")
    return " \\\n  ".join(parts)


def _parameter(parameter: JsonObject) -> str:
    schema = parameter["schema"]
    described = inline(parameter.get("description", "").removesuffix("."))
    told = "; ".join(filter(None, [described, *limits(schema)]))
    required = " <em>required</em>" if parameter.get("required") else ""
    return (
        f"<tr><th scope=row><code>{escape(parameter['name'])}</code>{required}</th>"
        f"<td>{escape(parameter['in'])}</td><td>{kind_of(schema)}</td><td>{told}</td></tr>"
    )


def _table(title: str, rows: str) -> str:
    return f"<div class=wide><table><caption>{title}</caption>{rows}</table></div>" if rows else ""
