"""Calls on the one table, in plain values, and what DynamoDB refuses as our errors."""

import asyncio
import random
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, TypeVar

from core.adapters.aws.api import AwsApi, AwsError
from core.adapters.dynamodb.items import Item, decoded, encoded
from core.adapters.dynamodb.keys import Key
from core.adapters.dynamodb.statements import (
    Answer,
    Check,
    Plain,
    Question,
    Step,
    Write,
    key_of,
    projected,
    question_of,
    statement,
)
from core.adapters.dynamodb.table import PK, SK
from core.model.errors import DatabaseError, MetadataBusy

T = TypeVar("T")

MOST_IN_TRANSACTION: Final = 100
MOST_BYTES_IN_TRANSACTION: Final = 4 * 1024 * 1024
_MOST_IN_GET: Final = 100
_MOST_IN_WRITE: Final = 25
_FIRST_PAUSE: Final = 0.05
_AT_ONCE: Final = 16
"""Calls of one batch or of one `together` under way."""
_FAILED: Final = "ConditionalCheckFailed"
_BUSY: Final = frozenset(
    (
        "InternalServerError",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingError",
        "ThrottlingException",
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
    )
)


class ConditionFailed(Exception):
    """The condition of a write did not hold; nothing was written. Never leaves the adapters."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("the condition did not hold")
        self.item = item
        """What was there instead, None when nothing was."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What one write of a cancelled transaction met."""

    failed: bool
    """Whether its own condition did not hold; other writes of it were just not carried out."""
    item: Item | None
    """With a failed condition: what was there, None when nothing was."""


