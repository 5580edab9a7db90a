"""Whose calls these are: variables first, then the address of the host that they name."""

import json
from pathlib import Path

import pytest

from core.adapters.aws.api import AwsError
from core.adapters.aws.credentials import HostCredentials, Told
from core.adapters.aws.light import LightAws
from core.adapters.aws.signing import Credentials
from core.model.timewindow import moment_of
from tests.arc.scripted import reply, scripted
from tests.clock import ManualClock

FULL = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
TOKEN = "AWS_CONTAINER_AUTHORIZATION_TOKEN"


class Host:
    """Gives credentials that are good for an hour, numbered."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.fails = False
        self.body: bytes | None = None

    async def ask(self, url: str, headers: dict[str, str]) -> bytes:
        self.asked.append((url, headers))
        if self.fails:
            raise AwsError("", "nobody there")
        ends = moment_of(self._clock.micros() + 3_600_000_000)
        number = len(self.asked)
        told = {
            "AccessKeyId": f"AK{number}",
            "SecretAccessKey": f"secret{number}",
            "Token": f"token{number}",
            "Expiration": ends.isoformat().replace("+00:00", "Z"),
        }
        return json.dumps(told).encode() if self.body is None else self.body


@pytest.fixture
def host(clock: ManualClock) -> Host:
    return Host(clock)


def provider(host: Host, clock: ManualClock, **environ: str) -> HostCredentials:
    return HostCredentials(environ=environ, clock=clock, ask=host.ask)


async def code_of(provider: HostCredentials) -> str:
    with pytest.raises(AwsError) as caught:
        await provider.current()
    return caught.value.code


async def test_variables_go_first_and_are_read_every_time(host: Host, clock: ManualClock) -> None:
    environ = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s", FULL: "http://127.0.0.1/c"}
    credentials = HostCredentials(environ=environ, clock=clock, ask=host.ask)
    assert await credentials.current() == Credentials("A", "s")
    environ |= {"AWS_ACCESS_KEY_ID": "B", "AWS_SESSION_TOKEN": "t"}
    assert await credentials.current() == Credentials("B", "s", "t")
    assert host.asked == []


async def test_the_host_is_asked_once_and_again_before_they_end(host: Host, clock: ManualClock) -> None:
    credentials = provider(host, clock, **{FULL: "http://127.0.0.1:9001/v1/credentials", TOKEN: "proof"})
    assert await credentials.current() == Credentials("AK1", "secret1", "token1")
    clock.advance(3600 - 301)
    assert (await credentials.current()).access_key == "AK1"
    clock.advance(2)
    assert (await credentials.current()).access_key == "AK2"
    assert host.asked == [("http://127.0.0.1:9001/v1/credentials", {"authorization": "proof"})] * 2


async def test_a_task_asks_the_address_of_ecs(host: Host, clock: ManualClock) -> None:
    await provider(host, clock, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="/v2/x").current()
    assert host.asked == [("http://169.254.170.2/v2/x", {})]


async def test_while_the_host_fails_they_serve_until_they_end(host: Host, clock: ManualClock) -> None:
    credentials = provider(host, clock, **{FULL: "http://localhost/c"})
    await credentials.current()
    host.fails = True
    clock.advance(3600 - 60)
    for _ in range(3):
        assert (await credentials.current()).access_key == "AK1"
    assert len(host.asked) == 2
    clock.advance(10)
    await credentials.current()
    assert len(host.asked) == 3
    clock.advance(50)
    assert await code_of(credentials) == ""


async def test_another_address_has_other_credentials(host: Host, clock: ManualClock) -> None:
    environ = {FULL: "http://localhost/a"}
    credentials = HostCredentials(environ=environ, clock=clock, ask=host.ask)
    await credentials.current()
    environ[FULL] = "http://localhost/b"
    assert (await credentials.current()).access_key == "AK2"


async def test_credentials_without_an_end_are_asked_for_once(host: Host, clock: ManualClock) -> None:
    host.body = b'{"AccessKeyId":"A","SecretAccessKey":"s"}'
    credentials = provider(host, clock, **{FULL: "http://localhost/c"})
    for _ in range(3):
        clock.advance(1e6)
        assert await credentials.current() == Credentials("A", "s")
    assert len(host.asked) == 1


async def test_the_proof_may_be_in_a_file(host: Host, clock: ManualClock, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from a file\n")
    given = {FULL: "http://169.254.170.23/v1", f"{TOKEN}_FILE": str(file)}
    await provider(host, clock, **given).current()
    assert host.asked[0][1] == {"authorization": "from a file"}
    file.unlink()
    assert await code_of(provider(host, clock, **given)) == "NoCredentials"


async def test_nothing_given_is_named(host: Host, clock: ManualClock) -> None:
    assert await code_of(provider(host, clock)) == "NoCredentials"
    assert await code_of(provider(host, clock, AWS_ACCESS_KEY_ID="alone")) == "NoCredentials"


@pytest.mark.parametrize("url", ["http://evil.example/c", "ftp://127.0.0.1/", "file:///etc/passwd", "c"])
async def test_a_stranger_is_not_asked(host: Host, clock: ManualClock, url: str) -> None:
    assert await code_of(provider(host, clock, **{FULL: url, TOKEN: "proof"})) == "NoCredentials"
    assert host.asked == []


async def test_any_host_may_be_asked_over_tls(host: Host, clock: ManualClock) -> None:
    await provider(host, clock, **{FULL: "https://credentials.example/c"}).current()
    assert len(host.asked) == 1


@pytest.mark.parametrize("body", [b"", b"<html>secret</html>", b"{}", b'{"AccessKeyId":"A"}', b"[1]"])
async def test_what_are_no_credentials_is_not_quoted(host: Host, clock: ManualClock, body: bytes) -> None:
    host.body = body
    credentials = provider(host, clock, **{FULL: "http://localhost/c"})
    with pytest.raises(AwsError) as caught:
        await credentials.current()
    assert str(caught.value) == "NoCredentials: what the host gave are no credentials"


async def test_calls_are_signed_with_what_the_host_gave(clock: ManualClock) -> None:
    given = b'{"AccessKeyId":"AKHOST","SecretAccessKey":"s","Token":"t"}'
    async with scripted(reply(200, given), reply(200, b"{}")) as script:
        environ = {
            "AWS_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": script.url,
            FULL: f"{script.url}/creds",
            TOKEN: "proof",
        }
        aws = LightAws(environ=environ, clock=clock)
        await aws.call("sqs", "ListQueues", {}, 2)
        await aws.close()
    asked, called = script.asked
    assert (asked.method, asked.path, asked.headers["authorization"]) == ("GET", "/creds", "proof")
    assert "Credential=AKHOST/" in called.headers["authorization"]
    assert called.headers["x-amz-security-token"] == "t"


async def test_a_host_that_refuses_is_named_by_its_status(clock: ManualClock) -> None:
    async with scripted(reply(403, b"secret words")) as script:
        environ = {"AWS_REGION": "eu-central-1", FULL: f"{script.url}/creds"}
        aws = LightAws(environ=environ, clock=clock)
        with pytest.raises(AwsError, match="status 403") as caught:
            await aws.call("sqs", "ListQueues", {}, 0.2)
        await aws.close()
    assert "secret" not in str(caught.value)


def test_what_the_host_told_is_not_shown() -> None:
    assert "secret" not in repr(Told("AK", "secret", "secret token"))
