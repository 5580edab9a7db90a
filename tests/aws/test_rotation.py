"""A master key in Secrets Manager is changed while an edge serves."""

import base64
import uuid
from pathlib import Path

import pytest

from core.adapters.aws.api import AwsApi
from core.adapters.aws.light import LightAws
from core.adapters.clock import SystemClock
from core.bootstrap.admin import open_admin
from core.bootstrap.edge import open_edge
from core.bootstrap.flusher import open_flusher
from core.bootstrap.server import open_services
from core.model.errors import MasterKeyError
from core.model.memory import OrgId
from core.rekeying import Rekeying, Row
from core.settings import Settings
from core.settings_environ import load

FIRST, SECOND = (base64.b64encode(bytes([key] * 32)).decode() for key in (1, 2))


async def put(api: AwsApi, name: str, key: str) -> None:
    value = {"SecretId": name, "SecretString": f'{{"key": "{key}"}}'}
    await api.call("secretsmanager", "PutSecretValue", value, 30)


async def bound(settings: Settings) -> tuple[OrgId, str]:
    """A new org with a binding, and an API key of it."""
    async with open_admin(settings) as admin:
        org = await admin.tenants.create_org("Acme")
        await admin.tenants.bind(
            org.id, url="https://arc.example", arc_key="arc-key-0123456789", database="acme"
        )
        key = await admin.tenants.create_key(org.id, name="ci", permissions=frozenset({"read"}))
    return org.id, key.plain


async def rekeyed(settings: Settings) -> list[Row]:
    async with open_admin(settings) as admin:
        return await Rekeying(bindings=admin.bindings, vault=admin.vault).run()


@pytest.fixture
async def secret(moto_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a secret with the first key, for all of this process."""
    for variable, value in moto_environment.items():
        monkeypatch.setenv(variable, value)
    api = LightAws(environ=moto_environment, clock=SystemClock())
    name = uuid.uuid4().hex
    await api.call("secretsmanager", "CreateSecret", {"Name": name}, 30)
    await put(api, name, FIRST)
    await api.close()
    return name


@pytest.fixture
def settings(secret: str, tmp_path: Path) -> Settings:
    return load(
        {
            "MEMTRACE_MASTER_KEY_SECRET_ARN": secret,
            "MEMTRACE_MASTER_KEY_SECRET_FIELD": "key",
            "MEMTRACE_AUTH_DB_PATH": str(tmp_path / "memtrace.db"),
            "MEMTRACE_JOURNAL_MODE": "shared",
        }
    )


async def test_an_edge_and_a_flusher_go_on_when_the_key_is_changed(
    settings: Settings, secret: str, moto_environment: dict[str, str]
) -> None:
    org_id, key = await bound(settings)
    async with open_edge(settings) as edge, open_flusher(settings) as flusher:
        api = LightAws(environ=moto_environment, clock=SystemClock())
        await put(api, secret, SECOND)
        await api.close()
        assert await rekeyed(settings) == [Row(org_id, "resealed")]
        # The first look of this edge at the org comes after that: nothing is remembered.
        principal = await edge.services.gate.authenticate(key)
        assert principal.bound().arc_key == "arc-key-0123456789"
        sealed = await flusher.backend.bindings.find_binding(org_id)
        assert sealed is not None
        with pytest.raises(MasterKeyError):
            flusher.vault.binding(sealed)
        assert await flusher.vault.renew(in_vain=True)
        assert flusher.vault.binding(sealed).arc_key == "arc-key-0123456789"


async def test_before_rows_are_sealed_anew_the_key_before_opens_them(
    settings: Settings, secret: str, moto_environment: dict[str, str]
) -> None:
    _, key = await bound(settings)
    api = LightAws(environ=moto_environment, clock=SystemClock())
    await put(api, secret, SECOND)
    await api.close()
    async with open_edge(settings) as edge:
        assert (await edge.services.gate.authenticate(key)).bound().key_opens
        await edge.hang_up()
    async with open_services(settings) as services:
        assert (await services.gate.authenticate(key)).bound().key_opens


async def test_without_the_secret_nothing_starts(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("core.bootstrap.master_keys._PATIENCE", 0.2)
    for opening in (open_edge, open_flusher, open_services, open_admin):
        with pytest.raises(MasterKeyError, match="cannot be read"):
            async with opening(settings):
                pass
