"""Files, variables and flags: which is stronger, what is refused, and what is told about it."""

import os
from pathlib import Path

import pytest

from core.model.errors import ConfigurationError, MasterKeyError
from core.settings import LegacyArc, Settings, every_setting
from core.settings_shown import text_of
from core.settings_source import load

NOTHING: dict[str, str] = {}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where no memtrace.toml lies about, nor does the machine have one."""
    monkeypatch.setattr("core.settings_files.SYSTEM_FOLDER", tmp_path / "etc")
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_without_any_source_the_defaults_hold() -> None:
    settings = load(environ=NOTHING)
    assert settings == Settings()
    assert settings.origin("server.port") == "default"
    assert settings.warnings == ()


def test_the_file_in_the_working_directory_comes_first(empty_folder: Path, tmp_path: Path) -> None:
    written(empty_folder / "memtrace.toml", "[server]\nport = 1")
    written(tmp_path / ".memtrace" / "memtrace.toml", "[server]\nport = 2")
    settings = load(environ={"HOME": str(tmp_path)})
    assert settings.server.port == 1
    assert settings.file == Path("memtrace.toml")
    assert settings.origin("server.port") == "memtrace.toml"


def test_the_file_in_the_home_folder_is_found(tmp_path: Path) -> None:
    file = written(tmp_path / ".memtrace" / "memtrace.toml", "[server]\nport = 2")
    settings = load(environ={"HOME": str(tmp_path)})
    assert (settings.server.port, settings.file) == (2, file)


def test_the_file_of_the_machine_comes_before_the_one_of_the_home_folder(tmp_path: Path) -> None:
    written(tmp_path / ".memtrace" / "memtrace.toml", "[server]\nport = 2")
    written(tmp_path / "etc" / "memtrace.toml", "[server]\nport = 5")
    assert load(environ={"HOME": str(tmp_path)}).server.port == 5


def test_a_named_file_is_read_instead(empty_folder: Path, tmp_path: Path) -> None:
    written(empty_folder / "memtrace.toml", "[server]\nport = 1")
    named = written(tmp_path / "a.toml", "[server]\nport = 3")
    assert load(named, NOTHING).server.port == 3
    assert load(environ={"MEMTRACE_CONFIG": str(named)}).server.port == 3


def test_the_flag_for_the_file_is_stronger_than_its_variable(tmp_path: Path) -> None:
    named = written(tmp_path / "a.toml", "[server]\nport = 3")
    assert load(named, {"MEMTRACE_CONFIG": "/nowhere.toml"}).server.port == 3


def test_a_variable_is_stronger_than_the_file_and_a_flag_than_both(tmp_path: Path) -> None:
    file = written(tmp_path / "a.toml", '[server]\nhost = "::1"\nport = 1\nread_timeout = 11')
    environ = {"MEMTRACE_SERVER_PORT": "2", "MEMTRACE_SERVER_HOST": "127.0.0.2"}
    settings = load(file, environ, {"server.port": 3})
    assert (settings.server.host, settings.server.port) == ("127.0.0.2", 3)
    assert settings.server.read_timeout == 11
    assert settings.origins == {
        "server.host": "MEMTRACE_SERVER_HOST",
        "server.port": "command line",
        "server.read_timeout": str(file),
    }


def test_every_setting_can_be_given_as_its_variable() -> None:
    environ = {one.variable: text_of(one.default) for one in every_setting()}
    settings = load(environ=environ)
    assert settings == Settings()
    given = {variable for variable, text in environ.items() if text}  # an empty one is as good as none
    assert {settings.origin(one.key) for one in every_setting()} - {"default"} == given


def test_the_process_environment_is_the_default_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMTRACE_SERVER_PORT", "4")
    monkeypatch.setenv("HOME", os.getcwd())
    assert load().server.port == 4


def test_an_empty_variable_is_as_good_as_none() -> None:
    settings = load(environ={"MEMTRACE_SERVER_PORT": "", "MEMTRACE_CONFIG": ""})
    assert settings.server.port == 9100
    assert settings.origin("server.port") == "default"


def test_lists_are_written_with_commas_in_variables() -> None:
    environ = {"MEMTRACE_SERVER_CORS_ORIGINS": "https://a.example, https://b.example,"}
    assert load(environ=environ).server.cors_origins == ("https://a.example", "https://b.example")


def test_choices_may_be_written_in_capitals() -> None:
    assert load(environ={"MEMTRACE_LOG_LEVEL": "WARN"}).log.level == "warn"


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("MEMTRACE_SERVER_PORT", "http", "server.port must be a whole number from 0 to 65535, not 'http'"),
        ("MEMTRACE_SERVER_PORT", "70000", "server.port must be a whole number from 0 to 65535, not 70000"),
        ("MEMTRACE_ARC_QUERY_TIMEOUT", "nan", "arc.query_timeout must be a number of seconds"),
        ("MEMTRACE_AUTH_ENABLED", "maybe", "auth.enabled must be true or false, not 'maybe'"),
        (
            "MEMTRACE_LOG_LEVEL",
            "loud",
            'log.level must be "debug" or "info" or "warn" or "error", not \'loud\'',
        ),
        ("MEMTRACE_SERVER_CORS_ORIGINS", "example.com", "server.cors_origins must hold"),
    ],
)
def test_a_bad_variable_is_refused_by_name(variable: str, value: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(environ={variable: value})
    assert caught.value.message.startswith(told)
    assert caught.value.message.endswith(f"({variable})")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("[server]\nport = true", "server.port must be a whole number"),
        ("[server]\nport = 1.5", "server.port must be a whole number"),
        ("[server]\nhost = 1", "server.host must be a text"),
        ("[server]\ncors_origins = [1]", "server.cors_origins must be a list of texts"),
        ("[server]\nread_timeout = [1]", "server.read_timeout must be a number of seconds"),
        ("[auth]\ndb_path = 7", "auth.db_path must be a path"),
        ("[server]\nread_timeout = true", "server.read_timeout must be a number"),
        ("[arc]\nurl = 7", "arc.url must be a text"),
    ],
)
def test_a_bad_value_in_the_file_is_refused_with_the_file(tmp_path: Path, line: str, told: str) -> None:
    file = written(tmp_path / "a.toml", line)
    with pytest.raises(ConfigurationError) as caught:
        load(file, NOTHING)
    assert caught.value.message.startswith(told)
    assert caught.value.message.endswith(f"({file})")


def test_values_that_clash_are_told_with_where_each_came_from() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(environ={"MEMTRACE_ARC_QUERY_TIMEOUT": "40"})
    assert caught.value.message == (
        "arc.query_timeout (40) must not exceed server.write_timeout (30)"
        " (arc.query_timeout: MEMTRACE_ARC_QUERY_TIMEOUT; server.write_timeout: default)"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[servr]\nport = 1", "has [servr], which is not a setting (did you mean server?)"),
        ("[server]\nprot = 1", "has server.prot, which is not a setting (did you mean port?)"),
        ("[zzzzzz]\na = 1", "has [zzzzzz], which is not a setting"),
        ("zzzzzz = 1", "has zzzzzz, which is not a setting"),
    ],
)
def test_what_the_file_may_not_hold_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path / "a.toml", text), NOTHING)
    assert caught.value.message.endswith(told)


def test_a_section_must_be_a_section(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"must be a section: \[server\]"):
        load(written(tmp_path / "a.toml", "server = 1"), NOTHING)


def test_an_unknown_variable_gets_a_warning() -> None:
    settings = load(environ={"MEMTRACE_SERVER_PRT": "1", "MEMTRACE_SERVER": "{}"})
    assert settings.warnings[0] == (
        "MEMTRACE_SERVER_PRT is not a setting (did you mean MEMTRACE_SERVER_PORT?)"
    )
    assert settings.server.port == 9100


def test_variables_of_clients_and_tests_get_no_warning() -> None:
    names = ["MEMTRACE_URL", "MEMTRACE_API_KEY", "MEMTRACE_TEST_ARC", "MEMTRACE_MASTER_KEY_SECRET_ARN"]
    assert load(environ=dict.fromkeys(names, "x")).warnings == ()


def test_the_old_arc_block_is_kept_apart(tmp_path: Path) -> None:
    text = '[arc]\nurl = "https://arc.example"\napi_key = "k"\ndatabase = "d"\nquery_timeout = 20'
    settings = load(written(tmp_path / "a.toml", text), {"MEMTRACE_ARC_MEASUREMENT": "m"})
    assert settings.legacy_arc == LegacyArc(
        url="https://arc.example", api_key="k", database="d", measurement="m"
    )
    assert settings.arc.query_timeout == 20
    assert settings.origin("arc.measurement") == "MEMTRACE_ARC_MEASUREMENT"


def test_an_old_arc_block_without_a_url_means_nothing(tmp_path: Path) -> None:
    text = '[arc]\nurl = ""\ndatabase = "d"'
    assert load(written(tmp_path / "a.toml", text), NOTHING).legacy_arc is None


def test_an_old_arc_block_may_lack_what_nobody_will_need(tmp_path: Path) -> None:
    """It is ignored where anybody is bound."""
    settings = load(written(tmp_path / "a.toml", '[arc]\nurl = "https://arc.example"'), NOTHING)
    assert settings.legacy_arc == LegacyArc(url="https://arc.example")


def test_the_master_key_comes_with_the_settings() -> None:
    assert load(environ={"MEMTRACE_MASTER_KEY": " abc "}).master_key == "abc"


def test_a_master_key_error_stays_one(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyError):
        load(environ={"MEMTRACE_MASTER_KEY_FILE": str(tmp_path / "nothing")})
