"""Memories that no store will take, for a person to look at, retry or purge."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from core.adapters.dynamodb.client import Cancelled, Dynamo, together
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.journal.changing import count, held
from core.adapters.dynamodb.journal.reading import Merged, questions
from core.adapters.dynamodb.journal.rows import DEAD, OWED, memory_of, time_of
from core.adapters.dynamodb.journal.standing import Standing, all_standings, read_standing
from core.adapters.dynamodb.keys import claim_key_of, row_key
from core.adapters.dynamodb.statements import Delete, Update
from core.adapters.dynamodb.table import PK, SK
from core.model.memory import OrgId, Span, parse_id
from core.ports import Clock, DeadLetter

_Work = Awaitable[bool]

_EVER: Final = Span(0, 2**62)
_ALL: Final = 2**62
_IS_DEAD: Final = "#state = :dead"


class DynamoDeadLetters:
    """Implements `DeadLetters`: looks through all rows, for a person who asks now and then."""

    def __init__(self, dynamo: Dynamo, *, clock: Clock) -> None:
        self._dynamo = dynamo
        self._clock = clock

    async def list_dead(self, org_id: OrgId | None, limit: int) -> list[DeadLetter]:
        found: list[Item] = []
        for standing in await self._standings(org_id):
            found += await self._dead_rows(standing, limit)
        found.sort(key=time_of, reverse=True)
        return [_letter(row) for row in found[:limit]]

    async def find_dead(self, memory_id: str) -> DeadLetter | None:
        found = await self._named((memory_id,), None)
        return _letter(found[0][1]) if found else None

    async def retry_dead(self, org_id: OrgId | None, memory_ids: Sequence[str] | None) -> int:
        return await self._each(org_id, memory_ids, self._retry)

    async def purge_dead(self, org_id: OrgId | None, memory_ids: Sequence[str] | None) -> int:
        return await self._each(org_id, memory_ids, self._purge)

    async def _each(
        self, org_id: OrgId | None, memory_ids: Sequence[str] | None, work: Callable[[Standing, Item], _Work]
    ) -> int:
        if memory_ids is not None:
            meant = await self._named(memory_ids, org_id)
        else:
            standings = await self._standings(org_id)
            meant = [(one, row) for one in standings for row in await self._dead_rows(one, _ALL)]
        return sum(await together(partial(work, standing, row) for standing, row in meant))

    async def _retry(self, standing: Standing, row: Item) -> bool:
        change = (
            "SET #state = :owed, #due = :now, #rounds = :zero, #turn = #turn + :one REMOVE #reason, #died_at"
        )
        values = {"owed": OWED, "now": self._clock.micros(), "zero": 0, "one": 1, "dead": DEAD}
        if not await held(self._dynamo, Update((row[PK], row[SK]), change, _IS_DEAD, values)):
            return False
        await count(self._dynamo, standing.org_id, dead=-1)
        return True

    async def _purge(self, standing: Standing, row: Item) -> bool:
        """Claim and row in one step: a row without a claim could be there twice, a claim alone never ends."""
        org_id, time = standing.org_id, time_of(row)
        claim = Delete(claim_key_of(org_id, standing.shards, row["key"]), "#time = :time", {"time": time})
        gone = Delete((row[PK], row[SK]), _IS_DEAD, {"dead": DEAD})
        freed = 1
        try:
            await self._dynamo.transact([claim, gone])
        except Cancelled as cancelled:
            # Another memory holds the key by now; or the row is dead no more.
            freed = 0
            if cancelled.refusals[1].failed or not await held(self._dynamo, gone):
                return False
        await count(self._dynamo, org_id, rows=-1, bytes=-row["size"], dead=-1, claims=-freed)
        return True

    async def _standings(self, org_id: OrgId | None) -> list[Standing]:
        if org_id is not None:
            standing = await read_standing(self._dynamo, org_id)
            return [standing] if standing else []
        return [standing for standing in await all_standings(self._dynamo) if standing.gone_since is None]

    async def _dead_rows(self, standing: Standing, limit: int) -> list[Item]:
        where = (_IS_DEAD, {"dead": DEAD})
        rows = Merged(
            self._dynamo, questions(standing.org_id, standing.shards, _EVER, where, ascending=False)
        )
        found: list[Item] = []
        while len(found) < limit and (row := await rows.next()) is not None:
            found.append(row)
        return found

    async def _named(self, memory_ids: Sequence[str], org_id: OrgId | None) -> list[tuple[Standing, Item]]:
        """The dead letters of these ids; one that names none is left out."""
        places = [(memory_id, place[0]) for memory_id in memory_ids if (place := parse_id(memory_id))]
        wanted = {
            row_key(standing.org_id, standing.shards, time): (standing, memory_id)
            for standing in await self._standings(org_id)
            for memory_id, time in places
        }
        found = await self._dynamo.batch_get(wanted)
        named = [(*wanted[key], row) for key, row in found.items() if row["state"] == DEAD]
        return [(standing, row) for standing, memory_id, row in named if memory_of(row).id == memory_id]


def _letter(row: Item) -> DeadLetter:
    return DeadLetter(memory_of(row), row["reason"], row["died_at"])
