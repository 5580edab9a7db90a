"""Parquet files as what follows FROM, with and without one schema."""

from collections.abc import Sequence

from core.adapters.events.literal import literal
from core.adapters.events.schema import EMPTY


def plain_source(paths: Sequence[str]) -> str:
    """Files of one schema, which is the first one's: the quick way."""
    return f"read_parquet([{_listed(paths)}], union_by_name=false, hive_partitioning=false)"


def lenient_source(paths: Sequence[str]) -> str:
    """Files of any schema: columns that are missing are NULL, types are widened."""
    files = f"read_parquet([{_listed(paths)}], union_by_name=true, hive_partitioning=false)"
    return f"(SELECT * FROM (SELECT {EMPTY}) WHERE false UNION ALL BY NAME SELECT * FROM {files})"


def _listed(paths: Sequence[str]) -> str:
    return ", ".join(literal(path) for path in paths)
