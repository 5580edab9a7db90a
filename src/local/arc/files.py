"""Rows as Parquet files, one for each hour they touch, where Arc puts them. Blocking: for worker threads."""

import math
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from core.adapters.events.literal import literal
from core.model.memory import Micros
from local.arc.columns import TIME, Batch
from local.arc.engine import Statements

_HOUR: Final = 3_600_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_LINE: Final = 2 << 20
"""What DuckDB makes room for, several times over, where no line is longer."""


class Files:
    """`<root>/<database>/<measurement>/YYYY/MM/DD/HH/<measurement>_<stamp>_<nanos>.parquet`."""

    def __init__(self, root: Path, scratch: Path) -> None:
        self.root: Final = root
        self._scratch: Final = scratch
        root.mkdir(parents=True, exist_ok=True)
        scratch.mkdir(parents=True, exist_ok=True)

    def measurement(self, database: str, measurement: str) -> Path:
        return self.root / database / measurement

    def all(self, database: str, measurement: str) -> list[Path]:
        return sorted(self.measurement(database, measurement).glob("**/*.parquet"))

    def write(
        self, statements: Statements, database: str, measurement: str, batch: Batch, now: Micros
    ) -> None:
        """Each hour's file is there at once, the hours one after the other. Raises QueryFailed, OSError."""
        for hour, part in _by_hour(batch):
            began = _EPOCH + timedelta(microseconds=hour)
            folder = self.measurement(database, measurement) / f"{began:%Y/%m/%d/%H}"
            self.publish(statements, part, folder / self._name(measurement, began, now))

    def _name(self, measurement: str, hour: datetime, now: Micros) -> str:
        """Unlike all others: with a clock that stands still the time alone would not be."""
        return f"{measurement}_{hour:%Y%m%d_%H%M%S}_{now * 1000}{os.urandom(4).hex()}.parquet"

    def publish(self, statements: Statements, batch: Batch, target: Path) -> None:
        """Writes aside and renames, without syncing: as Arc does."""
        names = batch.stored
        source = self._scratch / f"{target.name}.ndjson"
        staged = self._scratch / f"{target.name}.tmp"
        try:
            lines = _lines([_jsonable(batch.columns[name]) for name in names])
            source.write_bytes(b"\n".join(lines))
            longest = max(_LONGEST_LINE, *(len(line) + 2 for line in lines))
            columns = [(name, batch.types[name]) for name in names]
            self.copy(statements, _select(source, columns, longest), staged)
            target.parent.mkdir(parents=True, exist_ok=True)
            staged.rename(target)
        finally:
            source.unlink(missing_ok=True)
            staged.unlink(missing_ok=True)

    def copy(self, statements: Statements, select: str, target: Path) -> None:
        statements.rows(f"COPY ({select}) TO {literal(str(target))} (FORMAT parquet, COMPRESSION snappy)")


def _by_hour(batch: Batch) -> Iterator[tuple[Micros, Batch]]:
    hours: dict[Micros, list[int]] = {}
    for i, time in enumerate(batch.columns["time"]):
        hours.setdefault(time - time % _HOUR, []).append(i)
    for hour, places in hours.items():
        columns = {name: [column[i] for i in places] for name, column in batch.columns.items()}
        yield hour, Batch(batch.types, columns, len(places))


def _select(source: Path, columns: list[tuple[str, str]], longest: int) -> str:
    read = ", ".join(f"c{i}: '{'BIGINT' if type == TIME else type}'" for i, (_, type) in enumerate(columns))
    taken = ", ".join(
        (f"make_timestamptz(c{i})" if type == TIME else f"c{i}") + ' AS "' + name.replace('"', '""') + '"'
        for i, (name, type) in enumerate(columns)
    )
    time = next(i for i, (name, _) in enumerate(columns) if name == "time")
    return (
        f"SELECT {taken} FROM read_json({literal(str(source))}, columns = {{{read}}}, auto_detect = false,"
        f" format = 'newline_delimited', maximum_object_size = {longest:d}) ORDER BY c{time}"
    )


def _jsonable(column: list[Any]) -> list[Any]:
    """JSON has no word for what is not a number; DuckDB reads it from a text."""
    return [str(v) if isinstance(v, float) and not math.isfinite(v) else v for v in column]


def _lines(columns: list[list[Any]]) -> list[bytes]:
    encode = msgspec.json.Encoder().encode
    names = [f"c{i}" for i in range(len(columns))]
    return [encode(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]
