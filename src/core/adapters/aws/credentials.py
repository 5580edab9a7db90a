"""The credentials of a task or a function, without botocore: from variables, or from where these point.

A Lambda function has them in its environment. One with SnapStart, and a task of ECS or EKS, asks an
address of its own host for them instead; they are good for hours, and asked for anew in time.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from core.adapters.aws.api import AwsError
from core.adapters.aws.signing import Credentials
from core.ports import Clock

_RELATIVE: Final = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
_FULL: Final = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
_TOKEN: Final = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
_ECS: Final = "http://169.254.170.2"
_LOCAL: Final = frozenset(
    ("localhost", "127.0.0.1", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23")
)
"""Hosts that may be asked without TLS, as other AWS tools have it."""
_EARLY: Final = 5 * 60
"""Seconds before their end from which on newer credentials are asked for."""
_AGAIN: Final = 10
"""Seconds between two attempts to renew what is good still."""
_LARGEST_TOKEN: Final = 64 * 1024

Ask = Callable[[str, dict[str, str]], Awaitable[bytes]]
"""The body of a GET. Raises AwsError."""


class Told(msgspec.Struct, rename="pascal"):
    """The host's answer."""

    access_key_id: str
    secret_access_key: str
    token: str = ""
    expiration: datetime | None = None

    def __repr__(self) -> str:
        return "Told()"


class HostCredentials:
    """Read from the variables at every call, so that what a restored snapshot was given is used.

    Asked for of the host once, and again five minutes before they end; while that fails, those at
    hand are used until they end.
    """

    def __init__(self, *, environ: Mapping[str, str], clock: Clock, ask: Ask) -> None:
        self._environ = environ
        self._clock = clock
        self._ask = ask
        self._held: Credentials | None = None
        self._address = ""
        self._ends = float("inf")
        self._renewing_at = 0.0

    async def current(self) -> Credentials:
        """Raises AwsError: `NoCredentials`, or what asking the host ended with."""
        access_key = self._environ.get("AWS_ACCESS_KEY_ID")
        secret_key = self._environ.get("AWS_SECRET_ACCESS_KEY")
        if access_key and secret_key:
            return Credentials(access_key, secret_key, self._environ.get("AWS_SESSION_TOKEN", ""))
        address = self._where()
        now = self._clock.micros() / 1_000_000
        held = self._held if address == self._address and now < self._ends else None
        if held is not None and (now < self._ends - _EARLY or now < self._renewing_at):
            return held
        self._renewing_at = now + _AGAIN
        try:
            return await self._renewed(address)
        except AwsError:
            if held is None:
                raise
            return held

    def _where(self) -> str:
        relative, full = self._environ.get(_RELATIVE), self._environ.get(_FULL)
        if not relative and not full:
            raise AwsError("NoCredentials", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")
        address = f"{_ECS}{relative}" if relative else str(full)
        parts = urlsplit(address)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
            raise AwsError("NoCredentials", f"{_FULL} must be https, or an address of this host")
        return address

    async def _renewed(self, address: str) -> Credentials:
        body = await self._ask(address, self._proof())
        try:
            told = msgspec.json.decode(body, type=Told)
        except ValueError:
            # From None: the cause may quote what it read.
            raise AwsError("NoCredentials", "what the host gave are no credentials") from None
        self._held = Credentials(told.access_key_id, told.secret_access_key, told.token)
        self._address = address
        self._ends = told.expiration.timestamp() if told.expiration else float("inf")
        return self._held

    def _proof(self) -> dict[str, str]:
        """What the host wants to see before it gives them away."""
        token = self._environ.get(_TOKEN, "")
        if file := self._environ.get(f"{_TOKEN}_FILE"):
            try:
                with Path(file).open() as stream:
                    token = stream.read(_LARGEST_TOKEN).strip()
            except (OSError, ValueError):
                raise AwsError("NoCredentials", f"the file that {_TOKEN}_FILE names cannot be read") from None
        return {"authorization": token} if token else {}
