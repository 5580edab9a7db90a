"""The stand-in for DynamoDB and Secrets Manager: what it acknowledged outlives a kill."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.cloud import keeping
from local.cloud.keeping import Snapshot
from tests.e2e.installation import environment

SECRET = "memtrace/master-key"
OF_ALL_KINDS: dict[str, Any] = {
    "pk": {"S": "30"},
    "sk": {"S": "-"},
    "bytes": {"B": b"\x00\xff"},
    "many": {"BS": [b"\x00\xff", b"\x01"]},
    "number": {"N": "1.50"},
    "map": {"M": {"list": {"L": [{"B": b"\x00"}, {"BOOL": True}, {"NULL": True}, {"M": {"x": {"S": "é"}}}]}}},
    "names": {"SS": ["a", "b"]},
}


class Running:
    """One process of it, with clients."""

    def __init__(self, data: Path, secret: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local.cloud", "--data", str(data), "--table", "things"],
            env=environment(MEMTRACE_MASTER_KEY=secret),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url, self.secret_arn = self.process.stdout.readline().split()
        self.dynamodb = self._client("dynamodb")
        self.secrets = self._client("secretsmanager")

    def _client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    def put(self, key: str, **more: Any) -> None:
        item = {"pk": {"S": key}, "sk": {"S": "-"}, "bytes": {"B": b"\x00\xff"}}
        self.dynamodb.put_item(TableName="things", Item=item, **more)

    def keys(self) -> list[str]:
        items = self.dynamodb.scan(TableName="things")["Items"]
        assert all(item["bytes"] == {"B": b"\x00\xff"} for item in items)
        return sorted(item["pk"]["S"] for item in items)

    def end(self, number: signal.Signals) -> int:
        assert self.process.stdout is not None
        self.process.send_signal(number)
        code = self.process.wait(timeout=20)
        self.process.stdout.close()
        for client in (self.dynamodb, self.secrets):
            client.close()
        return code


@contextlib.contextmanager
def cloud(data: Path, secret: str = "first") -> Iterator[Running]:
    running = Running(data, secret)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.end(signal.SIGKILL)


def test_what_was_acknowledged_outlives_a_kill_and_an_orderly_end(tmp_path: Path) -> None:
    with cloud(tmp_path) as first:
        for number in range(30):
            first.put(f"{number:02}")
        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            first.put("00", ConditionExpression="attribute_not_exists(pk)")
        first.secrets.put_secret_value(SecretId=SECRET, SecretString="second")
        arn = first.secret_arn
        first.end(signal.SIGKILL)
    with (tmp_path / "cloud.log").open("ab") as log:
        log.write(b'{"target":"DynamoDB_2012')  # cut off by the kill
    with cloud(tmp_path, "other") as second:
        assert second.keys() == [f"{number:02}" for number in range(30)]
        assert second.secrets.get_secret_value(SecretId=arn)["SecretString"] == "second"
        second.dynamodb.put_item(TableName="things", Item=OF_ALL_KINDS)
        assert second.end(signal.SIGTERM) == 0
    assert not (tmp_path / "cloud.log").exists()
    with cloud(tmp_path) as third:
        assert len(third.keys()) == 31
        key = {name: OF_ALL_KINDS[name] for name in ("pk", "sk")}
        assert third.dynamodb.get_item(TableName="things", Key=key)["Item"] == OF_ALL_KINDS
        assert third.secret_arn == arn


def test_a_request_whose_sender_died_in_the_middle_is_not_kept(tmp_path: Path) -> None:
    head = (
        b"POST / HTTP/1.1\r\nX-Amz-Target: DynamoDB_20120810.UpdateItem\r\nContent-Length: 99\r\n"
        b"Authorization: AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/dynamodb/aws4_request\r\n\r\n"
    )
    with cloud(tmp_path) as first:
        with socket.create_connection(("127.0.0.1", int(first.url.rpartition(":")[2]))) as sender:
            sender.sendall(head + b"{")
            sender.shutdown(socket.SHUT_WR)
            assert b" 400 " in sender.recv(99)
        first.put("00")
        first.end(signal.SIGKILL)
    with cloud(tmp_path) as second:
        assert second.keys() == ["00"]


def test_a_snapshot_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cloud.json").write_text("[]")
    done = subprocess.run(
        [sys.executable, "-m", "local.cloud", "--data", str(tmp_path)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "is no snapshot" in done.stderr


def test_a_snapshot_is_read_as_it_was_written_and_by_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "cloud.json"
    assert keeping.read(file) == Snapshot()
    kept = Snapshot([{"pk": {"S": "a"}, "n": {"N": "1"}}], "secret")
    keeping.write(file, kept)
    assert keeping.read(file) == kept
    assert file.stat().st_mode & 0o077 == 0
    assert os.listdir(tmp_path) == ["cloud.json"]
