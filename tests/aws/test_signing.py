"""The signature equals botocore's, byte by byte, and nothing secret is shown."""

from datetime import UTC, datetime

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.adapters.aws.signing import Credentials, signed

MOMENT = datetime(2026, 11, 21, 9, 8, 7, 123456, tzinfo=UTC)
WORDS = st.text("abcXYZ019/+=-_.", min_size=1, max_size=40)


def by_botocore(
    headers: dict[str, str], body: bytes, credentials: Credentials, region: str, service: str
) -> dict[str, str]:
    request = AWSRequest("POST", f"https://{headers['host']}/", headers=dict(headers), data=body)
    theirs = BotoCredentials(credentials.access_key, credentials.secret_key, credentials.token or None)
    botocore.auth.SigV4Auth(theirs, service, region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    key=WORDS,
    secret=WORDS,
    token=st.one_of(st.just(""), WORDS),
    body=st.binary(max_size=300),
    region=st.sampled_from(["us-east-1", "eu-central-1", "cn-north-1"]),
    service=st.sampled_from(["dynamodb", "sqs", "secretsmanager"]),
    host=st.sampled_from(["dynamodb.eu-central-1.amazonaws.com", "127.0.0.1:4566"]),
    target=st.text("abc. XYZ", min_size=1, max_size=30),
)
def test_the_signature_is_that_of_botocore(
    monkeypatch: pytest.MonkeyPatch,
    key: str,
    secret: str,
    token: str,
    body: bytes,
    region: str,
    service: str,
    host: str,
    target: str,
) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: MOMENT)
    credentials = Credentials(key, secret, token)
    headers = {"host": host, "content-type": "application/x-amz-json-1.0", "x-amz-target": target}
    ours = signed(headers, body, credentials, region=region, service=service, moment=MOMENT)
    assert ours == by_botocore(headers, body, credentials, region, service)


def test_credentials_show_the_name_of_the_key_alone() -> None:
    assert repr(Credentials("AKID", "secret", "token")) == "Credentials(access_key='AKID')"
