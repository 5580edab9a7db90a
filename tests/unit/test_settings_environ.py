"""Settings from the environment alone: the same values and the same errors as from all sources."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import settings_environ, settings_source
from core.model.errors import ConfigurationError, MemtraceError
from core.settings import Settings, every_setting
from core.settings_shown import text_of

VARIABLES = sorted(one.variable for one in every_setting())
DEFAULTS = {one.variable: text_of(one.default) for one in every_setting()}
MASTER_KEY = "bWVtdHJhY2UgdGVzdHMgdXNlIHRoaXMgb25lIGtleSE="
SPELLINGS = (
    *("1_000", "+12", " 7 ", "10.0", "10.", "1e2", "1E2", "nan", "inf", "-inf", "Infinity", "0x10", "3"),
    *("٣", "1__0", "_1", "1_", ".5", "5.", "1_0.5", "1e1_0", "- 1", "1 0", "007", "+", "1.0_0", "+.5"),
    *("1\n", "\t2", "1\xa0", "½", "0b1", "1,000", "1e", "e1", ".", "-0", "+-1", "9" * 5_000, "1" + "0" * 400),
    *("true", "FALSE", "Yes", "off", "T", "n", "0", "1", " true", "maybe", "WARN", "debug", "gzip", "AUTO"),
    *("dynamodb", "extra", "https,http", "ftp", ",", "a, b,,", "*", "https://a.example", "x/", "data/x.db"),
    *("/", "https://sqs.example/1/q", "10.0.0.0/8,loopback", "accepted", "[1]", "{}", "null", '"a"', " "),
)
KINDS = (
    "SERVER_PORT",
    "DEDUP_WINDOW_HOURS",
    "AUTH_ENABLED",
    "AUTH_DB_PATH",
    "LOG_LEVEL",
    "SERVER_CORS_ORIGINS",
)
NUMBERS = st.one_of(st.integers(-10, 10**9).map(str), st.floats(0.01, 1e6).map(str))
WORDS = st.sampled_from(SPELLINGS)
TEXTS = st.one_of(NUMBERS, WORDS, st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
EXTRA = st.sampled_from(
    [
        "MEMTRACE_ARC_URL",
        "MEMTRACE_ARC_DATABASE",
        "MEMTRACE_ARC_API_KEY",
        "MEMTRACE_SERVER_PROT",
        "MEMTRACE_URL",
        "MEMTRACE_MASTER_KEY",
        "MEMTRACE_SERVER",
        "MEMTRACE_",
        "OTHER",
        "memtrace_server_port",
    ]
)
ENVIRONMENTS = st.dictionaries(st.one_of(st.sampled_from(VARIABLES), EXTRA), TEXTS, max_size=6)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no memtrace.toml lies about, nor does the machine have one."""
    monkeypatch.setattr("core.settings_files.SYSTEM_FOLDER", tmp_path / "etc")
    monkeypatch.chdir(tmp_path)


def outcome(load: object, environ: dict[str, str]) -> object:
    """The settings with all that equality leaves out, or the error in all its words."""
    try:
        settings = load(environ=environ)  # type: ignore[operator]
    except MemtraceError as e:
        return type(e), e.message, e.hint
    return settings, settings.origins, settings.warnings


def check(environ: dict[str, str]) -> None:
    assert outcome(settings_environ.load, environ) == outcome(settings_source.load, environ)


@given(ENVIRONMENTS)
def test_any_environment_means_the_same_to_both(environ: dict[str, str]) -> None:
    check(environ)


@given(st.sampled_from(VARIABLES), TEXTS)
def test_any_text_in_one_variable_means_the_same_to_both(variable: str, text: str) -> None:
    check({variable: text})


@pytest.mark.parametrize("variable", [*KINDS, "QUEUE_URL"])
def test_every_way_to_write_a_value_means_the_same_to_both(variable: str) -> None:
    for text in SPELLINGS:
        check({f"MEMTRACE_{variable}": text})


def test_all_defaults_written_out_mean_the_same_to_both() -> None:
    check(DEFAULTS)


def test_without_variables_the_defaults_hold() -> None:
    assert settings_environ.load({}) == Settings()


def test_the_process_environment_is_the_default_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMTRACE_SERVER_PORT", "4")
    assert settings_environ.load().server.port == 4


def test_the_master_key_is_taken_along() -> None:
    assert settings_environ.load({"MEMTRACE_MASTER_KEY": MASTER_KEY}).master_key == MASTER_KEY


def test_a_master_key_in_two_places_that_differ_is_refused_by_both(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("other")
    check({"MEMTRACE_MASTER_KEY": MASTER_KEY, "MEMTRACE_MASTER_KEY_FILE": str(tmp_path / "key")})


def test_a_named_file_is_refused_rather_than_passed_over() -> None:
    with pytest.raises(ConfigurationError, match="MEMTRACE_CONFIG names a file"):
        settings_environ.load({"MEMTRACE_CONFIG": "/etc/memtrace/memtrace.toml"})
