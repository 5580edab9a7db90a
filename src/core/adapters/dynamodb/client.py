"""Calls on the one table, in plain values, and what DynamoDB refuses as our errors."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal, TypeVar

from core.adapters.aws.api import AwsApi, AwsError
from core.adapters.dynamodb.items import Item, decoded, encoded
from core.adapters.dynamodb.table import PK, SK
from core.model.errors import DatabaseError, MetadataBusy

Key = tuple[str, str]
"""(pk, sk)"""

MOST_IN_TRANSACTION: Final = 100
MOST_BYTES_IN_TRANSACTION: Final = 4 * 1024 * 1024
_MOST_IN_GET: Final = 100
_MOST_IN_WRITE: Final = 25
_FIRST_PAUSE: Final = 0.05
_AT_ONCE: Final = 16
"""Calls of one batch or of one `together` under way."""
_NAME: Final = re.compile(r"#(\w+)")
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

_Plain = Mapping[str, Any]


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


@dataclass(frozen=True, slots=True)
class Put:
    """Writes the whole item. In `condition`, `#name` is an attribute and `:name` one of `values`."""

    item: Item
    condition: str = ""
    values: _Plain = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Update:
    """Changes an item, or makes it: `change` is an update expression, written like `condition`."""

    key: Key
    change: str
    condition: str = ""
    values: _Plain = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delete:
    """Removes an item, if it is there."""

    key: Key
    condition: str = ""
    values: _Plain = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """Only in transactions: writes nothing, and demands that the condition holds."""

    key: Key
    condition: str
    values: _Plain = field(default_factory=dict)


Write = Put | Update | Delete
Step = Write | Check
T = TypeVar("T")


class Dynamo:
    """The table. Reads are consistent unless said otherwise; every call ends within the timeout.

    All methods raise MetadataBusy when DynamoDB throttles for longer than that, fails or does not
    answer (a write may then have been carried out), DatabaseError when it refuses for another reason.
    A write that got no answer is repeated, so every condition must know the writer's own traces.
    """

    def __init__(self, api: AwsApi, *, table: str, timeout: float) -> None:
        self._api = api
        self._table = table
        self._timeout = timeout

    async def get(self, key: Key, *, consistent: bool = True, only: Sequence[str] = ()) -> Item | None:
        """The item, or these attributes of it; None when there is none."""
        parameters: dict[str, Any] = {"Key": _key(key), "ConsistentRead": consistent}
        if only:
            parameters["ProjectionExpression"] = ", ".join(f"#{name}" for name in only)
            parameters["ExpressionAttributeNames"] = {f"#{name}": name for name in only}
        answer = await self._call("GetItem", parameters)
        return decoded(answer["Item"]) if "Item" in answer else None

    async def write(self, write: Write, *, returning: Literal["old", "new"] | None = None) -> Item:
        """Carries out one write; the item before or after it where that is asked ({}: none).

        Only an Update can tell what is there after it. Raises ConditionFailed.
        """
        parameters = _statement(write)
        if returning:
            parameters["ReturnValues"] = f"ALL_{returning.upper()}"
        answer = await self._call(f"{type(write).__name__}Item", parameters)
        return decoded(answer.get("Attributes", {}))

    async def transact(self, steps: Sequence[Step]) -> None:
        """All of them or none; at most 100, and 4 MB. Raises Cancelled."""
        parameters = {"TransactItems": [self._within(step) for step in steps]}
        try:
            await self._api.call("dynamodb", "TransactWriteItems", parameters, self._timeout)
        except AwsError as error:
            refusals = _refusals(error)
            if any(refusal.failed for refusal in refusals):
                raise Cancelled(refusals) from error
            raise _translated(error) from error

    async def query(
        self,
        pk: str,
        *,
        since: str = "",
        through: str = "",
        ascending: bool = True,
        page: int | None = None,
        where: str = "",
        values: _Plain | None = None,
        only: Sequence[str] = (),
        consistent: bool = True,
    ) -> AsyncIterator[Item]:
        """The partition's items with `since` <= sk <= `through`, in order, page after page as they are taken.

        `where` drops items from what was read; `page` bounds what one call reads.
        """
        parameters = _question(pk, since, through, where, values or {}, only)
        parameters |= {"ScanIndexForward": ascending, "ConsistentRead": consistent}
        if page is not None:
            parameters["Limit"] = page
        while True:
            answer = await self._call("Query", parameters)
            for attributes in answer.get("Items", ()):
                yield decoded(attributes)
            if not answer.get("LastEvaluatedKey"):
                return
            parameters["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def batch_get(self, keys: Iterable[Key], *, consistent: bool = True) -> dict[Key, Item]:
        """Those of these items that are there, in no one's order and not in one snapshot."""
        wanted = [_key(key) for key in dict.fromkeys(keys)]
        found: dict[Key, Item] = {}

        async def take(batch: list[Any]) -> list[Any]:
            asked = {self._table: {"Keys": batch, "ConsistentRead": consistent}}
            answer = await self._bare("BatchGetItem", {"RequestItems": asked})
            for attributes in answer.get("Responses", {}).get(self._table, ()):
                item = decoded(attributes)
                found[item[PK], item[SK]] = item
            return list(answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", ()))

        await self._in_batches(wanted, _MOST_IN_GET, take)
        return found

    async def batch_write(self, puts: Iterable[Item] = (), deletes: Iterable[Key] = ()) -> None:
        """Puts and deletes without conditions, in no order; one key at most once. Not atomic."""
        wanted: list[Any] = [{"PutRequest": {"Item": encoded(item)}} for item in puts]
        wanted += [{"DeleteRequest": {"Key": _key(key)}} for key in deletes]

        async def take(batch: list[Any]) -> list[Any]:
            answer = await self._bare("BatchWriteItem", {"RequestItems": {self._table: batch}})
            return list(answer.get("UnprocessedItems", {}).get(self._table, ()))

        await self._in_batches(wanted, _MOST_IN_WRITE, take)

    async def _in_batches(
        self, wanted: list[Any], size: int, take: Callable[[list[Any]], Awaitable[list[Any]]]
    ) -> None:
        """Some batches at once; what is left unprocessed again after a pause, until the timeout is over."""
        ends = asyncio.get_running_loop().time() + self._timeout

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
        return {name: {"TableName": self._table, **_statement(step)}}

    async def _call(self, operation: str, parameters: _Plain) -> dict[str, Any]:
        return await self._bare(operation, {"TableName": self._table, **parameters})

    async def _bare(self, operation: str, parameters: _Plain) -> dict[str, Any]:
        try:
            return await self._api.call("dynamodb", operation, parameters, self._timeout)
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


def _key(key: Key) -> dict[str, Any]:
    return encoded({PK: key[0], SK: key[1]})


def _statement(step: Step) -> dict[str, Any]:
    """The parameters that one write has, alone and within a transaction."""
    told: dict[str, Any]
    change = step.change if isinstance(step, Update) else ""
    told = {"Item": encoded(step.item)} if isinstance(step, Put) else {"Key": _key(step.key)}
    if change:
        told["UpdateExpression"] = change
    if step.condition:
        told["ConditionExpression"] = step.condition
        told["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    return told | _placed(f"{change} {step.condition}", step.values)


def _question(
    pk: str, since: str, through: str, where: str, values: _Plain, only: Sequence[str]
) -> dict[str, Any]:
    condition, given = "#pk = :pk", {"pk": pk}
    match bool(since), bool(through):
        case True, True:
            condition += " AND #sk BETWEEN :since AND :through"
        case True, False:
            condition += " AND #sk >= :since"
        case False, True:
            condition += " AND #sk <= :through"
    if since:
        given["since"] = since
    if through:
        given["through"] = through
    told: dict[str, Any] = {"KeyConditionExpression": condition}
    if where:
        told["FilterExpression"] = where
    projection = ", ".join(f"#{name}" for name in only)
    if projection:
        told["ProjectionExpression"] = projection
    return told | _placed(f"{condition} {where} {projection}", {**given, **values})


def _placed(text: str, values: _Plain) -> dict[str, Any]:
    """The names and values that an expression's placeholders stand for."""
    told: dict[str, Any] = {}
    if names := dict.fromkeys(_NAME.findall(text)):
        told["ExpressionAttributeNames"] = {f"#{name}": name for name in names}
    if values:
        told["ExpressionAttributeValues"] = {f":{name}": value for name, value in encoded(values).items()}
    return told


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
