"""HTTPS: a certificate must be for the name, and one of those that are trusted."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.adapters.aws.api import AwsError
from tests.arc.scripted import Script, reply
from tests.arc.test_tls import make_certificate
from tests.aws.conftest import Transport
from tests.aws.moto_server import environment

LIST = {"MaxResults": 5}


@asynccontextmanager
async def served(certificate: Path) -> AsyncIterator[Script]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    script = Script(answers=[reply(200, b"{}")])
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0, ssl=tls)
    script.port = server.sockets[0].getsockname()[1]
    try:
        yield script
    finally:
        server.close()
        for writer in list(script.open):
            writer.transport.abort()
        while script.open:  # noqa: ASYNC110 - the handlers end by themselves
            await asyncio.sleep(0)


def variables(script: Script, bundle: str) -> dict[str, str]:
    return environment(f"https://localhost:{script.port}", {"AWS_CA_BUNDLE": bundle})


async def test_a_bundle_of_ones_own_is_trusted(transport: Transport, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "localhost")
    async with served(certificate) as script:
        aws = transport(variables(script, str(certificate)))
        for _ in range(2):
            assert await aws.call("sqs", "ListQueues", LIST, 30) == {}
        assert (len(script.asked), script.connections) == (2, 1)


@pytest.mark.parametrize("name", ["localhost", "other.example"])
async def test_a_stranger_is_told_nothing(transport: Transport, tmp_path: Path, name: str) -> None:
    certificate = make_certificate(tmp_path, name)
    bundle = "" if name == "localhost" else str(certificate)
    async with served(certificate) as script:
        with pytest.raises(AwsError) as refused:
            await transport(variables(script, bundle)).call("sqs", "ListQueues", LIST, 0.5)
        assert script.asked == []
    assert refused.value.code == ""
