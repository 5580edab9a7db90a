"""The files that settings come from: which one, what is in it, and the master key's own file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from core.model.errors import ConfigurationError, MasterKeyError

MASTER_KEY: Final = "MEMTRACE_MASTER_KEY"
SYSTEM_FOLDER: Final = Path("/etc/memtrace")
_NAME: Final = "memtrace.toml"
_MAX_BYTES: Final = 1024 * 1024


def find_file(environ: Mapping[str, str]) -> Path | None:
    """The first that exists: in the working directory, in /etc/memtrace, in ~/.memtrace."""
    places = [Path(_NAME), SYSTEM_FOLDER / _NAME]
    if environ.get("HOME"):
        places.append(Path(environ["HOME"]) / ".memtrace" / _NAME)
    return next((place for place in places if place.exists()), None)


def read_toml(file: Path) -> dict[str, Any]:
    """What is in it; an empty file is fine. Raises ConfigurationError naming the file and the line."""
    import tomllib  # an edge reads no file

    text = _read(file, "the configuration file")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise ConfigurationError(f"{file} is not valid TOML: {e}") from None


def read_key(environ: Mapping[str, str], variable: str) -> str:
    """A master key's text from its variable, or the file that `<variable>_FILE` names; empty without both.

    Raises MasterKeyError when both are set and differ: one of them is a mistake that would seal
    with the wrong key.
    """
    direct = environ.get(variable, "").strip()
    file = environ.get(f"{variable}_FILE")
    if not file:
        return direct
    try:
        held = _read(Path(file), f"the file that {variable}_FILE names").strip()
    except ConfigurationError as e:
        raise MasterKeyError(e.message, hint=e.hint) from e.__cause__
    if not held:
        raise MasterKeyError(f"{file} holds no master key", hint="`memtrace keygen master` makes one")
    if direct and direct != held:
        raise MasterKeyError(
            f"{variable} and the file {file} hold different keys",
            hint=f"unset one of {variable} and {variable}_FILE",
        )
    return held


def _read(file: Path, what: str) -> str:
    try:
        with file.open("rb") as stream:
            held = stream.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as e:
        reason = e.strerror if isinstance(e, OSError) else "no possible path"
        raise ConfigurationError(f"cannot read {what}, {file}: {reason}") from e
    if len(held) > _MAX_BYTES:
        raise ConfigurationError(f"{what}, {file}, is larger than {_MAX_BYTES} bytes")
    try:
        return held.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Not chained: the cause quotes what it read.
        raise ConfigurationError(f"{what}, {file}, is not UTF-8 text") from None
