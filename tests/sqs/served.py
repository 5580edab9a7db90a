"""Servers of SQS for boto3, which blocks: ours in a thread of its own, and moto's."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, Final, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from local.sqs.endpoint import SqsEndpoint

T = TypeVar("T")
ATTEMPTS: Final = {"total_max_attempts": 1}


class Served:
    """Our endpoint on a loop of its own."""

    def __init__(self, endpoint: SqsEndpoint, loop: asyncio.AbstractEventLoop) -> None:
        self.endpoint: Final = endpoint
        self._loop: Final = loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Carries it out where the endpoint lives."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)


@contextlib.contextmanager
def serving(endpoint: SqsEndpoint) -> Iterator[Served]:
    """Serves it within."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="sqs-endpoint")
    thread.start()
    served = Served(endpoint, loop)
    try:
        served.run(endpoint.accept())
        yield served
    finally:
        served.run(endpoint.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextlib.contextmanager
def moto() -> Iterator[str]:
    """Serves moto within; its URL."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def client(url: str, **config: Any) -> Any:
    """boto3 as everybody uses it; no answer is asked for twice."""
    return boto3.client(
        "sqs",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries=ATTEMPTS, **config),
    )


def code_of(error: ClientError) -> str:
    return str(error.response["Error"]["Code"]).rpartition(".")[2]
