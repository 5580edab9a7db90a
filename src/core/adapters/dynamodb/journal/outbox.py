"""The flusher's steps on the rows: each a compare-and-set on one of them, a few at once.

A step that needs the lease looks at it first. It may be lost between that look and the change, by an
owner that is paused there. What such a one still does is harmless: `delivered` and `postpone` say what
was true of a delivery, `owed_again` has a memory delivered once more, which nobody sees twice, `dead`
and `settled` change only rows that are as they were read before the look, so nothing that a successor
did is undone.
"""

from collections.abc import Sequence
from typing import Any, Final

from core.adapters.dynamodb.client import Dynamo
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.journal.attention import Attention
from core.adapters.dynamodb.journal.changing import Seen, chunks, count, each, seen_rows
from core.adapters.dynamodb.journal.leases import hold
from core.adapters.dynamodb.journal.reading import Merged, Where, questions, taken
from core.adapters.dynamodb.journal.rows import DEAD, DELIVERED, OWED, State, line_of, memory_of, time_of
from core.adapters.dynamodb.journal.settling import Settling
from core.adapters.dynamodb.journal.standing import Shards
from core.adapters.dynamodb.keys import claim_key_of, row_key
from core.adapters.dynamodb.statements import Update
from core.adapters.dynamodb.table import TTL
from core.model.memory import Micros, OrgId, Span
from core.ports import Clock, DeliveredRow, Lease, Parcel

_EVER: Final = 2**62


