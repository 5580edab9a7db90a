"""A server to measure, and the few calls that are made to it outside of what is timed."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

API: Final = "/api/v1"
_PATIENCE: Final = 60.0


class BenchError(Exception):
    """The measurement cannot go on; the message is for a person."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server that speaks the REST API, and a key that may read and write there."""

    name: str
    url: str
    """Scheme, host and port; no path."""
    key: str = field(repr=False)

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


def parse_target(text: str) -> Target:
    """Reads `NAME=URL,KEY`. Raises what argparse shows as a usage error."""
    name, equals, rest = text.partition("=")
    url, comma, key = rest.rpartition(",")
    if not (equals and comma and name and url and key):
        raise argparse.ArgumentTypeError(f"{text.partition(',')[0]!r} is not NAME=URL,KEY")
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/"):
        raise argparse.ArgumentTypeError(f"{url!r} is not http://HOST:PORT")
    return Target(name, f"http://{parts.netloc}", key)


class Client:
    """Plain calls, one at a time. Anything but a 2xx is a BenchError with the server's words."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._http = httpx.Client(
            base_url=target.url + API,
            headers={"x-api-key": target.key, "content-type": "application/json"},
            timeout=_PATIENCE,
            trust_env=False,
            verify=False,  # targets are plain http; loading certificates takes longer than a call
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        return self.call("GET", path, query=query)

    def post(self, path: str, body: object) -> dict[str, Any]:
        return self.post_text(path, json.dumps(body))

    def post_text(self, path: str, body: str) -> dict[str, Any]:
        """The same with a body that is JSON already."""
        return self.call("POST", path, body=body)

    def call(
        self, method: str, path: str, *, body: str = "", query: Mapping[str, str | int] | None = None
    ) -> dict[str, Any]:
        """The JSON object that the server answers."""
        try:
            response = self._http.request(method, path, params=query, content=body)
        except httpx.HTTPError as e:
            raise BenchError(f"{self.target.name}: {method} {path}: {type(e).__name__}: {e}") from e
        if not response.is_success:
            said = response.text[:200]
            raise BenchError(f"{self.target.name}: {method} {path}: {response.status_code} {said}")
        answer = response.json()
        if not isinstance(answer, dict):
            raise BenchError(f"{self.target.name}: {method} {path}: the answer is no JSON object")
        return answer
