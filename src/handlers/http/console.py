"""The console: a page for people, made of plain files, that asks this API with the key they give it."""

from typing import Final

from core.model.errors import NotFound
from handlers.http.ask import Ask, Headers, Reply
from handlers.http.doors import Doors
from handlers.http.shelf import Asset, Shelf

HeaderList = tuple[tuple[bytes, bytes], ...]

_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    b" base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    b" require-trusted-types-for 'script'; trusted-types 'none'"
)
_GUARDS: Final[HeaderList] = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_ASK_AGAIN: Final = (b"cache-control", b"no-cache")
_FOR_GOOD: Final = (b"cache-control", b"public, max-age=31536000, immutable")


async def page(doors: Doors, ask: Ask) -> Reply:
    """The page; 304 for whoever has it already. Raises NotFound where it is switched off."""
    return _reply(await _shelf(doors).page(), ask.headers, _ASK_AGAIN)


async def file(doors: Doors, ask: Ask) -> Reply:
    """One of its files. Raises NotFound, also for files of another version."""
    asset = await _shelf(doors).file(ask.params["version"], ask.params["name"])
    if asset is None:
        raise NotFound("no such file of the console", hint="reload the page: it may be of another version")
    return _reply(asset, ask.headers, _FOR_GOOD)


async def way_home(doors: Doors, ask: Ask) -> Reply:
    """The page's links start where it is, so it has one address; this leads there through any proxy."""
    _shelf(doors)
    return Reply(308, b"", ((b"location", b"../console"), _ASK_AGAIN), b"text/plain")


def _shelf(doors: Doors) -> Shelf:
    if doors.console is None:
        raise NotFound("no such route", hint="the operator switched the console off: `server.console`")
    return doors.console


def _reply(asset: Asset, headers: Headers, caching: tuple[bytes, bytes]) -> Reply:
    told = ((b"etag", asset.tag), caching, *_GUARDS)
    if _has(headers, asset.tag):
        return Reply(304, b"", told, asset.kind)
    return Reply(200, asset.body, told, asset.kind)


def _has(headers: Headers, tag: bytes) -> bool:
    """Proxies that compress make tags weak; the file is the same."""
    known = headers.get(b"if-none-match", b"").split(b",")
    return any(one.strip().removeprefix(b"W/") == tag for one in known)
