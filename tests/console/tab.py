"""A tab of the browser, with what a test wants to know of it."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, expect

from tests.console.site import Site

PATIENCE: Final = 30_000
"""Milliseconds."""
expect.set_options(timeout=PATIENCE)
_EXPECTED: Final = re.compile(r"Failed to load resource")
"""Chromium's own line for every answer that is an error; pages cannot keep it from writing it."""


@dataclass
class Tab:
    """Also records whom it asked and what it complained of."""

    page: Page
    site: Site
    asked: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @classmethod
    @contextlib.contextmanager
    def opened(cls, browser: Browser, site: Site, **options: Any) -> Iterator["Tab"]:
        given = {"viewport": {"width": 1200, "height": 900}, "reduced_motion": "reduce", **options}
        context = browser.new_context(**given)
        context.set_default_timeout(PATIENCE)
        tab = cls(context.new_page(), site)
        tab._watch(context)
        try:
            yield tab
        finally:
            tab.page.unroute_all(behavior="ignoreErrors")  # what a route is about to answer, nobody waits for
            context.close()

    def _watch(self, context: BrowserContext) -> None:
        context.on("request", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._hear)

    def _note(self, request: Request) -> None:
        self.asked.append(request)

    def _hear(self, line: ConsoleMessage) -> None:
        if line.type == "error" and not _EXPECTED.match(line.text):
            self.complaints.append(line.text)

    def check(self) -> None:
        """It asked no other host, never named the key in an address, and broke no rule of its policy."""
        origins = {"/".join(request.url.split("/")[:3]) for request in self.asked}
        assert origins <= {self.site.url}
        assert not [request.url for request in self.asked if "mtk_" in request.url]
        assert self.complaints == []
        assert self.page.evaluate("window.hacked") is None

    def go(self, place: str = "") -> None:
        self.page.goto(f"{self.site.url}/console{f'#/{place}' if place else ''}")

    def sign_in(self, place: str = "", key: str = "") -> "Tab":
        """Through the door, then to a place."""
        self.go(place)
        self.key_field.fill(key or self.site.key)
        self.key_field.press("Enter")
        expect(self.page.get_by_role("heading", level=1)).not_to_have_text("What do your agents remember?")
        return self

    @property
    def key_field(self) -> Locator:
        return self.page.get_by_label("API key", exact=True)

    @property
    def memories(self) -> Locator:
        return self.page.locator("li.memory")

    @property
    def contents(self) -> list[str]:
        return self.page.locator("li.memory a.content").all_text_contents()

    @property
    def stored_key(self) -> str | None:
        found: str | None = self.page.evaluate("sessionStorage.getItem('memtrace.key')")
        return found

    def shows(self, count: int) -> None:
        expect(self.memories).to_have_count(count)

    def searches(self) -> int:
        return sum(request.url.endswith("/search") for request in self.asked)

    def answers(self, path: str, status: int, body: Any, **headers: str) -> None:
        """From now on the server seems to answer this there."""
        self.page.route(path, lambda route: route.fulfill(status=status, json=body, headers=headers))

    def look(self, state: Literal["hidden", "visible"]) -> None:
        """As if somebody switched to another tab, or back."""
        self.page.evaluate(
            """state => {
                Object.defineProperty(document, "hidden", { value: state === "hidden", configurable: true });
                document.dispatchEvent(new Event("visibilitychange"));
            }""",
            state,
        )

    @property
    def focused(self) -> str:
        """What has the focus, in words."""
        said: str = self.page.evaluate(
            """() => { const at = document.activeElement;
               return at.getAttribute("aria-label") || at.id || at.textContent.trim(); }"""
        )
        return said