class Cancelled(Exception):
    """A transaction whose conditions did not all hold; nothing was written. Never leaves the adapters."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__("the transaction was cancelled")
        self.refusals = refusals
        """One for each write, in their order."""


class Dynamo:
    """The table. Reads are consistent unless said otherwise; every call ends within the timeout.

    All methods raise MetadataBusy when DynamoDB throttles for longer than that, fails or does not
    answer (a write may then have been carried out), DatabaseError when it refuses for another reason.
    A write that got no answer is repeated, so every condition must know the writer's own traces.
    """

    def __init__(self, api: AwsApi, *, table: str, timeout: float) -> None:
        self._api = api
        self.table: Final = table
        self.timeout: Final = timeout
        """Seconds, of each call."""

    async def get(self, key: Key, *, consistent: bool = True, only: Sequence[str] = ()) -> Item | None:
        """The item, or these attributes of it; None when there is none."""
        parameters: dict[str, Any] = {"Key": key_of(key), "ConsistentRead": consistent}
        if only:
            parameters |= projected(only)
        answer = await self._call("GetItem", parameters)
        return decoded(answer["Item"]) if "Item" in answer else None

    async def write(self, write: Write, *, returning: Literal["old", "new"] | None = None) -> Item:
        """Carries out one write; the item before or after it where that is asked ({}: none).

        Only an Update can tell what is there after it. Raises ConditionFailed.
        """
        parameters = statement(write)
        if returning:
            parameters["ReturnValues"] = f"ALL_{returning.upper()}"
        answer = await self._call(f"{type(write).__name__}Item", parameters)
        return decoded(answer.get("Attributes", {}))

    async def transact(self, steps: Sequence[Step]) -> None:
        """All of them or none; at most 100, and 4 MB. Raises Cancelled.

        By its token AWS knows a call that is repeated because its answer was lost.
        """
        parameters = {
            "TransactItems": [self._within(step) for step in steps],
            "ClientRequestToken": secrets.token_hex(16),
        }
        try:
            await self._api.call("dynamodb", "TransactWriteItems", parameters, self.timeout)
        except AwsError as error:
            refusals = _refusals(error)
            if any(refusal.failed for refusal in refusals):
                raise Cancelled(refusals) from error
            raise _translated(error) from error

    async def page(self, question: Question, start: str = "") -> Answer:
        """The next items after the sort key `start`: as many as one call reads, which may be none."""
        parameters = question_of(question)
        if start:
            parameters["ExclusiveStartKey"] = key_of((question.pk, start))
        answer = await self._call("Query", parameters)
        last = answer.get("LastEvaluatedKey")
        items = [decoded(attributes) for attributes in answer.get("Items", ())]
        found, looked_at = answer.get("Count", 0), answer.get("ScannedCount", 0)
        return Answer(items, found, looked_at, decoded(last)[SK] if last else "")

    async def query(
        self,
        pk: str,
        *,
        since: str = "",
        through: str = "",
        ascending: bool = True,
        page: int | None = None,
        where: str = "",
        values: Plain | None = None,
        only: Sequence[str] = (),
        consistent: bool = True,
    ) -> AsyncGenerator[Item, None]:
        """All of a Question's items, page after page as they are taken. Who stops early closes it."""
        question = Question(pk, since, through, ascending, page, where, values or {}, only, consistent)
        start = ""
        while True:
            answer = await self.page(question, start)
            for item in answer.items:
                yield item
            start = answer.next
            if not start:
                return

    async def batch_get(
        self, keys: Iterable[Key], *, consistent: bool = True, only: Sequence[str] = ()
    ) -> dict[Key, Item]:
        """Those of these items that are there (or these attributes of them), not in one snapshot."""
        wanted = [key_of(key) for key in dict.fromkeys(keys)]
        found: dict[Key, Item] = {}
        projection = projected((PK, SK, *only)) if only else {}

        async def take(batch: list[Any]) -> list[Any]:
            asked = {self.table: {"Keys": batch, "ConsistentRead": consistent, **projection}}
            answer = await self._bare("BatchGetItem", {"RequestItems": asked})
            for attributes in answer.get("Responses", {}).get(self.table, ()):
                item = decoded(attributes)
                found[item[PK], item[SK]] = item
            return list(answer.get("UnprocessedKeys", {}).get(self.table, {}).get("Keys", ()))

        await self._in_batches(wanted, _MOST_IN_GET, take)
        return found

    async def batch_write(self, puts: Iterable[Item] = (), deletes: Iterable[Key] = ()) -> None:
        """Puts and deletes without conditions, in no order; one key at most once. Not atomic."""
        wanted: list[Any] = [{"PutRequest": {"Item": encoded(item)}} for item in puts]
        wanted += [{"DeleteRequest": {"Key": key_of(key)}} for key in deletes]

        async def take(batch: list[Any]) -> list[Any]:
            answer = await self._bare("BatchWriteItem", {"RequestItems": {self.table: batch}})
            return list(answer.get("UnprocessedItems", {}).get(self.table, ()))

        await self._in_batches(wanted, _MOST_IN_WRITE, take)

    async def _in_batches(
        self, wanted: list[Any], size: int, take: Callable[[list[Any]], Awaitable[list[Any]]]
    ) -> None:
        """Some batches at once; what is left unprocessed again after a pause, until the timeout is over."""
        ends = asyncio.get_running_loop().time() + self.timeout

        async def carry(batch: list[Any]) -> None:
            pause = _FIRST_PAUSE
            while batch := await take(batch):
                if asyncio.get_running_loop().time() + pause >= ends:
                    raise MetadataBusy()
                await asyncio.sleep(random.uniform(0, pause))
                pause = min(2 * pause, 1.0)

        await together(partial(carry, wanted[start : start + size]) for start in range(0, len(wanted), size))

    def _within(self, step: Step) -> dict[str, Any]:
        name = "ConditionCheck" if isinstance(step, Check) else type(step).__name__
        return {name: {"TableName": self.table, **statement(step)}}

    async def _call(self, operation: str, parameters: Plain) -> dict[str, Any]:
        return await self._bare(operation, {"TableName": self.table, **parameters})

    async def _bare(self, operation: str, parameters: Plain) -> dict[str, Any]:
        try:
            return await self._api.call("dynamodb", operation, parameters, self.timeout)
        except AwsError as error:
            if error.code == "ConditionalCheckFailedException":
                there = (error.body or {}).get("Item")
                raise ConditionFailed(decoded(there) if there else None) from error
            raise _translated(error) from error


async def together(jobs: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """What all of them return, in their order; a few at once. The first error ends the others."""
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def one(job: Callable[[], Awaitable[T]]) -> T:
        async with at_once:
            return await job()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(job)) for job in jobs]
    except BaseExceptionGroup as failed:
        first = failed.exceptions[0]
        raise first from first.__cause__
    return [task.result() for task in tasks]


def _refusals(error: AwsError) -> list[Refusal]:
    """What each write of a cancelled transaction met; none for any other error."""
    if error.code != "TransactionCanceledException":
        return []
    reasons = (error.body or {}).get("CancellationReasons", ())
    return [
        Refusal(one.get("Code") == _FAILED, decoded(one["Item"]) if one.get("Item") else None)
        for one in reasons
    ]


def _translated(error: AwsError) -> MetadataBusy | DatabaseError:
    codes = {error.code}
    if error.code == "TransactionCanceledException":
        reasons = (error.body or {}).get("CancellationReasons", ())
        codes = {str(one.get("Code", "None")) for one in reasons} - {"None"}
    if not error.code or (codes and codes <= _BUSY) or error.status >= 500:
        return MetadataBusy()
    return DatabaseError(f"DynamoDB refuses a call: {error}")
