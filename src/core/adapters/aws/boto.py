"""AWS through boto3, for long-lived processes and the command line: its credentials, profiles and roles.

boto3 blocks, so it works in a few threads. It repeats nothing itself: `repeating.py` does.
"""

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import boto3
import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from core.adapters.aws.api import AwsError, Service
from core.adapters.aws.places import endpoint_of, region_of
from core.adapters.aws.protocol import explained, without_words
from core.adapters.aws.repeating import repeated

_THREADS: Final = 16
_CONNECTING: Final = 2.0
_PATIENCE: Final = (2, 5, 10, 30, 60, 900)
"""Seconds a socket waits, rounded up from what a call may take: each has a client of its own."""
_WAITING: Final = frozenset(("ReceiveMessage",))
_NO_CREDENTIALS: Final = (
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
_NO_ANSWER: Final = (
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ValueError,  # no JSON, no base64
)


class BotoAws:
    """An `AwsApi` in threads. What was given up on may hold its thread until its socket's time is over.

    That time is the call's, rounded up to one of few (a long poll's 20 s are 30); so long `close` may take.
    """

    def __init__(self, *, environ: Mapping[str, str], threads: int = _THREADS) -> None:
        self._environ = environ
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="memtrace-aws")
        self._making = threading.Lock()
        self._session: boto3.Session | None = None
        self._clients: dict[tuple[Service, int], Any] = {}

    async def call(
        self, service: Service, operation: str, parameters: Mapping[str, Any], timeout: float
    ) -> dict[str, Any]:
        loop = asyncio.get_running_loop()

        async def once(limit: float, fresh: bool) -> dict[str, Any]:
            send = partial(self._send, service, operation, parameters, limit)
            return await loop.run_in_executor(self._pool, send)

        return await repeated(once, timeout, waits=operation in _WAITING)

    async def close(self) -> None:
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
        for client in self._clients.values():
            client.close()

    def _send(
        self, service: Service, operation: str, parameters: Mapping[str, Any], limit: float
    ) -> dict[str, Any]:
        try:
            client = self._client(service, limit)
            answer = getattr(client, xform_name(operation))(**parameters)
        except ClientError as error:
            raise _refused(error.response) from None
        except _NO_CREDENTIALS as error:
            raise AwsError("NoCredentials", f"there are no credentials ({type(error).__name__})") from None
        except NoRegionError:
            raise AwsError("NoRegion", "AWS_REGION is not set") from None
        except _NO_ANSWER as error:
            raise AwsError("", f"the connection failed ({type(error).__name__})") from None
        except BotoCoreError as error:
            # Its words may quote the parameters.
            raise AwsError("NotSent", f"the call could not be made ({type(error).__name__})") from None
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    def _client(self, service: Service, limit: float) -> Any:
        patience = next((seconds for seconds in _PATIENCE if limit <= seconds), _PATIENCE[-1])
        with self._making:
            client = self._clients.get((service, patience))
            if client is None:
                client = self._clients[service, patience] = self._made(service, patience)
        return client

    def _made(self, service: Service, patience: int) -> Any:
        if self._session is None:
            self._session = _session(self._environ)
        config = Config(
            connect_timeout=_CONNECTING,
            read_timeout=patience,
            max_pool_connections=self._threads,
            retries={"total_max_attempts": 1, "mode": "standard"},
            tcp_keepalive=True,
        )
        client = self._session.client(
            service,
            config=config,
            endpoint_url=endpoint_of(service, self._environ) or None,
            verify=self._environ.get("AWS_CA_BUNDLE") or None,
        )
        client.meta.events.register("before-parse.*", _refuse_unreadable)
        return client


def _session(environ: Mapping[str, str]) -> boto3.Session:
    """Times in answers stay the numbers that they are on the wire. What `environ` lacks, boto3 looks for."""
    session = botocore.session.Session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=lambda time: time)
    return boto3.Session(
        botocore_session=session,
        region_name=region_of(environ) or None,
        aws_access_key_id=environ.get("AWS_ACCESS_KEY_ID") or None,
        aws_secret_access_key=environ.get("AWS_SECRET_ACCESS_KEY") or None,
        aws_session_token=environ.get("AWS_SESSION_TOKEN") or None,
    )


def _refuse_unreadable(response_dict: Mapping[str, Any], **_: Any) -> None:
    """botocore takes a success that is no JSON for an empty answer."""
    body = response_dict["body"].strip()
    if response_dict["status_code"] < 300 and body and not (body[:1] == b"{" and body[-1:] == b"}"):
        raise ValueError("the answer cannot be read")


def _refused(response: Mapping[str, Any]) -> AwsError:
    told, about = response["Error"], response["ResponseMetadata"]
    status = int(about.get("HTTPStatusCode", 0))
    # Where a service has kept an older name too, botocore prefers that one.
    code = str(told.get("QueryErrorCode") or told.get("Code") or status)
    date = about.get("HTTPHeaders", {}).get("date", "")
    text = explained(code, str(told.get("Message", "")), date, datetime.now(UTC))
    rest = {name: value for name, value in response.items() if name not in ("Error", "ResponseMetadata")}
    return AwsError(code, text, status, without_words(rest))
