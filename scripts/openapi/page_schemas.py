"""Schemas as tables and in words."""

from collections.abc import Iterator
from html import escape
from typing import Any, Final

from scripts.openapi.markdown import html_of, inline

JsonObject = dict[str, Any]

_BOUNDS: Final = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "minimum": "from {}",
    "maximum": "to {}",
}


def sections(schemas: JsonObject) -> str:
    """All components, each under an anchor of its own."""
    return "".join(_section(name, schema) for name, schema in schemas.items())


def _section(name: str, schema: JsonObject) -> str:
    required = schema.get("required", [])
    rows = "".join(
        f"<tr><th scope=row><code>{escape(member)}</code>{' <em>required</em>' if member in required else ''}"
        f"</th><td>{kind_of(part)}</td><td>{_told(part)}</td></tr>"
        for member, part in schema["properties"].items()
    )
    return (
        f'<section id="schema-{name}" class=schema><h3>{escape(name)}</h3>{html_of(schema["description"])}'
        f"<div class=wide><table>{rows}</table></div></section>"
    )


def kind_of(schema: JsonObject) -> str:
    """What kind of value it is. That an optional field may also be null or empty, the page says once."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#schema-{name}">{name}</a>'
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return " or ".join(kind for kind in map(kind_of, schema[word]) if kind)
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(one))}</code>" for one in schema["enum"] if one)
    if "items" in schema:
        return f"list of {kind_of(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object of {kind_of(schema['additionalProperties'])}"
    kinds = schema.get("type", "")
    names = kinds if isinstance(kinds, list) else [kinds]
    return escape(" or ".join(name for name in names if name not in ("null", "")))


def _told(schema: JsonObject) -> str:
    return "; ".join(filter(None, [inline(schema.get("description", "")), *limits(schema)]))


def limits(schema: JsonObject) -> Iterator[str]:
    """What else holds for a value, in words."""
    for part in [schema, *schema.get("anyOf", [])]:
        yield from (words.format(f"{part[name]:,}") for name, words in _BOUNDS.items() if name in part)
        if "pattern" in part:
            yield f"matches <code>{escape(part['pattern'])}</code>"
        if "format" in part:
            yield escape(part["format"])
        if "default" in part:
            yield f"default <code>{escape(str(part['default']))}</code>"
