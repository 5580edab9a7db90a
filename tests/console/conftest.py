"""One browser and one server for all tests of the console; each test has a profile of its own.

They end with the tests: a browser that is driven synchronously keeps other loops off its thread.
"""

import os
import shutil
from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.console.site import Site
from tests.console.tab import Tab

CHROMIUM: Final = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
_IS_CI: Final = os.environ.get("CI") == "true"
collect_ignore = [] if CHROMIUM or _IS_CI else ["test_console.py"]


def pytest_collection_modifyitems(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and collect_ignore:
        reporter.write_line("tests/console/test_console.py needs Chromium, or CHROMIUM=; not collected")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site.opened(tmp_path_factory.mktemp("console")) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "install Chromium (Debian: apt-get install chromium), or say where it is: CHROMIUM="
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def tab(browser: Browser, site: Site) -> Iterator[Tab]:
    """A tab at the door. In the end it must have asked nobody but the server, and broken no rule."""
    with Tab.opened(browser, site) as opened:
        yield opened
        opened.check()
