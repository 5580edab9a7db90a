"""What is written to the table and asked of it, as values and as parameters of calls; pure.

In every expression `#name` is an attribute and `:name` one of the values that come with it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from core.adapters.dynamodb.items import Item, encoded
from core.adapters.dynamodb.keys import Key
from core.adapters.dynamodb.table import PK, SK

Plain = Mapping[str, Any]

_NAME: Final = re.compile(r"#(\w+)")


@dataclass(frozen=True, slots=True)
class Put:
    """Writes the whole item. An empty condition always holds."""

    item: Item
    condition: str = ""
    values: Plain = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Update:
    """Changes an item, or makes it: `change` is an update expression."""

    key: Key
    change: str
    condition: str = ""
    values: Plain = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delete:
    """Removes an item, if it is there."""

    key: Key
    condition: str = ""
    values: Plain = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """Only in transactions: writes nothing, and demands that the condition holds."""

    key: Key
    condition: str
    values: Plain = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of one partition: the items with `since` <= sk <= `through`, in order."""

    pk: str
    since: str = ""
    through: str = ""
    ascending: bool = True
    most: int | None = None
    """Items that one call looks at; without it, 1 MB of them."""
    where: str = ""
    """Drops items after they were looked at, and paid for."""
    values: Plain = field(default_factory=dict)
    only: Sequence[str] = ()
    consistent: bool = True
    counts: bool = False
    """Asks for their number alone."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One page."""

    items: list[Item]
    count: int
    looked_at: int
    """Items read, those that were dropped among them."""
    next: str
    """The sort key behind which the next page begins; empty at the end."""


Write = Put | Update | Delete
Step = Write | Check


def key_of(key: Key) -> dict[str, Any]:
    return encoded({PK: key[0], SK: key[1]})


def statement(step: Step) -> dict[str, Any]:
    """The parameters that one write has, alone and within a transaction."""
    told: dict[str, Any]
    change = step.change if isinstance(step, Update) else ""
    told = {"Item": encoded(step.item)} if isinstance(step, Put) else {"Key": key_of(step.key)}
    if change:
        told["UpdateExpression"] = change
    if step.condition:
        told["ConditionExpression"] = step.condition
        told["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    return told | _placed(f"{change} {step.condition}", step.values)


def question_of(question: Question) -> dict[str, Any]:
    since, through = question.since, question.through
    given = (
        {"pk": question.pk} | ({"since": since} if since else {}) | ({"through": through} if through else {})
    )
    condition = "#pk = :pk"
    if since and through:
        condition += " AND #sk BETWEEN :since AND :through"
    elif since or through:
        condition += " AND #sk >= :since" if since else " AND #sk <= :through"
    told: dict[str, Any] = {
        "KeyConditionExpression": condition,
        "ScanIndexForward": question.ascending,
        "ConsistentRead": question.consistent,
    }
    if question.most is not None:
        told["Limit"] = question.most
    if question.where:
        told["FilterExpression"] = question.where
    projection = ", ".join(f"#{name}" for name in question.only)
    if question.counts:
        told["Select"] = "COUNT"
    elif projection:
        told["ProjectionExpression"] = projection
    return told | _placed(f"{condition} {question.where} {projection}", {**given, **question.values})


def projected(only: Sequence[str]) -> dict[str, Any]:
    names = {f"#{name}": name for name in only}
    return {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}


def _placed(text: str, values: Plain) -> dict[str, Any]:
    """The names and values that an expression's placeholders stand for."""
    told: dict[str, Any] = {}
    if names := dict.fromkeys(_NAME.findall(text)):
        told["ExpressionAttributeNames"] = {f"#{name}": name for name in names}
    if values:
        told["ExpressionAttributeValues"] = {f":{name}": value for name, value in encoded(values).items()}
    return told
