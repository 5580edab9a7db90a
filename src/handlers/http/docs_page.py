"""The operations as a page for people: made from the OpenAPI document, self-contained, works offline."""

from html import escape
from typing import Any, Final

_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}
code{font:14px/1.4 ui-monospace,monospace}h2{margin-top:2.5rem;text-transform:capitalize}
details{border:1px solid #d5d5d5;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer}.method{display:inline-block;min-width:4.5rem;font-weight:600}
.permission{color:#666;float:right}table{border-collapse:collapse;margin:.5rem 0}
td{border-top:1px solid #eee;padding:.2rem .8rem .2rem 0;vertical-align:top}
@media(prefers-color-scheme:dark){body{background:#16181c;color:#e4e4e4}details{border-color:#3a3d44}
td{border-color:#2b2e34}}
"""


def page_of(document: dict[str, Any]) -> bytes:
    """The page. Everything in it is escaped."""
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            groups.setdefault(operation["tags"][0], []).append(_operation(method, path, operation))
    sections = "".join(f"<h2>{escape(name)}</h2>{''.join(operations)}" for name, operations in groups.items())
    info = document["info"]
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width">'
        f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style>"
        f"<h1>{escape(info['title'])} API {escape(info['version'])}</h1>"
        f"<p>{escape(info['summary'])}. The full description: <a href=openapi.json>openapi.json</a>. "
        "Send the key as <code>x-api-key</code> or <code>Authorization: Bearer</code>.</p>"
        f"{sections}</html>"
    ).encode()


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    permission = operation.get("x-permission", "no key needed")
    parts = [
        _table("Parameters", [(p["name"], p["in"], _words(p["schema"], p)) for p in operation["parameters"]]),
        _body(operation),
        _table("Answers", [(s, r["description"], _kind(r)) for s, r in operation["responses"].items()]),
    ]
    return (
        f"<details><summary><span class=permission>{escape(permission)}</span>"
        f"<code><span class=method>{escape(method.upper())}</span>{escape(path)}</code><br>"
        f"{escape(operation['summary'])}</summary>{''.join(parts)}</details>"
    )


def _body(operation: dict[str, Any]) -> str:
    body = operation.get("requestBody")
    return _table("Body", [("", "", _kind(body))]) if body else ""


def _table(title: str, rows: list[tuple[str, str, str]]) -> str:
    cells = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row if cell) + "</tr>" for row in rows
    )
    return f"<h4>{title}</h4><table>{cells}</table>"


def _words(schema: dict[str, Any], parameter: dict[str, Any]) -> str:
    """What a person needs to know of a parameter."""
    words = [parameter.get("description", schema.get("description", ""))]
    choices = [c for part in (schema, *schema.get("anyOf", ())) for c in part.get("enum", ()) if c]
    if choices:
        words.append("one of " + ", ".join(choices))
    if "default" in schema:
        words.append(f"default {schema['default']}")
    return "; ".join(word for word in words if word)


def _kind(described: dict[str, Any]) -> str:
    """The names of the types that a body or an answer may have."""
    names = []
    for media in described.get("content", {}).values():
        schema = media["schema"]
        names += [part["$ref"].rsplit("/", 1)[-1] for part in schema.get("oneOf", [schema]) if "$ref" in part]
    return " or ".join(names)
