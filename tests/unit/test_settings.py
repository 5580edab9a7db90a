"""The values: defaults, ranges, and agreement with each other."""

import ast
import math
import subprocess
import sys
from pathlib import Path

import pytest

from core.model.errors import ConfigurationError
from core.settings import (
    SECTIONS,
    AuthSettings,
    LegacyArc,
    ServerSettings,
    Settings,
    every_setting,
)
from core.settings_arc import ArcSettings
from core.settings_field import Described, number
from core.settings_shown import shown, text_of
from tests.source import SRC, modules


def setting(key: str) -> Described:
    return next(one for one in every_setting() if one.key == key)


def test_the_defaults_agree_with_each_other() -> None:
    assert Settings().server.port == 9100


def test_every_setting_has_a_meaning_and_a_variable_of_its_own() -> None:
    every = list(every_setting())
    assert all(one.about.meaning for one in every)
    assert len({one.variable for one in every}) == len(every)


def test_every_setting_is_read_by_somebody() -> None:
    code = [m.tree for m in modules() if not m.name.startswith("core.settings")]
    read = {n.attr for tree in code for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    unread = {one.key for one in every_setting() if one.name not in read}
    assert unread <= {
        "arc.connect_timeout",  # kept for files of the original; embedded stores connect to nothing
        *(one.key for one in every_setting() if one.section in ("metadata", "dynamodb", "queue")),
    }


def test_every_number_has_both_bounds() -> None:
    for one in every_setting():
        if one.type in (int, float):
            assert math.isfinite(one.about.low), one.key
            assert math.isfinite(one.about.high), one.key


def test_a_number_out_of_its_range_is_refused_by_name_range_and_value() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ServerSettings(port=70_000)
    assert caught.value.message == "server.port must be a whole number from 0 to 65535, not 70000"
    assert caught.value.fields["keys"] == ("server.port",)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 0.0])
def test_a_timeout_is_a_positive_finite_number(value: float) -> None:
    with pytest.raises(ConfigurationError, match=r"number of seconds from 0\.1 to 3600"):
        ArcSettings(query_timeout=value)


def test_both_bounds_belong_to_the_range() -> None:
    assert ServerSettings(port=0).port == 0
    assert ServerSettings(port=65_535).port == 65_535


@pytest.mark.parametrize("origin", ["example.com", "https://example.com/", ""])
def test_an_origin_without_a_scheme_or_with_a_path_is_refused(origin: str) -> None:
    with pytest.raises(ConfigurationError, match="cors_origins"):
        ServerSettings(cors_origins=(origin,))


def test_a_database_path_must_name_a_file() -> None:
    with pytest.raises(ConfigurationError, match=r"auth\.db_path"):
        AuthSettings(db_path=Path(""))


def test_a_read_may_not_take_longer_than_its_answer() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings(arc=ArcSettings(query_timeout=31))
    assert caught.value.message == "arc.query_timeout (31) must not exceed server.write_timeout (30)"


def test_secrets_are_in_no_repr() -> None:
    settings = Settings(master_key="sesame", legacy_arc=LegacyArc(url="u", api_key="sesame", database="d"))
    assert "sesame" not in repr(settings)


def test_what_is_shown_names_value_and_origin() -> None:
    settings = Settings(
        server=ServerSettings(cors_origins=("https://a.example", "https://b.example")),
        origins={"server.cors_origins": "memtrace.toml"},
    )
    by_key = {one.key: one for one in shown(settings)}
    assert by_key["server.cors_origins"].value == "https://a.example,https://b.example"
    assert by_key["server.cors_origins"].origin == "memtrace.toml"
    assert (by_key["auth.enabled"].value, by_key["auth.enabled"].origin) == ("true", "default")
    assert by_key["server.read_timeout"].unit == "seconds"
    assert "master_key" not in by_key


def test_what_is_shown_masks_secrets() -> None:
    legacy = LegacyArc(url="https://arc.example", api_key="sesame", database="d")
    lines = list(shown(Settings(master_key="sesame", legacy_arc=legacy)))
    assert "sesame" not in repr(lines)
    by_key = {one.key: one.value for one in lines}
    assert by_key["master_key"] == "****"
    assert by_key["arc.api_key"] == "****"
    assert by_key["arc.url"] == "https://arc.example"


def test_a_legacy_key_that_is_absent_is_shown_as_absent() -> None:
    by_key = {one.key: one.value for one in shown(Settings(legacy_arc=LegacyArc(url="u", database="d")))}
    assert by_key["arc.api_key"] == ""


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (30.0, "30"), (0.5, "0.5"), (("a", "b"), "a,b")]
)
def test_a_value_reads_as_a_variable_takes_it(value: object, text: str) -> None:
    assert text_of(value) == text


def test_numbers_are_written_without_exponents() -> None:
    assert number(1e9) == "1000000000"


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("server.host", "a text"),
        ("server.cors_origins", "a list of texts"),
        ("auth.enabled", "true or false"),
        ("auth.db_path", "a path"),
        ("log.format", '"console" or "json"'),
        ("arc.write_flush_interval_ms", "a whole number of milliseconds from 10 to 600000"),
    ],
)
def test_a_setting_says_what_it_must_be(key: str, kind: str) -> None:
    assert setting(key).kind == kind


def test_a_refused_value_is_shown_shortened() -> None:
    assert len(setting("server.host").refusal("x" * 10_000).message) < 200


def test_importing_the_values_imports_no_pydantic() -> None:
    code = "import sys, core.settings; sys.exit(any(m.startswith('pydantic') for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(SRC)}, timeout=30, check=False)
    assert done.returncode == 0


def test_every_section_is_a_member_of_the_whole() -> None:
    settings = Settings()
    assert all(isinstance(getattr(settings, name), values) for name, values in SECTIONS.items())
