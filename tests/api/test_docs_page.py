"""The page at /docs: everything is on it, it loads nothing, and one gets about in it without a mouse."""

from html.parser import HTMLParser
from typing import Any

from handlers.http.published import ASSETS
from handlers.http.routes import ROUTES
from scripts.openapi.markdown import html_of
from scripts.openapi.page import page_of
from tests.api.described import DOCUMENT, OPERATIONS
from tests.api.rig import Api

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Collects what the page refers to, its anchors, and what it says."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.references: set[str] = set()
        self.anchors: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.references |= {value or "" for name, value in attrs if name in ("src", "href")}
        self.anchors += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


SOURCE = (ASSETS / "docs.html").read_text()
PAGE = Page(SOURCE)


async def test_the_page_may_load_and_run_nothing(api: Api) -> None:
    answer = await api.as_("").get("/docs")
    assert answer.headers["content-security-policy"].startswith(
        "default-src 'none'; style-src 'unsafe-inline'"
    )
    outside = {one for one in PAGE.references if not one.startswith("#")}
    assert outside == {"openapi.json"}
    assert PAGE.tags & {"script", "img", "link", "iframe", "object", "form"} == set()
    assert not [name for name in PAGE.attributes if name.startswith("on")]
    assert "url(" not in SOURCE
    assert "@import" not in SOURCE


def test_every_operation_is_on_it_with_its_examples() -> None:
    for endpoint in ROUTES:
        operation = OPERATIONS[endpoint.method, endpoint.path]
        assert operation["operationId"] in PAGE.anchors
        assert f"{endpoint.method} {endpoint.path}" in PAGE.text
        assert operation["summary"].replace("`", "") in PAGE.text
    assert PAGE.text.count("curl ") >= len(ROUTES)


def test_every_schema_and_every_error_code_is_on_it() -> None:
    assert {f"schema-{name}" for name in DOCUMENT["components"]["schemas"]} <= set(PAGE.anchors)
    assert [code for code in DOCUMENT["components"]["examples"] if code not in PAGE.text] == []


def test_every_link_leads_to_an_anchor_that_there_is_once() -> None:
    assert len(set(PAGE.anchors)) == len(PAGE.anchors)
    assert {one[1:] for one in PAGE.references if one.startswith("#")} <= set(PAGE.anchors)


def test_it_is_for_light_and_dark_and_for_keyboards() -> None:
    assert "prefers-color-scheme: dark" in SOURCE
    assert ":focus-visible" in SOURCE
    assert SOURCE.index("class=skip") < SOURCE.index("<nav"), "the way past the list comes first"
    assert "outline: none" not in SOURCE.replace("main:focus { outline: none; }", "")


def test_what_is_described_cannot_become_html() -> None:
    evil = "<script>alert(1)</script>"

    def tainted(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: tainted(part, key) for key, part in value.items()}
        if isinstance(value, list):
            return [tainted(part) for part in value]
        return f"{value}{evil}" if name in ("summary", "description", "pattern") and value else value

    page = page_of(tainted(DOCUMENT))
    assert evil not in page
    assert page.count("&lt;script&gt;") > 100


def test_descriptions_may_have_paragraphs_lists_code_and_links() -> None:
    text = "**Keys** are `x<y`.\n\n- one\n- two,\n  still two\n\nSee [Error](#/components/schemas/Error)"
    assert html_of(text) == (
        "<p><strong>Keys</strong> are <code>x&lt;y</code>.</p><ul><li>one</li><li>two, still two</li></ul>"
        '<p>See <a href="#schema-Error">Error</a></p>'
    )
