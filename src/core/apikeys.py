"""API keys: what they look like, how they are found, and what may be asked of a new one."""

import base64
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from core.model.errors import InvalidRequest
from core.model.tenant import PERMISSIONS, ApiKey, Permission

PREFIX: Final = "mtk_"
LONGEST: Final = 200
"""Characters; whatever is longer is no key of ours and is not even hashed."""
_LOOKUP_DIGITS: Final = 16
_RANDOM_BYTES: Final = 32
_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})([mhdw])")
_UNITS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST_VALIDITY: Final = timedelta(days=36_525)


def new_key() -> str:
    """`mtk_` and URL-safe base64 of 32 random bytes, padding included."""
    return PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(_RANDOM_BYTES)).decode()


def lookup_prefix(key: str) -> str:
    """By which a key is found: the first 16 hex digits of its SHA-256."""
    return sha256(key.encode()).hexdigest()[:_LOOKUP_DIGITS]


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: the only place where it is ever seen."""

    key: ApiKey
    plain: str = field(repr=False)


def parse_expiry(text: str, now: datetime) -> datetime:
    """`90d` (m, h, d, w) from now, or an ISO 8601 time (UTC where no zone is given), in the future."""
    try:
        if match := _DURATION.fullmatch(text.strip()):
            expires = now + timedelta(seconds=int(match[1]) * _UNITS[match[2]])
        else:
            expires = datetime.fromisoformat(text.strip())
            expires = expires.replace(tzinfo=UTC) if expires.tzinfo is None else expires.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest(
            "expires is not a time",
            field="expires",
            hint="use a duration such as 90d or 12h, or ISO 8601 such as 2027-01-31T00:00:00Z",
        ) from None
    if not now < expires <= now + _LONGEST_VALIDITY:
        raise InvalidRequest("expires must lie in the future, at most a hundred years ahead", field="expires")
    return expires


def parse_permissions(text: str) -> frozenset[Permission]:
    """`read,write` and so on, at least one. Raises InvalidRequest naming the first that is none."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    wrong = [word for word in words if word not in PERMISSIONS]
    if wrong or not words:
        raise InvalidRequest(
            f"permissions are {', '.join(PERMISSIONS)}" + (f", not '{wrong[0]}'" if wrong else ""),
            field="permissions",
        )
    return frozenset(permission for permission in PERMISSIONS if permission in words)
