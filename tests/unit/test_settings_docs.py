"""The documents say what the code does."""

from dataclasses import replace

from core.settings import Settings, every_setting
from core.settings_source import load
from scripts import settings_docs

AGAIN = "run `python scripts/settings_docs.py`"


def test_the_page_has_every_setting_as_the_code_has_it() -> None:
    assert settings_docs.PAGE.read_text() == settings_docs.page(), AGAIN


def test_the_example_file_has_every_setting_as_the_code_has_it() -> None:
    assert settings_docs.EXAMPLE.read_text() == settings_docs.example(), AGAIN


def test_the_example_file_changes_nothing() -> None:
    settings = load(settings_docs.EXAMPLE, {})
    assert replace(settings, file=None) == Settings()
    assert set(settings.origins) == {one.key for one in every_setting()}
