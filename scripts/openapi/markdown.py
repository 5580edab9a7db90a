"""As much of Markdown as the descriptions use, as HTML: paragraphs, lists, code, bold words, links within."""

import re
from html import escape
from typing import Final

_CODE: Final = re.compile(r"`([^`]+)`")
_BOLD: Final = re.compile(r"\*\*(.+?)\*\*")
_LINK: Final = re.compile(r"\[([^\]]+)\]\(#/components/schemas/(\w+)\)")


def html_of(text: str) -> str:
    """Blocks of HTML. Everything that is not one of the marks is escaped."""
    return "".join(_block(block) for block in text.split("\n\n") if block.strip())


def inline(text: str) -> str:
    """A line of text, for a place where blocks cannot be."""
    parts = _CODE.split(text)
    return "".join(f"<code>{escape(p)}</code>" if i % 2 else _marked(p) for i, p in enumerate(parts))


def _marked(text: str) -> str:
    bold = _BOLD.sub(r"<strong>\1</strong>", escape(text, quote=False))
    return _LINK.sub(r'<a href="#schema-\2">\1</a>', bold)


def _block(block: str) -> str:
    lines = block.strip().replace("\n  ", " ").split("\n")
    if all(line.startswith("- ") for line in lines):
        return "<ul>" + "".join(f"<li>{inline(line[2:])}</li>" for line in lines) + "</ul>"
    return f"<p>{inline(' '.join(lines))}</p>"
