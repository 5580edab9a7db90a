"""AWS over a plain HTTP client, for the edge: nothing of boto is imported.

Measured, over what the edge imports anyway: `boto3` 76 ms, `botocore.auth` alone 40 ms, this and all
it needs 11 ms, tenacity's 4 among them. No proxy is asked and no redirect followed.
"""

import ssl
import zlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import certifi
import httpcore

from core.adapters.aws.api import AwsError, Service
from core.adapters.aws.credentials import HostCredentials
from core.adapters.aws.places import Place, place_of
from core.adapters.aws.protocol import answer_of, encoded, error_of, request_headers
from core.adapters.aws.repeating import repeated
from core.adapters.aws.signing import signed
from core.ports import Clock

_LARGEST_ANSWER: Final = 32 << 20
"""Bytes; DynamoDB's largest is 16 MB."""
_LARGEST_CREDENTIALS: Final = 64 * 1024
_CONNECTIONS: Final = 64
_IDLE: Final = 20.0
"""Seconds after which a connection is not trusted any more: AWS, or a network in between, drops them."""
_CONNECTING: Final = 2.0
_ASKING_THE_HOST: Final = {"connect": 1.0, "read": 2.0, "write": 1.0, "pool": 2.0}
_NO_ANSWER: Final = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
    ssl.SSLError,
    OSError,
)
_WAITING: Final = frozenset(("ReceiveMessage",))
_Headers = Iterable[tuple[bytes, bytes]]


class LightAws:
    """An `AwsApi` that lives on one event loop; a cancelled call ends its connection.

    Region, endpoints and credentials are read from `environ` at every call. Once closed it may be
    called again, as after a long sleep, and opens new connections.
    """

    def __init__(
        self, *, environ: Mapping[str, str], clock: Clock, largest_answer: int = _LARGEST_ANSWER
    ) -> None:
        self._environ = environ
        self._clock = clock
        self._largest = largest_answer
        self._credentials = HostCredentials(environ=environ, clock=clock, ask=self._ask_host)
        self._pools: dict[tuple[bool, bool], httpcore.AsyncConnectionPool] = {}
        self._tls: ssl.SSLContext | None = None

    async def call(
        self, service: Service, operation: str, parameters: Mapping[str, Any], timeout: float
    ) -> dict[str, Any]:
        place = place_of(service, self._environ)
        body = encoded(parameters)

        async def once(limit: float, fresh: bool) -> dict[str, Any]:
            return await self._once(place, service, operation, body, fresh)

        return await repeated(once, timeout, waits=operation in _WAITING)

    async def close(self) -> None:
        pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            await pool.aclose()

    async def _once(
        self, place: Place, service: Service, operation: str, body: bytes, fresh: bool
    ) -> dict[str, Any]:
        credentials = await self._credentials.current()
        now = datetime.fromtimestamp(self._clock.micros() / 1_000_000, UTC)
        headers = signed(
            {"host": place.host, **request_headers(service, operation)},
            body,
            credentials,
            region=place.region,
            service=service,
            moment=now,
        )
        headers["content-length"] = str(len(body))
        status, got, answer = await self._exchange("POST", place.url, headers, body, fresh=fresh)
        if status != 200:
            named, date = _header(got, b"x-amzn-errortype"), _header(got, b"date")
            raise error_of(status, answer, named=named, date=date, now=now)
        if (sum_ := _header(got, b"x-amz-crc32")) and sum_ != str(zlib.crc32(answer)):
            raise AwsError("", "the answer was damaged on its way")
        return answer_of(answer)

    async def _ask_host(self, url: str, headers: dict[str, str]) -> bytes:
        status, _, body = await self._exchange("GET", url, headers, b"", fresh=True)
        if status != 200:
            raise AwsError("", f"the host gave no credentials, but status {status}")
        return body

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        fresh: bool,
    ) -> tuple[int, _Headers, bytes]:
        """(status, headers, whole body). Raises AwsError without a code when no answer came."""
        pool = self._pool(is_tls=url.startswith("https:"), fresh=fresh)
        asks_host = method == "GET"
        times = _ASKING_THE_HOST if asks_host else {"connect": _CONNECTING}
        largest = _LARGEST_CREDENTIALS if asks_host else self._largest
        try:
            async with pool.stream(
                method, url, headers=list(headers.items()), content=body, extensions={"timeout": times}
            ) as response:
                return response.status, response.headers, await _whole(response, largest)
        except _NO_ANSWER as error:
            raise AwsError("", f"the connection failed ({type(error).__name__})") from None

    def _pool(self, *, is_tls: bool, fresh: bool) -> httpcore.AsyncConnectionPool:
        """`fresh`: one whose connections serve once, for what an old connection may have swallowed."""
        pool = self._pools.get((is_tls, fresh))
        if pool is None:
            pool = httpcore.AsyncConnectionPool(
                ssl_context=self._tls_context() if is_tls else None,
                max_connections=_CONNECTIONS,
                max_keepalive_connections=0 if fresh else _CONNECTIONS,
                keepalive_expiry=_IDLE,
            )
            self._pools[is_tls, fresh] = pool
        return pool

    def _tls_context(self) -> ssl.SSLContext:
        """Made when it is first needed, and once: it reads all certificates."""
        if self._tls is None:
            self._tls = ssl.create_default_context(
                cafile=self._environ.get("AWS_CA_BUNDLE") or certifi.where()
            )
        return self._tls


async def _whole(response: httpcore.Response, largest: int) -> bytes:
    """Raises AwsError for more than the largest: what comes is bounded while it comes."""
    parts, size = [], 0
    async for part in response.aiter_stream():
        size += len(part)
        if size > largest:
            raise AwsError("AnswerTooLarge", f"the answer is larger than {largest} bytes")
        parts.append(part)
    return b"".join(parts)


def _header(headers: _Headers, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), "")
