"""What a binding may be: the rules for its URL, names and Arc key. Pure."""

import posixpath
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Required, TypedDict
from urllib.parse import urlsplit

from core.model.errors import InvalidRequest
from core.model.memory import OrgId
from core.model.tenant import FILE_SCHEME

DEFAULT_MEASUREMENT: Final = "events"
_DATABASE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_MEASUREMENT: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,127}")
_NOT_REWRITTEN: Final = ("pg_", "duckdb_", "information_schema", "read_parquet")
"""Arc takes names that begin so for tables of its own engine."""
_ARC_KEY: Final = re.compile(r"[!-~]{1,4096}")
_LONGEST_URL: Final = 2_048
_SHORTEST_SHOWN: Final = 16


class AskedBinding(TypedDict, total=False):
    """What a binding is made of, as it was asked for. Keys are plain: never log one."""

    url: Required[str]
    database: Required[str]
    measurement: str
    arc_key: str
    admin_key: str
    id: str


@dataclass(frozen=True, slots=True)
class ShownBinding:
    """A binding for people's eyes: the Arc key is masked, and empty when there is none."""

    id: str
    org_id: OrgId
    url: str
    database: str
    measurement: str
    created_at: datetime
    masked_key: str
    masked_admin_key: str


def masked(key: str) -> str:
    """The first and the last four characters; nothing of a key too short to spare eight."""
    if len(key) < _SHORTEST_SHOWN:
        return "****" if key else ""
    return f"{key[:4]}...{key[-4:]}"


def checked_url(url: str) -> str:
    """The URL in the form that is stored. Raises InvalidRequest naming what is wrong."""
    url = url.strip()
    if len(url) > _LONGEST_URL or not url.isprintable():
        raise _wrong("url", f"is longer than {_LONGEST_URL} characters, or holds control characters")
    if url.startswith(FILE_SCHEME):
        return _checked_folder(url.removeprefix(FILE_SCHEME))
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        raise _wrong("url", "is no URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine or " " in url:
        raise _wrong("url", "must be http://host, https://host or file:/absolute/folder")
    if parts.username is not None or parts.password is not None:
        raise _wrong("url", "must not hold credentials; they belong into the API key")
    if parts.query or parts.fragment:
        raise _wrong("url", "must not have a query or a fragment")
    return url.rstrip("/")


def _checked_folder(path: str) -> str:
    if path.startswith("//"):
        path = path.removeprefix("//")  # file:///folder; file://host/folder is no folder here
    if not path.startswith("/"):
        raise _wrong("url", "must name an absolute folder, as in file:/var/lib/memtrace/store")
    return FILE_SCHEME + "/" + posixpath.normpath(path).lstrip("/")


def checked_database(name: str) -> str:
    if not _DATABASE.fullmatch(name):
        raise _wrong("database", "must be a letter, then up to 63 letters, digits, _ or -")
    return name


def checked_measurement(name: str) -> str:
    if not _MEASUREMENT.fullmatch(name):
        raise _wrong("measurement", "must be a letter, then up to 127 letters, digits, _ or -")
    if name.lower().startswith(_NOT_REWRITTEN):
        raise _wrong("measurement", f"must not begin with {', '.join(_NOT_REWRITTEN)}")
    return name


def checked_arc_key(key: str, url: str) -> str:
    """An Arc over HTTP needs a key, a folder may do without. It goes into a header as it is."""
    if not key:
        if url.startswith(FILE_SCHEME):
            return key
        raise _wrong("api_key", "is needed for an Arc instance")
    if not _ARC_KEY.fullmatch(key):
        raise _wrong("api_key", "must be up to 4096 visible ASCII characters without blanks")
    return key


def checked_admin_key(key: str, url: str) -> str:
    """Empty stands for none, and is all that a folder has use for. It goes into a header as it is."""
    if key and url.startswith(FILE_SCHEME):
        raise _wrong("admin_key", "is for an Arc: from a folder the flusher removes without a key")
    if key and not _ARC_KEY.fullmatch(key):
        raise _wrong("admin_key", "must be up to 4096 visible ASCII characters without blanks")
    return key


def _wrong(field: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"{field} {what}", field=field)
