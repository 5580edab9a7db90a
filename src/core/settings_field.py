"""One setting: what is known of it besides its default, and how a bad value is refused."""

import math
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from core.model.errors import ConfigurationError

T = TypeVar("T")
_ABOUT: Final = "about"
_LONGEST_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class About:
    """What people are told of a setting."""

    meaning: str
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf


def setting(default: T, meaning: str, *, unit: str = "", low: float = -math.inf, high: float = math.inf) -> T:
    """A dataclass field with this default; both bounds are inclusive."""
    made: T = field(default=default, metadata={_ABOUT: About(meaning, unit, low, high)})
    return made


@dataclass(frozen=True, slots=True)
class Described:
    """A setting as documentation, commands and errors name it."""

    section: str
    name: str
    type: Any
    default: Any
    about: About

    @property
    def key(self) -> str:
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        return f"MEMTRACE_{self.section}_{self.name}".upper()

    @property
    def kind(self) -> str:
        """What a value must be, in words that fit after "must be"."""
        if typing.get_origin(self.type) is Literal:
            return " or ".join(f'"{choice}"' for choice in typing.get_args(self.type))
        bounds = (
            ""
            if math.isinf(self.about.low)
            else f" from {number(self.about.low)} to {number(self.about.high)}"
        )
        unit = f" of {self.about.unit}" if self.about.unit else ""
        return f"{_KINDS[self.type]}{unit}{bounds}"

    def refusal(self, value: object) -> ConfigurationError:
        """The error for a value that this setting cannot have."""
        shown = repr(str(value) if isinstance(value, Path) else value)
        if len(shown) > _LONGEST_SHOWN:
            shown = f"{shown[:_LONGEST_SHOWN]}…"
        return ConfigurationError(f"{self.key} must be {self.kind}, not {shown}", keys=(self.key,))


_KINDS: Final[dict[Any, str]] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
    tuple[str, ...]: "a list of texts",
}


def described(section: str, values: type) -> Iterator[Described]:
    """The settings of one section, in the order in which they are written down."""
    hints = typing.get_type_hints(values)
    for f in fields(values):
        yield Described(section, f.name, hints[f.name], f.default, f.metadata[_ABOUT])


def number(value: float) -> str:
    """As a person writes it: no fraction where there is none, no exponent."""
    return str(int(value)) if float(value).is_integer() else str(value)


def check_ranges(section: str, values: Any) -> None:
    """Raises ConfigurationError, naming key, range and value, for the first number out of its range."""
    for one in described(section, type(values)):
        value = getattr(values, one.name)
        # Not "value < low": NaN compares false with everything, and is in no range.
        if isinstance(value, int | float) and not one.about.low <= value <= one.about.high:
            raise one.refusal(value)
