"""The same settings from the environment alone, without pydantic, whose import a cold start cannot afford.

No file is looked for. Values and errors are those of `settings_source.load`.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, get_origin

from core import settings as s
from core.model.errors import ConfigurationError
from core.settings_field import Described
from core.settings_given import CONFIG, KNOWN, Given, legacy_arc_of, placed
from core.settings_keys import master_keys

_is_whole: Final = re.compile(r"([+-]?[0-9]+(?:_[0-9]+)*)(?:\.0+)?").fullmatch
_is_number: Final = re.compile(r"[+-]?(?:[0-9_.]+(?:[eE][+-]?[0-9_]+)?|inf|infinity|nan)", re.I).fullmatch
_TRUE: Final = frozenset({"1", "on", "t", "true", "y", "yes"})
_FALSE: Final = frozenset({"0", "off", "f", "false", "n", "no"})
_MOST_DIGITS: Final = 4_300


def load(environ: Mapping[str, str] | None = None) -> s.Settings:
    """The settings in force. Raises ConfigurationError naming key, value, what it must be and variable."""
    environ = os.environ if environ is None else environ
    if environ.get(CONFIG):
        raise ConfigurationError(
            f"{CONFIG} names a file, and here only variables are read",
            hint="set a MEMTRACE_* variable for each setting instead",
        )
    given = Given()
    given.take_environment(environ)
    try:
        return s.Settings(
            **_sections(given),
            **master_keys(environ),
            legacy_arc=legacy_arc_of(given.legacy),
            origins=given.origins,
            warnings=tuple(given.warnings),
        )
    except ConfigurationError as e:
        raise placed(e, given.origins) from e.__cause__


def _sections(given: Given) -> dict[str, Any]:
    """Those that anything is given of. A value out of its range is told before one of another type."""
    values: dict[str, dict[str, Any]] = {}
    refused: dict[str, ConfigurationError] = {}
    for one in KNOWN.values():
        text = given.variables.get(one.variable.lower())
        if text is None:
            continue
        try:
            values.setdefault(one.section, {})[one.name] = _converted(one, text)
        except ValueError:
            refused.setdefault(one.section, one.refusal(text))
    made = {
        name: section(**values[name])
        for name, section in s.SECTIONS.items()
        if name in values and name not in refused
    }
    for error in refused.values():
        raise error
    return made


def _converted(one: Described, given: Any) -> Any:
    """Raises ValueError."""
    convert = _CONVERT.get(one.type)
    if convert is not None:
        return convert(given)
    if get_origin(one.type) is not tuple and given not in one.type.__args__:
        raise ValueError
    return given


def _whole(text: str) -> int:
    found = _is_whole(text.strip())
    if found is None or len(text) > _MOST_DIGITS:
        raise ValueError
    return int(found[1])


def _float(text: str) -> float:
    if _is_number(text.strip()) is None:
        raise ValueError
    return float(text)


def _truth(text: str) -> bool:
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError


_CONVERT: Final[dict[Any, Callable[[str], Any]]] = {
    str: str,
    int: _whole,
    float: _float,
    bool: _truth,
    Path: Path,
}
