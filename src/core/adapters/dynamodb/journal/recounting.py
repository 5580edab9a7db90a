"""Counting anew what the ledger's counters of an org should say, in bounded turns."""

from typing import Final

from core.adapters.dynamodb.client import Dynamo
from core.adapters.dynamodb.journal.changing import count
from core.adapters.dynamodb.journal.rows import DEAD, DELIVERED
from core.adapters.dynamodb.journal.standing import Standing
from core.adapters.dynamodb.keys import claim_partitions, row_partitions
from core.adapters.dynamodb.statements import Answer, Question
from core.model.memory import Micros

_ALIVE: Final = "attribute_not_exists(#freed) AND (attribute_not_exists(#settled) OR #time >= :before)"


class Recount:
    """One org on its way. By the difference to what the counters said: what is counted meanwhile stays."""

    def __init__(self, dynamo: Dynamo, standing: Standing, before: Micros) -> None:
        """`standing` as it is now; settled claims stamped before `before` are over."""
        self._dynamo = dynamo
        self._was = standing
        self._left = _questions(standing, before)
        self._start = ""
        self._claims = self._rows = self._bytes = self._delivered = self._dead = 0

    async def go_on(self, max_rows: int) -> bool:
        """Looks at about so many items more; True at the end, when the counters are mended."""
        looked_at = 0
        while self._left and looked_at < max_rows:
            answer = await self._dynamo.page(self._left[-1], self._start)
            self._add(answer, is_claims=self._left[-1].counts)
            looked_at += max(answer.looked_at, 1)
            self._start = answer.next
            if not self._start:
                self._left.pop()
        if self._left:
            return False
        await self._mend()
        return True

    def _add(self, answer: Answer, *, is_claims: bool) -> None:
        if is_claims:
            self._claims += answer.count
            return
        self._rows += len(answer.items)
        self._bytes += sum(row["size"] for row in answer.items)
        self._delivered += sum(row["state"] == DELIVERED for row in answer.items)
        self._dead += sum(row["state"] == DEAD for row in answer.items)

    async def _mend(self) -> None:
        was = self._was
        await count(
            self._dynamo,
            was.org_id,
            rows=self._rows - was.rows,
            bytes=self._bytes - was.bytes,
            claims=self._claims - was.claims,
            delivered=self._delivered - was.delivered,
            dead=self._dead - was.dead,
        )


def _questions(standing: Standing, before: Micros) -> list[Question]:
    """Of claims only the number: of those that hold."""
    org_id, shards = standing.org_id, standing.shards
    rows = [
        Question(partition, only=("state", "size"), consistent=False)
        for partition in row_partitions(org_id, shards)
    ]
    claims = [
        Question(partition, where=_ALIVE, values={"before": before}, consistent=False, counts=True)
        for partition in claim_partitions(org_id, shards)
    ]
    return claims + rows
