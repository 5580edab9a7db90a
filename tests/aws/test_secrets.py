"""The master key in Secrets Manager, over moto: its forms, its versions, and each way of not having it."""

import base64
import json
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.adapters.aws.api import AwsApi, AwsError, Service
from core.adapters.aws.light import LightAws
from core.adapters.aws.secrets import SecretKeys
from core.adapters.clock import SystemClock
from core.bootstrap.master_keys import vault_of
from core.model.errors import MasterKeyError
from core.model.memory import OrgId
from core.ports import MasterKeyTexts
from core.settings import Settings
from core.settings_keys import MasterSecret
from core.vault import Vault

ONE, TWO = (base64.b64encode(bytes([key] * 32)).decode() for key in (1, 2))
ORG = OrgId("org_a")


def keys(api: AwsApi, arn: str, field: str = "") -> SecretKeys:
    return SecretKeys(api=api, arn=arn, field=field, timeout=30)


async def secret(api: AwsApi, *versions: str | bytes) -> str:
    """The ARN of a new secret that held these one after the other."""
    name = uuid.uuid4().hex
    made = await api.call("secretsmanager", "CreateSecret", {"Name": name}, 30)
    for version in versions:
        value = {"SecretString": version} if isinstance(version, str) else {"SecretBinary": version}
        await api.call("secretsmanager", "PutSecretValue", {"SecretId": name, **value}, 30)
    return str(made["ARN"])


async def refusal(keys: SecretKeys) -> MasterKeyError:
    with pytest.raises(MasterKeyError) as caught:
        await keys.read()
    return caught.value


async def test_a_key_alone_is_the_secret(aws: AwsApi) -> None:
    assert await keys(aws, await secret(aws, f" {ONE}\n")).read() == MasterKeyTexts(ONE)


async def test_after_a_change_the_key_before_is_there_too(aws: AwsApi) -> None:
    assert await keys(aws, await secret(aws, ONE, TWO)).read() == MasterKeyTexts(TWO, (ONE,))


@pytest.mark.parametrize(
    ("field", "member"), [("", "master_key"), ("master_key", "master_key"), ("key", "key")]
)
async def test_a_key_may_be_a_member_of_an_object(aws: AwsApi, field: str, member: str) -> None:
    arn = await secret(aws, json.dumps({"other": "x", member: ONE}))
    assert (await keys(aws, arn, field).read()).current == ONE


@pytest.mark.parametrize(
    ("held", "field", "words"),
    [
        ('{"other": "sesame"}', "", "no text 'master_key'"),
        ('{"master_key": 7}', "", "no text 'master_key'"),
        ('{"master_key": "sesame"}', "key", "no text 'key'"),
        ("sesame", "key", "no text 'key'"),
        ('{"sesame', "", "neither a key nor JSON"),
        (b"sesame", "", "holds no text"),
    ],
)
async def test_what_holds_no_key_is_named_and_not_shown(
    aws: AwsApi, held: str | bytes, field: str, words: str
) -> None:
    arn = await secret(aws, held)
    error = await refusal(keys(aws, arn, field))
    assert words in error.message
    assert arn in error.message
    assert "sesame" not in f"{error!r} {error.hint} {error.__cause__!r}"


async def test_what_was_there_before_the_first_key_is_left_out(aws: AwsApi) -> None:
    arn = await secret(aws, '{"sesame": 1}', ONE)
    with capture_logs() as logged:
        assert await keys(aws, arn).read() == MasterKeyTexts(ONE)
    assert [line["event"] for line in logged] == ["master_key_previous_unusable"]
    assert "sesame" not in str(logged)


async def test_a_secret_that_is_not_there_is_named(aws: AwsApi) -> None:
    error = await refusal(keys(aws, "arn:aws:secretsmanager:eu-central-1:1:secret:none-abc"))
    assert "arn:aws:secretsmanager:eu-central-1:1:secret:none-abc cannot be read" in error.message
    assert "MEMTRACE_MASTER_KEY_SECRET_ARN" in (error.hint or "")


class Refusing:
    """An AWS that answers one version and refuses the other as a test says."""

    def __init__(self, stage: str, error: AwsError) -> None:
        self._stage = stage
        self._error = error

    async def call(
        self, service: Service, operation: str, parameters: Mapping[str, Any], timeout: float
    ) -> dict[str, Any]:
        if parameters["VersionStage"] == self._stage:
            raise self._error
        return {"SecretString": ONE}

    async def close(self) -> None: ...


@pytest.mark.parametrize("stage", ["AWSCURRENT", "AWSPREVIOUS"])
@pytest.mark.parametrize(
    ("code", "way_out"),
    [
        ("AccessDeniedException", "secretsmanager:GetSecretValue"),
        ("DecryptionFailure", "kms:Decrypt"),
        ("NoCredentials", "AWS credentials"),
        ("NoRegion", "AWS_REGION"),
    ],
)
async def test_what_is_missing_is_said(stage: str, code: str, way_out: str) -> None:
    error = await refusal(keys(Refusing(stage, AwsError(code, "why")), "arn:x"))
    assert "the secret arn:x cannot be read" in error.message
    assert way_out in (error.hint or "")


async def test_no_answer_about_the_key_before_is_not_taken_for_none() -> None:
    error = await refusal(keys(Refusing("AWSPREVIOUS", AwsError("", "silence")), "arn:x"))
    assert "no answer" in error.message


async def test_a_command_has_its_vault_from_the_secret_also_within_a_loop(
    moto_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in moto_environment.items():
        monkeypatch.setenv(name, value)
    api = LightAws(environ=moto_environment, clock=SystemClock())
    arn = await secret(api, ONE, TWO)
    await api.close()
    sealed = Vault(bytes([1] * 32)).seal(ORG, "plain")
    vault = vault_of(Settings(master_secret=MasterSecret(arn=arn)))
    assert vault.open(ORG, *sealed) == "plain"
    assert Vault(bytes([2] * 32)).open(ORG, *vault.seal(ORG, "new")) == "new"
