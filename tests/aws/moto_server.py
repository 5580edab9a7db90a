"""AWS as moto imitates it, on 127.0.0.1."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock, Thread
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

REGION = "eu-central-1"


class _Moto:
    """A WSGI application that carries out DynamoDB's requests one at a time.

    To moto a transaction is its writes one by one: another in between wins what this one has checked already.
    """

    def __init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self._turn = Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not str(environ.get("HTTP_X_AMZ_TARGET", "")).startswith("DynamoDB"):
            return list(self._app(environ, start_response))
        with self._turn:
            return list(self._app(environ, start_response))


@contextmanager
def served_moto() -> Iterator[dict[str, str]]:
    """The variables that lead to it, as a function has them. One server: what tests make, they name apart."""
    server = make_server("127.0.0.1", 0, _Moto(), threaded=True, request_handler=MotoRequestHandler)
    thread = Thread(target=server.serve_forever, name="moto", daemon=True)
    thread.start()
    try:
        yield environment(f"http://127.0.0.1:{server.port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def environment(url: str, changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a function whose AWS is at this address."""
    return {
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        **(changes or {}),
    }
