"""What a search asks of an item, and a listing of a namespace, as LangGraph defines it. No I/O."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from langgraph.store.base import MatchCondition

_ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "$gt": lambda one, other: one > other,
    "$gte": lambda one, other: one >= other,
    "$lt": lambda one, other: one < other,
    "$lte": lambda one, other: one <= other,
}


def fits(value: Any, wanted: Any) -> bool:
    """Whether a member fits a filter: equal, or by operators; mappings and lists member by member.

    Orders compare numbers with numbers and texts with texts; anything else does not fit. Raises ValueError
    for an operator that LangGraph does not define.
    """
    if isinstance(wanted, Mapping):
        if any(name.startswith("$") for name in wanted):
            return all(_holds(value, operator, operand) for operator, operand in wanted.items())
        return isinstance(value, Mapping) and all(fits(value.get(name), wanted[name]) for name in wanted)
    if isinstance(wanted, list | tuple):
        return (
            isinstance(value, list | tuple)
            and len(value) == len(wanted)
            and all(fits(one, other) for one, other in zip(value, wanted, strict=True))
        )
    return bool(value == wanted)


def _holds(value: Any, operator: str, operand: Any) -> bool:
    if operator == "$eq":
        return bool(value == operand)
    if operator == "$ne":
        return bool(value != operand)
    if operator not in _ORDERS:
        raise ValueError(f"Unsupported operator: {operator}")
    comparable = (_is_number(value) and _is_number(operand)) or (
        isinstance(value, str) and isinstance(operand, str)
    )
    return comparable and _ORDERS[operator](value, operand)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def contains(value: Any, text: str) -> bool:
    """Whether any text within a value has this as a literal substring."""
    if isinstance(value, str):
        return text in value
    if isinstance(value, Mapping):
        return any(contains(one, text) for one in value.values())
    return isinstance(value, list | tuple) and any(contains(one, text) for one in value)


def matches(namespace: tuple[str, ...], condition: MatchCondition) -> bool:
    """Whether a namespace begins, or ends, with a path; `*` stands for any one label."""
    path: Sequence[str] = condition.path
    if len(namespace) < len(path):
        return False
    labels = namespace[: len(path)] if condition.match_type == "prefix" else namespace[-len(path) :]
    return not path or all(wanted in ("*", label) for label, wanted in zip(labels, path, strict=True))
