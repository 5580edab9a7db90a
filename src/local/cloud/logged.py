"""Moto's application with a log in front of it: what was acknowledged survives a kill.

One request at a time. Those that change something are in the log before they are carried out, so
what a kill cuts off is carried out at the next start, unanswered, as it can be with AWS too.
"""

import base64
import contextlib
import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import RLock
from typing import Any, Final

import msgspec
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from local.cloud import lean

_READS: Final = frozenset(
    (
        "BatchGetItem",
        "DescribeSecret",
        "DescribeTable",
        "DescribeTimeToLive",
        "GetItem",
        "GetSecretValue",
        "ListSecrets",
        "ListTables",
        "Query",
        "Scan",
        "TransactGetItems",
    )
)
_MOST: Final = 32 << 20
_AUTHORIZATION: Final = (
    "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/%s/aws4_request, SignedHeaders=host, Signature=0"
)

StartResponse = Callable[..., Any]


class Entry(msgspec.Struct):
    """One request that changes something."""

    target: str
    authorization: str
    body: str


class LoggedMoto:
    """A WSGI application."""

    def __init__(self, file: Path) -> None:
        lean.install()
        self._app = DomainDispatcherApplication(create_backend_app)
        self._file = file
        self.turn: Final = RLock()
        """Held while a request is carried out."""

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        target = str(environ.get("HTTP_X_AMZ_TARGET", ""))
        with self.turn:
            if target and target.rpartition(".")[2] not in _READS:
                size = min(int(environ.get("CONTENT_LENGTH") or 0), _MOST)
                body = environ["wsgi.input"].read(size)
                if len(body) < size:  # whoever sent it is gone
                    start_response("400 Bad Request", [("content-length", "0")])
                    return []
                sender = environ.get("HTTP_AUTHORIZATION", "")
                self._note(Entry(target, sender, base64.b64encode(body).decode()))
                environ["wsgi.input"] = io.BytesIO(body)
            return list(self._app(environ, start_response))

    def ask(self, target: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """One call from within this process, not logged. Raises ValueError where it is refused."""
        body = msgspec.json.encode(parameters)
        service = "dynamodb" if target.startswith("DynamoDB") else "secretsmanager"
        return self._carry_out(target, _AUTHORIZATION % service, body)

    def replay(self) -> int:
        """Carries out again what the log holds, in its order; how many requests that were."""
        if not self._file.exists():
            return 0
        count = 0
        with self.turn:
            for line in self._file.read_bytes().splitlines():
                try:
                    entry = msgspec.json.decode(line, type=Entry)
                except msgspec.DecodeError:
                    break  # the last one, cut off
                with contextlib.suppress(ValueError):  # it was refused then, too
                    self._carry_out(entry.target, entry.authorization, base64.b64decode(entry.body))
                count += 1
        return count

    def forget(self) -> None:
        """Empties the log; for whoever holds `turn` and has kept what it led to."""
        self._file.unlink(missing_ok=True)

    def _carry_out(self, target: str, authorization: str, body: bytes) -> dict[str, Any]:
        said: list[str] = []
        with self.turn:
            answer = b"".join(
                self._app(_environ(target, authorization, body), lambda status, *_: said.append(status))
            )
        if not said[0].startswith("2"):
            raise ValueError(f"{target}: {answer[:300]!r}")
        decoded: dict[str, Any] = msgspec.json.decode(answer or b"{}")
        return decoded

    def _note(self, entry: Entry) -> None:
        with self._file.open("ab") as log:
            log.write(msgspec.json.encode(entry) + b"\n")


def _environ(target: str, authorization: str, body: bytes) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_X_AMZ_TARGET": target,
        "HTTP_AUTHORIZATION": authorization,
        "CONTENT_TYPE": "application/x-amz-json-1.0",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
