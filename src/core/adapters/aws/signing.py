"""AWS Signature Version 4 for the one kind of request the JSON protocols know: POST / without a query.

botocore's signer is what this must equal, and a test holds it to that byte by byte. It is not used
itself because `botocore.auth` costs a cold start 40 ms over what the edge has imported anyway
(half of it urllib3); `awscrt` costs the same and 12 MB, and this module under 1 ms.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

_ALGORITHM: Final = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Whose calls these are. Shown to nobody but the name of the key."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)
    """Of a session; empty for a key that lasts."""


def signed(
    headers: Mapping[str, str],
    body: bytes,
    credentials: Credentials,
    *,
    region: str,
    service: str,
    moment: datetime,
) -> dict[str, str]:
    """These headers (names in small letters, `host` among them) and those that sign them and the body.

    `moment` is UTC; AWS takes the signature for five minutes around it.
    """
    stamp = moment.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    sent = {**headers, "x-amz-date": stamp}
    if credentials.token:
        sent["x-amz-security-token"] = credentials.token
    names = sorted(sent)
    listed = ";".join(names)
    canonical = "\n".join(
        ("POST", "/", "", *(f"{name}:{_trimmed(sent[name])}" for name in names), "", listed, _digest(body))
    )
    to_sign = "\n".join((_ALGORITHM, stamp, scope, _digest(canonical.encode())))
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    sent["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope},"
        f" SignedHeaders={listed}, Signature={signature}"
    )
    return sent


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _trimmed(value: str) -> str:
    return " ".join(value.split())
