"""Where settings come from: one TOML file, MEMTRACE_* variables over it, command line flags over both.

The only module that imports pydantic-settings; what it makes of the sources are the plain values
of `settings.py`.
"""

import os
from collections.abc import Mapping
from pathlib import Path

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
from core.settings_files import find_file, read_toml
from core.settings_given import CONFIG, KNOWN, PREFIX, Given, legacy_arc_of, placed
from core.settings_keys import master_keys
from core.settings_limits import LimitsSettings
from core.settings_metrics import MetricsSettings


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
    given = Given()
    if file is not None:
        given.take_file(read_toml(file), str(file))
    given.take_environment(environ)
    given.take_flags(flags or {})
    try:
        sections = _merged(given)
        return s.Settings(
            **{name: getattr(sections, name) for name in s.SECTIONS},
            **master_keys(environ),
            legacy_arc=legacy_arc_of(given.legacy),
            file=file,
            origins=given.origins,
            warnings=tuple(given.warnings),
        )
    except ConfigurationError as e:
        raise placed(e, given.origins) from e.__cause__


class _Sections(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="_", env_nested_max_split=1, extra="forbid"
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
    metrics: MetricsSettings = MetricsSettings()


def _merged(given: Given) -> _Sections:
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
        raise KNOWN[".".join(map(str, first["loc"][:2]))].refusal(first["input"]) from None
