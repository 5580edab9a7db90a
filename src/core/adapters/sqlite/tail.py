"""Reading the unsettled rows of one org: by time from the index, or by scanning with a prefilter.

A prefilter looks for an encoded piece of text in the payload without decoding it. It may let
too much through (`MemoryFilter.matches` decides), never too little, because `encode` escapes
text character by character.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from core.adapters.sqlite.journal_schema import as_json
from core.model.deletion import Graves
from core.model.memory import Memory, MemoryFilter, Micros, Order, Span, decode
from core.ports import TailRow

_FIRST_CHUNK: Final = 256
_CHUNK: Final = 4_096
_decode_row: Final = msgspec.json.Decoder(TailRow).decode


class _PlacedRow(msgspec.Struct, frozen=True, gc=False):
    """A TailRow with what decides whether an exclusion covers it."""

    time: Micros
    dedup_key: str
    memory_type: str
    event_type: str
    session_id: str
    agent_id: str

    def is_in(self, graves: Graves) -> bool:
        return graves.covers(self.time, self.dedup_key, self.session_id, self.agent_id)


_decode_placed: Final = msgspec.json.Decoder(_PlacedRow).decode


def needles(filter: MemoryFilter) -> list[str]:
    """Texts that the payload of every match contains. Only single values have one."""
    found = []
    for name, values in (
        ("session_id", (filter.session_id,) if filter.session_id else ()),
        ("agent_id", filter.agent_ids),
        ("memory_type", filter.memory_types),
        ("event_type", filter.event_types),
    ):
        if len(values) == 1:
            found.append(f'"{name}":{_encoded(values[0])}')
    found += list(filter.tags)
    if filter.content_contains:
        found.append(_encoded(filter.content_contains)[1:-1])
    if filter.dedup_key:
        found.append(f'"dedup_key":{_encoded(filter.dedup_key)}')
    return found


def _encoded(text: str) -> str:
    return msgspec.json.encode(text).decode()


def read_times(
    connection: sqlite3.Connection,
    org_no: int,
    times: Sequence[Micros],
    filter: MemoryFilter,
    graves: Graves,
    order: Order,
    limit: int,
) -> list[Memory]:
    """The first `limit` visible matches among the rows at these (ascending) times."""
    found: list[Memory] = []
    for chunk in _in_order(times, order, max(limit, _FIRST_CHUNK)):
        for memory in _matches(_rows_at(connection, org_no, chunk, filter), filter, graves, order):
            found.append(memory)
            if len(found) == limit:
                return found
    return found


def read_rows(
    connection: sqlite3.Connection, org_no: int, times: Sequence[Micros], graves: Graves
) -> list[TailRow]:
    """What counting needs of the visible rows at these times, in their order."""
    lines = connection.execute(
        """SELECT payload FROM json_each(?) AS wanted CROSS JOIN journal
           WHERE journal.time = wanted.value AND org_no = ?""",
        (as_json(times), org_no),
    )
    if not graves:
        return [_decode_row(line) for (line,) in lines]
    rows = (_decode_placed(line) for (line,) in lines)
    return [TailRow(r.time, r.dedup_key, r.memory_type, r.event_type) for r in rows if not r.is_in(graves)]


def _in_order(times: Sequence[Micros], order: Order, first: int) -> Iterator[Sequence[Micros]]:
    """Chunks from the wanted end; small at first, since most questions end there."""
    start, size = 0, first
    while start < len(times):
        stop = min(start + size, len(times))
        yield times[start:stop] if order == "asc" else times[len(times) - stop : len(times) - start]
        start, size = stop, max(size, _CHUNK)


def _rows_at(
    connection: sqlite3.Connection, org_no: int, times: Sequence[Micros], filter: MemoryFilter
) -> list[tuple[bytes]]:
    wanted = needles(filter)
    where = "".join(" AND instr(payload, ?)" for _ in wanted)
    return connection.execute(
        f"""SELECT payload FROM json_each(?) AS wanted CROSS JOIN journal
            WHERE journal.time = wanted.value AND org_no = ?{where}""",
        (as_json(times), org_no, *(n.encode() for n in wanted)),
    ).fetchall()


def _matches(
    rows: Sequence[tuple[bytes]], filter: MemoryFilter, graves: Graves, order: Order
) -> list[Memory]:
    memories = [m for (line,) in rows if filter.matches(m := decode(line))]
    if graves:
        memories = graves.visible(memories)
    memories.sort(key=lambda m: m.time, reverse=order == "desc")
    return memories


def scan(
    connection: sqlite3.Connection,
    org_no: int,
    span: Span,
    filter: MemoryFilter,
    graves: Graves,
    order: Order,
    limit: int,
) -> list[Memory]:
    """The first `limit` visible matches in the span, without an index: for filters that no series serves."""
    wanted = needles(filter)
    where = "".join(" AND instr(payload, ?)" for _ in wanted)
    cursor = connection.execute(
        f"""SELECT payload FROM journal WHERE time >= ? AND time < ? AND org_no = ?{where}
            ORDER BY time {"DESC" if order == "desc" else "ASC"}""",
        (span.since, span.until, org_no, *(n.encode() for n in wanted)),
    )
    found: list[Memory] = []
    for (line,) in cursor:
        memory = decode(line)
        if filter.matches(memory) and not (graves and graves.hides(memory)):
            found.append(memory)
            if len(found) == limit:
                break
    cursor.close()
    return found
