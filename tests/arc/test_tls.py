"""HTTPS: the address is ours to judge, the name is what the certificate must be for."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from core.adapters.arc import names, pools
from core.adapters.arc.client import Request
from core.model.errors import StoreUnreachable
from tests.arc.conftest import KEY, Bench
from tests.arc.scripted import Script, reply

GET = Request("GET", "/api/v1/anything", KEY)


def make_certificate(folder: Path, name: str) -> Path:
    """A certificate for this name that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@asynccontextmanager
async def served_as(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Script]:
    """An Arc by TLS under this name, whose certificate the clients of this test trust."""
    certificate = make_certificate(folder, name)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(pools.OrgPools, "_context", lambda self: trusting)
    monkeypatch.setattr(names, "resolve", lambda host: ["127.0.0.1"])
    script = Script(answers=[reply(200, b"fine")])
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0, ssl=tls)
    script.port = server.sockets[0].getsockname()[1]
    try:
        yield script
    finally:
        server.close()
        for writer in list(script.open):
            writer.transport.abort()
        await asyncio.sleep(0)


async def test_a_name_is_verified_although_its_address_is_connected_to(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served_as("arc.example", tmp_path, monkeypatch) as arc:
        answer = await bench.client.ask(bench.binding(f"https://arc.example:{arc.port}"), GET, 5)
        await bench.client.close()
    assert answer.body == b"fine"
    assert arc.asked[0].headers["host"] == f"arc.example:{arc.port}"


async def test_a_certificate_for_another_name_is_not_accepted(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served_as("elsewhere.example", tmp_path, monkeypatch) as arc:
        with pytest.raises(StoreUnreachable, match="certificate is not accepted"):
            await bench.client.ask(bench.binding(f"https://arc.example:{arc.port}"), GET, 5)
    assert arc.asked == []


def test_the_system_s_authorities_are_trusted_and_names_verified() -> None:
    context = pools.OrgPools(network=None)._context()  # type: ignore[arg-type]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert len(context.get_ca_certs()) > 50
