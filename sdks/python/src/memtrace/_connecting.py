"""Where the server is and how it is spoken to: address, key, headers, time."""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from ._version import __version__

DEFAULT_TIMEOUT: Final = 30.0
DEFAULT_URL: Final = "http://localhost:9100"
DEFAULT_RETRIES: Final = 2


class Headers(dict[str, str]):
    """Shows no key where it is printed, as tools do with the variables of a traceback."""

    def __repr__(self) -> str:
        return repr({name: "[secure]" if name == "x-api-key" else value for name, value in self.items()})


def build_headers(api_key: str) -> Headers:
    """The headers of every request."""
    return Headers(
        {
            "x-api-key": api_key,
            "Content-Type": "application/json",
            "User-Agent": f"memtrace-sdk-python/{__version__}",
        }
    )


def address(base_url: str | None) -> str:
    """As given, else MEMTRACE_URL, else a server on this machine; without what surrounds it, or a slash."""
    return (base_url or os.environ.get("MEMTRACE_URL") or DEFAULT_URL).strip().rstrip("/")


def key(api_key: str | None) -> str:
    """As given, else MEMTRACE_API_KEY, without space around it. Raises ValueError where there is none."""
    if api_key is None:
        api_key = os.environ.get("MEMTRACE_API_KEY")
    if api_key is None:
        raise ValueError("no API key: pass api_key or set MEMTRACE_API_KEY")
    api_key = api_key.strip()
    if not (api_key.isascii() and api_key.isprintable()):
        # Refused here, as what sends a header would show it in its error.
        raise ValueError("the API key has characters that no key has")
    return api_key


def without_secrets(url: str) -> str:
    """The address for people, without a user or password in it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
