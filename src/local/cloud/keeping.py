"""The snapshot of what the stand-ins hold: written whole, and put in place in one step."""

import os
from pathlib import Path
from typing import Any

import msgspec


class Snapshot(msgspec.Struct):
    """All items of the table as the API writes them, and the value of the secret."""

    items: list[dict[str, Any]] = []
    secret: str = ""


def read(file: Path) -> Snapshot:
    """An empty one where there is no file. Raises OSError, or ValueError for a file of another kind."""
    if not file.exists():
        return Snapshot()
    try:
        return msgspec.json.decode(file.read_bytes(), type=Snapshot)
    except msgspec.DecodeError as error:
        raise ValueError(f"{file} is no snapshot: {error}") from None


def write(file: Path, snapshot: Snapshot) -> None:
    """Durable when it returns; only its owner may read it. Raises OSError."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as out:
        out.write(msgspec.json.encode(snapshot))
        out.flush()
        os.fsync(out.fileno())
    os.replace(aside, file)