class DynamoOutbox:
    """Implements `Outbox`. How many rows a step moved may be too few where an answer was lost."""

    def __init__(self, dynamo: Dynamo, *, clock: Clock, window: Micros, attention: Attention) -> None:
        """`window`: how long a claim holds."""
        self._dynamo = dynamo
        self._clock = clock
        self._attention = attention
        self._shards = Shards(dynamo)
        self._settling = Settling(dynamo, clock=clock, window=window)
        self._places: dict[OrgId, Micros] = {}
        """Where the next look for due rows begins, of orgs with more than one look reads."""

    async def due(self, org_id: OrgId, now: Micros, max_count: int, max_bytes: int) -> Parcel | None:
        """Oldest first; a look that could not read all goes on there the next time, and then begins again."""
        shards = await self._shards.of(org_id)
        if shards is None:
            return None
        where = ("#state = :owed AND #due <= :now", {"owed": OWED, "now": now})
        since = self._places.pop(org_id, 0)
        rows = await self._look(org_id, shards, since, where, max_count, max_bytes)
        if not rows and since and org_id not in self._places:
            rows = await self._look(org_id, shards, 0, where, max_count, max_bytes)
        if not rows:
            return None
        return Parcel(org_id, tuple(time_of(row) for row in rows), b"\n".join(line_of(row) for row in rows))

    async def still_owed(self, org_id: OrgId, times: Sequence[Micros]) -> set[Micros]:
        shards = await self._shards.of(org_id)
        if shards is None:
            return set()
        places = [row_key(org_id, shards, time) for time in times]
        found = await self._dynamo.batch_get(places, consistent=False, only=("state",))
        return {time_of(row) for row in found.values() if row["state"] == OWED}

    async def delivered(self, parcel: Parcel, lease: Lease | None, check_at: Micros) -> int:
        values = {"delivered": DELIVERED, "at": check_at, "one": 1}
        change = "SET #state = :delivered, #due = :at, #turn = #turn + :one"
        moved = await self._change_owed(parcel.org_id, parcel.times, lease, change, values)
        await count(self._dynamo, parcel.org_id, delivered=moved)
        return moved

    async def postpone(self, parcel: Parcel, lease: Lease | None, due_at: Micros) -> int:
        moved = await self._change_owed(parcel.org_id, parcel.times, lease, "SET #due = :at", {"at": due_at})
        self._attention.look(parcel.org_id, due_at)
        return moved

    async def delivered_rows(
        self, org_id: OrgId, max_count: int, after: Micros = 0
    ) -> Sequence[DeliveredRow]:
        shards = await self._shards.of(org_id)
        if shards is None:
            return []
        asked = questions(
            org_id,
            shards,
            Span(after + 1, _EVER),
            ("#state = :delivered", {"delivered": DELIVERED}),
            only=("line", "packed", "rounds", "due"),
        )
        rows = Merged(self._dynamo, asked)
        found: list[DeliveredRow] = []
        while len(found) < max_count and (row := await rows.next()) is not None:
            key = memory_of(row).dedup_key
            found.append(DeliveredRow(time_of(row), key, row["rounds"], row["due"]))
        return found

    async def settled(
        self, org_id: OrgId, times: Sequence[Micros], lease: Lease, seen_in: str | None = None
    ) -> int:
        """As settling.py says."""
        shards = await self._shards.of(org_id)
        if shards is None:
            return 0
        return await self._settling.settle(org_id, shards, times, lease, seen_in)

    async def owed_again(self, org_id: OrgId, times: Sequence[Micros], lease: Lease) -> int:
        """Claims first: where settling was broken off they are marked settled, and may not expire now."""
        now = self._clock.micros()
        change = "SET #state = :owed, #due = :now, #turn = #turn + :one, #rounds = #rounds + :one"
        values = {"owed": OWED, "now": now, "one": 1}
        shards = await self._shards.of(org_id)
        if shards is None:
            return 0
        moved = 0
        for chunk in chunks(times):
            rows = await self._seen(org_id, shards, chunk, (DELIVERED,), lease)
            await each(self._dynamo, [_unsettled(org_id, shards, row) for row in rows])
            moved += sum(await each(self._dynamo, [row.update(change, values) for row in rows]))
        await count(self._dynamo, org_id, delivered=-moved)
        if moved:
            self._attention.look(org_id, now)
        return moved

    async def dead(self, org_id: OrgId, times: Sequence[Micros], reason: str, lease: Lease | None) -> int:
        values = {"dead": DEAD, "why": reason, "now": self._clock.micros(), "one": 1}
        change = "SET #state = :dead, #reason = :why, #died_at = :now, #turn = #turn + :one"
        mortal: tuple[State, ...] = (OWED,) if lease is None else (OWED, DELIVERED)
        shards = await self._shards.of(org_id)
        if shards is None:
            return 0
        died: list[Seen] = []
        for chunk in chunks(times):
            rows = await self._seen(org_id, shards, chunk, mortal, lease)
            changed = await each(self._dynamo, [row.update(change, values) for row in rows])
            died += [row for row, is_dead in zip(rows, changed, strict=True) if is_dead]
        were_delivered = sum(row.state == DELIVERED for row in died)
        await count(self._dynamo, org_id, dead=len(died), delivered=-were_delivered)
        return len(died)

    async def _change_owed(
        self,
        org_id: OrgId,
        times: Sequence[Micros],
        lease: Lease | None,
        change: str,
        values: dict[str, Any],
    ) -> int:
        """Without reading them first: these are the steps of every memory."""
        shards = await self._shards.of(org_id)
        if shards is None:
            return 0
        moved = 0
        for chunk in chunks(times):
            if lease is not None:
                await hold(self._dynamo, lease)
            updates = [
                Update(row_key(org_id, shards, time), change, "#state = :owed", {**values, "owed": OWED})
                for time in chunk
            ]
            moved += sum(await each(self._dynamo, updates))
        return moved

    async def _seen(
        self,
        org_id: OrgId,
        shards: int,
        times: Sequence[Micros],
        states: Sequence[State],
        lease: Lease | None,
    ) -> list[Seen]:
        """The rows as they are, read before the lease is looked at."""
        rows = await seen_rows(self._dynamo, org_id, shards, times, states)
        if lease is not None:
            await hold(self._dynamo, lease)
        return rows

    async def _look(
        self, org_id: OrgId, shards: int, since: Micros, where: Where, max_count: int, max_bytes: int
    ) -> list[Item]:
        """Rows from there on; notes where to go on where there may be more of them."""
        asked = questions(org_id, shards, Span(since, _EVER), where, consistent=False)
        rows, place = await taken(self._dynamo, asked, max_count, max_bytes)
        if place is not None:
            self._places[org_id] = place
        return rows


def _unsettled(org_id: OrgId, shards: int, row: Seen) -> Update:
    """Only where this memory's claim was marked settled."""
    values = {"time": row.time, "true": True}
    place = claim_key_of(org_id, shards, row.key)
    return Update(place, f"REMOVE #settled, #{TTL}", "#time = :time AND #settled = :true", values)
