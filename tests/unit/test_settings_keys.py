"""Where the master key comes from."""

import base64
from pathlib import Path

import pytest

from core import settings_environ, settings_source
from core.model.errors import ConfigurationError, MasterKeyError
from core.settings_keys import MasterSecret, master_keys
from core.settings_shown import shown

PREVIOUS = "MEMTRACE_MASTER_KEY_PREVIOUS"
ARN = "arn:aws:secretsmanager:eu-central-1:1:secret:memtrace-abc"
SECRET = "MEMTRACE_MASTER_KEY_SECRET"
KEY = base64.b64encode(bytes(32)).decode()


def test_nothing_given_is_no_key_at_all() -> None:
    assert master_keys({}) == {"master_key": "", "previous_master_key": "", "master_secret": None}


def test_the_previous_key_is_read_as_the_current_one_is(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old\n")
    assert master_keys({PREVIOUS: " old "})["previous_master_key"] == "old"
    assert master_keys({f"{PREVIOUS}_FILE": str(file)})["previous_master_key"] == "old"
    with pytest.raises(MasterKeyError, match=f"{PREVIOUS} and the file") as caught:
        master_keys({f"{PREVIOUS}_FILE": str(file), PREVIOUS: "sesame"})
    assert "sesame" not in str(caught.value)


def test_a_secret_has_a_field_and_an_age() -> None:
    given = {f"{SECRET}_ARN": f" {ARN} ", f"{SECRET}_FIELD": "key", f"{SECRET}_MAX_AGE": "60"}
    assert master_keys(given)["master_secret"] == MasterSecret(arn=ARN, field="key", max_age=60)
    assert master_keys({f"{SECRET}_ARN": ARN})["master_secret"] == MasterSecret(arn=ARN, max_age=3600)


def test_field_and_age_without_a_secret_mean_nothing() -> None:
    assert master_keys({f"{SECRET}_FIELD": "x", f"{SECRET}_MAX_AGE": "x"})["master_secret"] is None


@pytest.mark.parametrize("age", ["59", "86401", "-60", "1e3", "an hour", "60.5", "٦٠", "9" * 5000])
def test_an_age_out_of_its_range_is_refused(age: str) -> None:
    with pytest.raises(ConfigurationError, match="from 60 to 86400"):
        master_keys({f"{SECRET}_ARN": ARN, f"{SECRET}_MAX_AGE": age})


def test_both_readers_of_settings_know_them() -> None:
    given = {"MEMTRACE_MASTER_KEY": KEY, PREVIOUS: "old", f"{SECRET}_ARN": ARN, "HOME": "/nonexistent"}
    for settings in (settings_environ.load(given), settings_source.load(environ=given)):
        assert (settings.master_key, settings.previous_master_key) == (KEY, "old")
        assert settings.master_secret == MasterSecret(arn=ARN)
        assert settings.warnings == ()
        assert KEY not in repr(settings)


def test_what_is_shown_masks_the_keys_and_names_the_secret() -> None:
    given = {"MEMTRACE_MASTER_KEY": "sesame", PREVIOUS: "sesame", f"{SECRET}_ARN": ARN}
    lines = [(one.key, one.value) for one in shown(settings_environ.load(given))]
    assert lines[-3:] == [("master_key", "****"), ("previous_master_key", "****"), ("master_key", ARN)]
