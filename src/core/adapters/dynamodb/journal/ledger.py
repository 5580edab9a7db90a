"""What the journal holds, in numbers: from the ledger's counters, which are near the truth.

A counter is off by what an edge has not told yet, or told twice; `DynamoExpiry` counts anew, one org
at a time. Whether an org owes is never read from a counter.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from core.adapters.dynamodb.client import Dynamo, together
from core.adapters.dynamodb.journal.attention import Attention
from core.adapters.dynamodb.journal.reading import Source, questions
from core.adapters.dynamodb.journal.rows import DELIVERED, OWED, SECOND
from core.adapters.dynamodb.journal.standing import Standing, all_standings, read_standing
from core.model.memory import Micros, OrgId, Span
from core.ports import Backlog, Clock

_EVER: Final = Span(0, 2**62)
_LISTED_FOR: Final = 5 * SECOND
_MOST_PAGES: Final = 16


class DynamoLedger:
    """Implements `Ledger`. Its reads may be a second behind."""

    def __init__(self, dynamo: Dynamo, *, clock: Clock, attention: Attention) -> None:
        self._dynamo = dynamo
        self._clock = clock
        self._attention = attention
        self._listed: list[Standing] = []
        self._listed_at: Micros | None = None

    async def backlogs(self) -> list[Backlog]:
        standings = await self._list()
        oldest = await together(partial(self._oldest_owed, standing) for standing in standings)
        return [_backlog(standing, time) for standing, time in zip(standings, oldest, strict=True)]

    async def backlog(self, org_id: OrgId) -> Backlog:
        standing = await read_standing(self._dynamo, org_id)
        if standing is None:
            return Backlog(org_id, 0, 0, 0, 0, 0, None)
        return _backlog(standing, await self._oldest_owed(standing))

    async def total(self) -> Backlog:
        """Looks for the oldest owed memory in orgs that have rows, as far as their counters know."""
        standings = await self._list()
        looked = await together(partial(self._oldest_owed, s) for s in standings if s.rows > 0)
        times = [time for time in looked if time is not None]
        each = [_backlog(standing, None) for standing in standings]
        return Backlog(
            OrgId(""),
            sum(one.owed for one in each),
            sum(one.delivered for one in each),
            sum(one.dead for one in each),
            sum(one.bytes for one in each),
            sum(one.claims for one in each),
            min(times, default=None),
        )

    async def orgs_owing(self, now: Micros) -> list[OrgId]:
        """Among those whose time to be looked at has come; one may be named whose due rows lie further on."""
        if self._listed_at is None or not 0 <= now - self._listed_at < _LISTED_FOR:
            self._listed, self._listed_at = await self._list(), now
            self._attention.keep({standing.org_id for standing in self._listed})
        looked_at = [standing for standing in self._listed if self._attention.is_due(standing, now)]
        owing = await together(partial(self._owes, standing, now) for standing in looked_at)
        return [standing.org_id for standing, owes in zip(looked_at, owing, strict=True) if owes]

    async def orgs_delivered(self) -> list[OrgId]:
        """Every one that has such a row in the first 1 MB of a partition, or more rows than that."""
        standings = await self._list()
        have = await together(partial(self._has_delivered, standing) for standing in standings)
        return [standing.org_id for standing, has in zip(standings, have, strict=True) if has]

    async def _list(self) -> list[Standing]:
        return [s for s in await all_standings(self._dynamo) if s.gone_since is None]

    async def _first_pages(self, standing: Standing, where: str, only: Sequence[str]) -> list[Source]:
        asked = questions(
            standing.org_id,
            standing.shards,
            _EVER,
            ("#state = :state", {"state": where}),
            only=only,
            consistent=False,
        )
        sources = [Source(self._dynamo, question) for question in asked]
        await together(source.turn for source in sources)
        return sources

    async def _owes(self, standing: Standing, now: Micros) -> bool:
        sources = await self._first_pages(standing, OWED, ("due",))
        dues = [row["due"] for source in sources for row in source.rest()]
        if any(due <= now for due in dues) or any(source.has_more for source in sources):
            return True
        self._attention.looked(standing, now, min(dues, default=None))
        return False

    async def _has_delivered(self, standing: Standing) -> bool:
        sources = await self._first_pages(standing, DELIVERED, ("due",))
        return any(source.first is not None or source.has_more for source in sources)

    async def _oldest_owed(self, standing: Standing) -> Micros | None:
        """Where more rows are in front of it than are looked at, the time where looking ended."""
        sources = await self._first_pages(standing, OWED, ("due",))
        for _ in range(_MOST_PAGES):
            if not (lagging := [s for s in sources if s.first is None and s.has_more]):
                break
            await together(source.turn for source in lagging)
        places = [place for source in sources if (place := source.place) is not None]
        return min(places, default=None)


def _backlog(standing: Standing, oldest: Micros | None) -> Backlog:
    delivered, dead = max(0, standing.delivered), max(0, standing.dead)
    return Backlog(
        standing.org_id,
        max(0, standing.rows - delivered - dead),
        delivered,
        dead,
        max(0, standing.bytes),
        max(0, standing.claims),
        oldest,
    )
