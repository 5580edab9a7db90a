"""Items as plain values and as DynamoDB's AttributeValues; pure."""

import math
from collections.abc import Mapping
from typing import Any, Final

Item = dict[str, Any]
"""Attributes of str, int, float, bytes, bool, None, and lists and dicts of them."""

MOST_BYTES: Final = 400 * 1024
"""DynamoDB takes no larger item, names of attributes counted."""


def encoded(item: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The item as the JSON protocol has it; `decoded` gives the same values back.

    But for whole floats, which come back as int: DynamoDB knows one kind of number. Raises
    ValueError for a number that is none, TypeError for a value of another kind.
    """
    return {name: to_attribute(value) for name, value in item.items()}


def decoded(attributes: Mapping[str, Mapping[str, Any]]) -> Item:
    """The item that these attributes are."""
    return {name: from_attribute(value) for name, value in attributes.items()}


def to_attribute(value: Any) -> dict[str, Any]:
    """One value as an AttributeValue."""
    match value:
        case str():
            return {"S": value}
        case bool():  # before the numbers, one of which it is
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case float():
            if not math.isfinite(value):
                raise ValueError("DynamoDB takes finite numbers only")
            return {"N": repr(value)}
        case bytes():
            return {"B": value}
        case None:
            return {"NULL": True}
        case dict():
            return {"M": encoded(value)}
        case list() | tuple():
            return {"L": [to_attribute(one) for one in value]}
        case _:
            raise TypeError(f"DynamoDB takes no {type(value).__name__}")


def from_attribute(attribute: Mapping[str, Any]) -> Any:
    """The value of one AttributeValue."""
    ((kind, value),) = attribute.items()
    match kind:
        case "S" | "B" | "BOOL":
            return value
        case "N":
            return int(value) if value.removeprefix("-").isdigit() else float(value)
        case "NULL":
            return None
        case "M":
            return decoded(value)
        case "L":
            return [from_attribute(one) for one in value]
        case _:
            raise TypeError(f"an attribute of the unknown kind {kind}")


def size_of(item: Mapping[str, Any]) -> int:
    """What DynamoDB counts for the item, rounded up: names and values in UTF-8."""
    return sum(len(name.encode()) + _size_of(value) for name, value in item.items())


def _size_of(value: Any) -> int:
    match value:
        case str():
            return len(value.encode())
        case bytes():
            return len(value)
        case bool() | None:
            return 1
        case int() | float():
            return 21
        case dict():
            return 3 + size_of(value) + len(value)
        case _:
            return 3 + sum(_size_of(one) + 1 for one in value)
