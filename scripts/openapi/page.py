"""The document as one page of HTML for people: no script, nothing loaded, read by keyboard as by mouse."""

from html import escape
from pathlib import Path
from typing import Any, Final

from scripts.openapi.markdown import html_of, inline
from scripts.openapi.page_operations import Operations
from scripts.openapi.page_schemas import sections

JsonObject = dict[str, Any]
Grouped = dict[str, list[tuple[str, str, JsonObject]]]

_STYLE: Final = Path(__file__).with_name("page.css")


def page_of(document: JsonObject) -> str:
    """The page. Everything in it is escaped. The same document gives the same page."""
    info = document["info"]
    title = f"{escape(info['title'])} API {escape(info['version'])}"
    grouped = _grouped(document)
    schemas = sections(document["components"]["schemas"])
    lines = [
        "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>",
        '<meta name=viewport content="width=device-width, initial-scale=1">',
        '<meta name=color-scheme content="light dark">',
        f"<title>{title}</title>\n<style>\n{_STYLE.read_text()}</style>\n</head>\n<body>",
        '<a class=skip href="#main">Skip to the text</a>',
        _navigation(grouped, document),
        f"<main id=main tabindex=-1>\n<h1>{title}</h1>",
        f"<p class=summary>{escape(info['summary'])}. For programs:"
        f' <a href="openapi.json">openapi.json</a>.</p>',
        html_of(info["description"]),
        _groups(grouped, document),
        f"<h2 id=errors>Error codes</h2>\n{_codes(document)}",
        f"<h2 id=schemas>Schemas</h2>\n{schemas}\n</main>\n</body>\n</html>\n",
    ]
    return "\n".join(lines)


def _grouped(document: JsonObject) -> Grouped:
    grouped: Grouped = {tag["name"]: [] for tag in document["tags"]}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            grouped[operation["tags"][0]].append((method, path, operation))
    return grouped


def _navigation(grouped: Grouped, document: JsonObject) -> str:
    parts = [
        f'<li><a href="#tag-{name}">{escape(name)}</a><ul>'
        + "".join(
            f'<li><a href="#{one["operationId"]}"><span class=verb>{method.upper()}</span>'
            f" {escape(path.removeprefix('/api/v1'))}</a></li>"
            for method, path, one in operations
        )
        + "</ul></li>"
        for name, operations in grouped.items()
    ]
    rest = "".join(
        f'<li><a href="#schema-{name}">{name}</a></li>' for name in document["components"]["schemas"]
    )
    return (
        f'<nav aria-label=Operations>\n<ul>{"".join(parts)}<li><a href="#errors">error codes</a></li>'
        f'<li><a href="#schemas">schemas</a><ul>{rest}</ul></li></ul>\n</nav>'
    )


def _groups(grouped: Grouped, document: JsonObject) -> str:
    described = {tag["name"]: tag.get("description", "") for tag in document["tags"]}
    writer = Operations(document)
    return "".join(
        f'<h2 id="tag-{name}">{escape(name.capitalize())}</h2>\n{html_of(described[name])}\n'
        + "\n".join(writer.section(*operation) for operation in operations)
        + "\n"
        for name, operations in grouped.items()
    )


def _codes(document: JsonObject) -> str:
    rows = "".join(
        f"<tr><th scope=row><code>{code}</code></th><td>{inline(example['summary'])}</td></tr>"
        for code, example in document["components"]["examples"].items()
    )
    return f"<div class=wide><table>{rows}</table></div>"
