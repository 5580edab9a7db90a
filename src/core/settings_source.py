"""Where settings come from: one TOML file, MEMTRACE_* variables over it, command line flags over both.

The only module that imports pydantic-settings; what it makes of the sources are the plain values
of `settings.py`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal, get_origin

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from core import settings as s
from core.model.errors import ConfigurationError
from core.settings_arc import ArcSettings
from core.settings_aws import DynamodbSettings, MetadataSettings, QueueSettings
from core.settings_field import Described
from core.settings_files import find_file, read_master_key, read_toml
from core.settings_limits import LimitsSettings

CONFIG: Final = "MEMTRACE_CONFIG"
_PREFIX: Final = "MEMTRACE_"
_NOT_SETTINGS: Final = (CONFIG, "MEMTRACE_URL", "MEMTRACE_API_KEY")
_NOT_SETTINGS_BEGIN: Final = ("MEMTRACE_MASTER_KEY", "MEMTRACE_TEST_")
_KNOWN: Final = {one.key: one for one in s.every_setting()}
_VARIABLES: Final = {one.variable: one for one in _KNOWN.values()}
_LEGACY: Final = ("url", "api_key", "database", "measurement")
_LEGACY_VARIABLES: Final = {f"{_PREFIX}ARC_{name.upper()}": name for name in _LEGACY}


def load(
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> s.Settings:
    """The settings in force. Raises ConfigurationError naming key, value, what it must be and its origin.

    The file is `config`, else MEMTRACE_CONFIG, else the first found of those that are looked for.
    `flags` are `section.key` → value, stronger than everything else.
    """
    environ = os.environ if environ is None else environ
    named = config or (Path(environ[CONFIG]) if environ.get(CONFIG) else None)
    file = named or find_file(environ)
    given = _Given()
    if file is not None:
        given.take_file(read_toml(file), str(file))
    given.take_environment(environ)
    given.take_flags(flags or {})
    try:
        sections = _merged(given)
        return s.Settings(
            **{name: getattr(sections, name) for name in s.SECTIONS},
            master_key=read_master_key(environ),
            legacy_arc=_legacy_arc(given.legacy),
            file=file,
            origins=given.origins,
            warnings=tuple(given.warnings),
        )
    except ConfigurationError as e:
        raise _placed(e, given.origins) from e.__cause__


@dataclass(slots=True)
class _Given:
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
        elif key in _KNOWN:
            self.file.setdefault(section, {})[name] = self._prepared(_KNOWN[key], value)
        else:
            names = {one.name: one for one in _KNOWN.values() if one.section == section}
            raise _unknown(key, name, names, file)

    def take_environment(self, environ: Mapping[str, str]) -> None:
        """An empty variable is as good as none: compose files pass on what may not be set."""
        for variable, text in environ.items():
            if not variable.startswith(_PREFIX) or not text:
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
            one = _KNOWN[key]
            self.origins[key] = "command line"
            self.flags.setdefault(one.section, {})[one.name] = self._prepared(one, value)

    def _prepared(self, one: Described, value: object) -> object:
        """The value as pydantic takes it; it would let a boolean pass for a number."""
        if isinstance(value, bool) and one.type in (int, float):
            raise _placed(one.refusal(value), self.origins)
        if isinstance(value, str):
            if get_origin(one.type) is tuple:
                return tuple(part for text in value.split(",") if (part := text.strip()))
            if get_origin(one.type) is Literal:
                return value.lower()
        return value


class _Sections(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="_", env_nested_max_split=1, extra="forbid"
    )
    server: s.ServerSettings = s.ServerSettings()
    limits: LimitsSettings = LimitsSettings()
    log: s.LogSettings = s.LogSettings()
    arc: ArcSettings = ArcSettings()
    auth: s.AuthSettings = s.AuthSettings()
    dedup: s.DedupSettings = s.DedupSettings()
    journal: s.JournalSettings = s.JournalSettings()
    flusher: s.FlusherSettings = s.FlusherSettings()
    store: s.StoreSettings = s.StoreSettings()
    metadata: MetadataSettings = MetadataSettings()
    dynamodb: DynamodbSettings = DynamodbSettings()
    queue: QueueSettings = QueueSettings()


def _merged(given: _Given) -> _Sections:
    class Sourced(_Sections):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            environment = EnvSettingsSource(settings_cls)
            environment.env_vars = given.variables
            file = InitSettingsSource(settings_cls, given.file)
            return InitSettingsSource(settings_cls, given.flags), environment, file

    try:
        return Sourced()
    except ValidationError as e:
        first = e.errors(include_url=False)[0]
        raise _KNOWN[".".join(map(str, first["loc"][:2]))].refusal(first["input"]) from None


def _legacy_arc(legacy: Mapping[str, Any]) -> s.LegacyArc | None:
    for name, value in legacy.items():
        if not isinstance(value, str):
            raise ConfigurationError(f"arc.{name} must be a text", keys=(f"arc.{name}",))
    given = {name: value for name, value in legacy.items() if value}
    if "url" not in given:
        return None
    if "database" not in given:
        raise ConfigurationError(
            "arc.url is set without arc.database",
            hint="name the database too, or remove arc.url and use `memtrace org add-arc`",
            keys=("arc.url",),
        )
    return s.LegacyArc(**given)


def _placed(error: ConfigurationError, origins: Mapping[str, str]) -> ConfigurationError:
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
    close = get_close_matches(name, list(known), 1)
    return f" (did you mean {close[0]}?)" if close else ""
