"""Files that cannot be read, are no TOML or hold another key: each in words for a person."""

from pathlib import Path

import pytest

from core.model.errors import ConfigurationError, MasterKeyError
from core.settings_files import MASTER_KEY, find_file, read_key, read_toml


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.toml: No such file"):
        read_toml(tmp_path / "nothing.toml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Is a directory"):
        read_toml(tmp_path)


def test_a_path_that_cannot_exist_is_named() -> None:
    with pytest.raises(ConfigurationError, match="no possible path"):
        read_toml(Path("a\0b"))


def test_broken_toml_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("[server]\nport = x\n")
    with pytest.raises(ConfigurationError, match=r"a\.toml is not valid TOML: .*line 2"):
        read_toml(file)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        read_toml(file)


def test_what_is_too_large_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(ConfigurationError, match="larger than"):
        read_toml(file)


def test_an_empty_file_and_a_byte_order_mark_are_fine(tmp_path: Path) -> None:
    assert read_toml(Path("/dev/null")) == {}
    file = tmp_path / "a.toml"
    file.write_bytes(b"\xef\xbb\xbf[log]\n")
    assert read_toml(file) == {"log": {}}


def test_without_a_home_the_other_places_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.settings_files.SYSTEM_FOLDER", tmp_path / "etc")
    monkeypatch.chdir(tmp_path)
    assert find_file({}) is None


def test_no_master_key_is_an_empty_one() -> None:
    assert read_key({}, MASTER_KEY) == ""


def test_a_master_key_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("abc\n")
    assert read_key({"MEMTRACE_MASTER_KEY_FILE": str(file)}, MASTER_KEY) == "abc"
    assert (
        read_key({"MEMTRACE_MASTER_KEY_FILE": str(file), "MEMTRACE_MASTER_KEY": "abc"}, MASTER_KEY) == "abc"
    )


def test_two_different_master_keys_are_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sesame")
    environ = {"MEMTRACE_MASTER_KEY_FILE": str(file), "MEMTRACE_MASTER_KEY": "abracadabra"}
    with pytest.raises(MasterKeyError, match="different keys") as caught:
        read_key(environ, MASTER_KEY)
    assert "sesame" not in str(caught.value)
    assert "abracadabra" not in str(caught.value)


def test_an_empty_or_missing_key_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("\n")
    with pytest.raises(MasterKeyError, match="holds no master key"):
        read_key({"MEMTRACE_MASTER_KEY_FILE": str(tmp_path / "key")}, MASTER_KEY)
    with pytest.raises(MasterKeyError, match="No such file"):
        read_key({"MEMTRACE_MASTER_KEY_FILE": str(tmp_path / "nothing")}, MASTER_KEY)
