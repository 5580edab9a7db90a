"""AWS as moto imitates it, on 127.0.0.1."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from moto.server import ThreadedMotoServer

REGION = "eu-central-1"


@contextmanager
def served_moto() -> Iterator[dict[str, str]]:
    """The variables that lead to it, as a function has them. One server: what tests make, they name apart."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield environment(f"http://{host}:{port}")
    finally:
        server.stop()


def environment(url: str, changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a function whose AWS is at this address."""
    return {
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        **(changes or {}),
    }
