"""The console's files, as they lie in `handlers/console`: read when one is first asked for, then kept.

The page itself is asked for anew each time; all else stands under a digest of all files, and may be
kept for good.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

HOME: Final = Path(__file__).parent.parent / "console"
PAGE: Final = "index.html"
_KINDS: Final[Mapping[str, bytes]] = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}
_LINK: Final = re.compile(rb'(href|src)="console/')
_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served."""

    body: bytes
    kind: bytes
    tag: bytes
    """Its ETag."""


@dataclass(frozen=True, slots=True)
class _Files:
    version: str
    page: Asset
    named: Mapping[str, Asset]


class Shelf:
    """Never older than the process; knows no names but those of its files.

    The page of a server that wants no key says so, and opens by itself.
    """

    def __init__(self, *, is_open: bool) -> None:
        self._is_open = is_open

    async def page(self) -> Asset:
        """The page, which names all that it needs by the version of the files."""
        return (await self._read()).page

    async def file(self, version: str, name: str) -> Asset | None:
        """None for another version: a page of one must never work with modules of another."""
        files = await self._read()
        return files.named.get(name) if version == files.version else None

    async def _read(self) -> _Files:
        if "_files" not in self.__dict__:
            await asyncio.to_thread(lambda: self._files)
        return self._files

    @cached_property
    def _files(self) -> _Files:
        found = sorted(path for path in HOME.iterdir() if path.suffix in _KINDS)
        bodies = {path.name: path.read_bytes() for path in found}
        version = _digest(*(part for name, body in bodies.items() for part in (name.encode(), body)))
        page = _LINK.sub(rf'\1="console/{version}/'.encode(), bodies.pop(PAGE))
        if self._is_open:
            page = page.replace(b"<body>", b"<body data-open>")
        return _Files(
            version, _asset(PAGE, page), {name: _asset(name, body) for name, body in bodies.items()}
        )


def _asset(name: str, body: bytes) -> Asset:
    return Asset(body, _KINDS[Path(name).suffix], f'"{_digest(body)}"'.encode())


def _digest(*parts: bytes) -> str:
    sums = b"".join(hashlib.sha256(part).digest() for part in parts)
    return hashlib.sha256(sums).hexdigest()[:_DIGITS]
