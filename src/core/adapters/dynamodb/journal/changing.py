"""What the flusher's steps share: rows as they were seen, changes that hold only for these, the counters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from core.adapters.dynamodb.client import ConditionFailed, Dynamo, together
from core.adapters.dynamodb.journal.rows import State, time_of
from core.adapters.dynamodb.keys import Key, ledger_key, row_key
from core.adapters.dynamodb.statements import Delete, Update, Write
from core.model.errors import MetadataBusy
from core.model.memory import Micros, OrgId

CHUNK: Final = 400
"""Rows that are read, checked and changed together."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A row as it was read: a change that names its turn finds out whether it is still so."""

    place: Key
    time: Micros
    key: bytes
    state: State
    turn: int
    size: int

    def update(self, change: str, values: dict[str, Any]) -> Update:
        return Update(self.place, change, _AS_SEEN, {**values, "seen": self.state, "turn": self.turn})

    def delete(self) -> Delete:
        return Delete(self.place, _AS_SEEN, {"seen": self.state, "turn": self.turn})


_AS_SEEN: Final = "#state = :seen AND #turn = :turn"


def chunks(times: Sequence[Micros]) -> Iterator[Sequence[Micros]]:
    for start in range(0, len(times), CHUNK):
        yield times[start : start + CHUNK]


async def seen_rows(
    dynamo: Dynamo, org_id: OrgId, shards: int, times: Sequence[Micros], states: Sequence[State]
) -> list[Seen]:
    """Those of these rows that are in one of the states now, in time order."""
    places = [row_key(org_id, shards, time) for time in times]
    found = await dynamo.batch_get(places, only=("key", "state", "turn", "size"))
    seen = [
        Seen(place, time_of(item), item["key"], item["state"], item["turn"], item["size"])
        for place, item in found.items()
    ]
    return sorted((one for one in seen if one.state in states), key=lambda one: one.time)


async def each(dynamo: Dynamo, writes: Sequence[Write]) -> list[bool]:
    """Carries out each of them alone, a few at once; which of them held."""
    return await together(partial(held, dynamo, write) for write in writes)


async def held(dynamo: Dynamo, write: Write) -> bool:
    """Whether the write's condition held. One that got no answer and is repeated may say no."""
    try:
        await dynamo.write(write)
    except ConditionFailed:
        return False
    return True


async def count(dynamo: Dynamo, org_id: OrgId, **changes: int) -> None:
    """Adds to the org's counters. What fails here is mended by the next recount, and stops nothing."""
    told = {name: change for name, change in changes.items() if change}
    if not told:
        return
    expression = "ADD " + ", ".join(f"#{name} :{name}" for name in told)
    try:
        await dynamo.write(Update(ledger_key(org_id), expression, "attribute_exists(#pk)", told))
    except (ConditionFailed, MetadataBusy):
        return
