"""Finds the endpoint that a request means."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from core.frugal import without
from handlers.http.endpoint import Endpoint

with without("python_multipart", "multipart"):  # for forms, which we do not take
    from starlette.routing import Match, Route

_NO_PARAMS: Final[Mapping[str, str]] = {}
Found = tuple[Mapping[str, Endpoint], Mapping[str, str]]


class Dispatch:
    """A path without parameters is found by one lookup; the others Starlette's routes match."""

    def __init__(self, routes: Sequence[Endpoint]) -> None:
        self._static: dict[str, dict[str, Endpoint]] = {}
        templates: dict[str, dict[str, Endpoint]] = {}
        for endpoint in routes:
            table = templates if "{" in endpoint.path else self._static
            table.setdefault(endpoint.path, {})[endpoint.method] = endpoint
        self._templates = [
            (Route(path, next(iter(methods.values())).handler), methods)
            for path, methods in templates.items()
        ]

    def find(self, scope: Mapping[str, Any]) -> Found | None:
        """The operations at this path by their methods, and the path's parameters, decoded; None for no path.

        A slash at the end makes no difference.
        """
        path: str = scope["path"]
        methods = self._static.get(path)
        if methods is not None:
            return methods, _NO_PARAMS
        raw = _raw_path(scope)
        # As it was sent: an encoded slash at the end belongs to a parameter.
        if raw.endswith(b"/") and len(raw) > 1:
            return self.find({**scope, "path": path[:-1], "raw_path": raw[:-1]})
        return self._match(raw.decode("latin-1"))

    def _match(self, path: str) -> Found | None:
        """On the path as it was sent, so that a parameter may hold an encoded slash."""
        scope = {"type": "http", "path": path, "method": "GET"}
        for route, methods in self._templates:
            match, matched = route.matches(scope)
            if match is not Match.NONE:
                params = matched["path_params"]
                return methods, {name: unquote(value) for name, value in params.items()}
        return None


def _raw_path(scope: Mapping[str, Any]) -> bytes:
    """Servers that keep only the decoded path lose encoded slashes, and nothing else."""
    raw: bytes | None = scope.get("raw_path")
    return raw if raw else scope["path"].encode()


def allowed(methods: Mapping[str, Endpoint]) -> bytes:
    """For the Allow header."""
    names = {*methods, "OPTIONS", *(("HEAD",) if "GET" in methods else ())}
    return ", ".join(sorted(names)).encode()
