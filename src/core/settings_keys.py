"""Where the master key comes from: a variable, a file or a secret of AWS, and the one before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.model.errors import ConfigurationError
from core.settings_files import MASTER_KEY, read_key

SECRET_ARN: Final = "MEMTRACE_MASTER_KEY_SECRET_ARN"
SECRET_FIELD: Final = "MEMTRACE_MASTER_KEY_SECRET_FIELD"
SECRET_MAX_AGE: Final = "MEMTRACE_MASTER_KEY_SECRET_MAX_AGE"
PREVIOUS_KEY: Final = f"{MASTER_KEY}_PREVIOUS"
_DEFAULT_AGE: Final = 3600
_AGES: Final = (60, 86_400)


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterSecret:
    """A secret of AWS Secrets Manager that holds the master key."""

    arn: str
    field: str = ""
    """The member of its JSON; empty: the secret is the key, or has it as `master_key`."""
    max_age: float = _DEFAULT_AGE
    """Seconds after which it is read again."""


def master_keys(environ: Mapping[str, str]) -> dict[str, Any]:
    """The members of `Settings` that are about master keys. Raises ConfigurationError, MasterKeyError."""
    return {
        "master_key": read_key(environ, MASTER_KEY),
        "previous_master_key": read_key(environ, PREVIOUS_KEY),
        "master_secret": _secret(environ),
    }


def _secret(environ: Mapping[str, str]) -> MasterSecret | None:
    arn = environ.get(SECRET_ARN, "").strip()
    if not arn:
        return None
    text = environ.get(SECRET_MAX_AGE, "").strip() or str(_DEFAULT_AGE)
    least, most = _AGES
    if not (text.isascii() and text.isdigit()) or not least <= int(text[:9]) <= most:
        raise ConfigurationError(
            f"{SECRET_MAX_AGE} must be a whole number of seconds from {least} to {most}, not {text[:40]!r}"
        )
    return MasterSecret(arn=arn, field=environ.get(SECRET_FIELD, "").strip(), max_age=int(text))
