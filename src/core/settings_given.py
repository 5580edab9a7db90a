"""What sources of settings hold, before it is judged: names sorted, texts prepared, origins kept. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_origin

from core import settings as s
from core.model.errors import ConfigurationError
from core.settings_field import Described

CONFIG: Final = "MEMTRACE_CONFIG"
PREFIX: Final = "MEMTRACE_"
_NOT_SETTINGS: Final = (CONFIG, "MEMTRACE_URL", "MEMTRACE_API_KEY")
_NOT_SETTINGS_BEGIN: Final = ("MEMTRACE_MASTER_KEY", "MEMTRACE_TEST_")
KNOWN: Final = {one.key: one for one in s.every_setting()}
_VARIABLES: Final = {one.variable: one for one in KNOWN.values()}
_LEGACY: Final = ("url", "api_key", "database", "measurement")
_LEGACY_VARIABLES: Final = {f"{PREFIX}ARC_{name.upper()}": name for name in _LEGACY}


@dataclass(slots=True)
class Given:
    """What each source holds, and which of them has the last word on a key."""

    file: dict[str, dict[str, Any]] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    flags: dict[str, dict[str, Any]] = field(default_factory=dict)
    legacy: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def take_file(self, tree: Mapping[str, Any], file: str) -> None:
        for section, values in tree.items():
            if section not in s.SECTIONS:
                raise _unknown(
                    f"[{section}]" if isinstance(values, dict) else section, section, s.SECTIONS, file
                )
            if not isinstance(values, dict):
                raise ConfigurationError(f"{section} in {file} must be a section: [{section}]")
            for name, value in values.items():
                self._take_from_file(section, name, value, file)

    def _take_from_file(self, section: str, name: str, value: object, file: str) -> None:
        key = f"{section}.{name}"
        self.origins[key] = file
        if section == "arc" and name in _LEGACY:
            self.legacy[name] = value
        elif key in KNOWN:
            self.file.setdefault(section, {})[name] = self._prepared(KNOWN[key], value)
        else:
            names = {one.name: one for one in KNOWN.values() if one.section == section}
            raise _unknown(key, name, names, file)

    def take_environment(self, environ: Mapping[str, str]) -> None:
        """An empty variable is as good as none: compose files pass on what may not be set."""
        for variable, text in environ.items():
            if not variable.startswith(PREFIX) or not text:
                continue
            if variable in _VARIABLES:
                one = _VARIABLES[variable]
                self.origins[one.key] = variable
                self.variables[variable.lower()] = self._prepared(one, text)
            elif variable in _LEGACY_VARIABLES:
                self.legacy[_LEGACY_VARIABLES[variable]] = text
                self.origins[f"arc.{_LEGACY_VARIABLES[variable]}"] = variable
            elif variable not in _NOT_SETTINGS and not variable.startswith(_NOT_SETTINGS_BEGIN):
                self.warnings.append(f"{variable} is not a setting{_perhaps(variable, _VARIABLES)}")

    def take_flags(self, flags: Mapping[str, object]) -> None:
        for key, value in flags.items():
            one = KNOWN[key]
            self.origins[key] = "command line"
            self.flags.setdefault(one.section, {})[one.name] = self._prepared(one, value)

    def _prepared(self, one: Described, value: object) -> object:
        """The value as pydantic takes it; it would let a boolean pass for a number."""
        if isinstance(value, bool) and one.type in (int, float):
            raise placed(one.refusal(value), self.origins)
        if isinstance(value, str):
            if get_origin(one.type) is tuple:
                return tuple(part for text in value.split(",") if (part := text.strip()))
            if get_origin(one.type) is Literal:
                return value.lower()
        return value


def legacy_arc_of(legacy: Mapping[str, Any]) -> s.LegacyArc | None:
    """None where no URL is given. Raises ConfigurationError."""
    for name, value in legacy.items():
        if not isinstance(value, str):
            raise ConfigurationError(f"arc.{name} must be a text", keys=(f"arc.{name}",))
    given = {name: value for name, value in legacy.items() if value}
    return s.LegacyArc(**given) if "url" in given else None


def placed(error: ConfigurationError, origins: Mapping[str, str]) -> ConfigurationError:
    """The same error, telling where the values it names came from."""
    keys = error.fields.get("keys")
    if not isinstance(keys, tuple):
        return error
    places = [f"{key}: {origins.get(key, 'default')}" for key in keys]
    text = places[0].partition(": ")[2] if len(places) == 1 else "; ".join(places)
    return ConfigurationError(f"{error.message} ({text})", hint=error.hint)


def _unknown(shown: str, name: str, known: Mapping[str, object], file: str) -> ConfigurationError:
    return ConfigurationError(f"{file} has {shown}, which is not a setting{_perhaps(name, known)}")


def _perhaps(name: str, known: Mapping[str, object]) -> str:
    from difflib import get_close_matches  # only mistakes pay for it

    close = get_close_matches(name, list(known), 1)
    return f" (did you mean {close[0]}?)" if close else ""
