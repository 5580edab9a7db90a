"""The console as it is served: what browsers may keep, what the page may do, and how it is switched off.

What it does once it is open, `tests/console` tries in a browser.
"""

import re
from pathlib import Path
from typing import Final

import pytest

from core.bootstrap.server import open_services
from core.settings import AuthSettings, ServerSettings, Settings
from handlers.http.app import application, doors_of
from handlers.http.shelf import HOME
from tests.api.rig import MASTER_KEY, Answer, Api, assert_error
from tests.e2e.installation import ROOT

FILE: Final = re.compile(r'"(console/[0-9a-f]{16}/[\w.-]+)"')


def policy(answer: Answer) -> dict[str, str]:
    told = answer.headers["content-security-policy"].split(";")
    return dict(one.strip().partition(" ")[::2] for one in told)


async def links(api: Api) -> list[str]:
    """Paths of the files that the page names."""
    page = await api.as_("").get("/console")
    assert page.status == 200
    return [f"/{link}" for link in FILE.findall(page.content.decode())]


@pytest.mark.every_door
async def test_the_page_and_every_file_that_it_names_are_served_without_a_key(api: Api) -> None:
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    found = await links(api)
    assert len(found) >= 3
    for link in found:
        answer = await api.as_("").get(link)
        name = link.rpartition("/")[2]
        assert (answer.status, answer.content) == (200, (HOME / name).read_bytes()), link
        assert answer.headers["content-type"].startswith(kinds[name[name.rindex(".") :]])
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_every_module_that_another_one_imports_is_served(api: Api) -> None:
    home = (await links(api))[0].rpartition("/")[0]
    for path in HOME.glob("*.js"):
        for name in re.findall(r'from "\./([\w.-]+)"', path.read_text()):
            assert (await api.get(f"{home}/{name}")).status == 200, (path.name, name)


@pytest.mark.every_door
async def test_the_page_is_asked_for_anew_and_not_sent_twice(api: Api) -> None:
    page = await api.get("/console")
    assert page.headers["cache-control"] == "no-cache"
    tag = page.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}'):
        again = await api.send("GET", "/console", headers={"if-none-match": known})
        assert (again.status, again.content, again.headers["etag"]) == (304, b"", tag)
        assert "content-length" not in again.headers
        assert again.headers["content-type"] == page.headers["content-type"]
    assert (await api.send("GET", "/console", headers={"if-none-match": '"other"'})).status == 200


async def test_the_page_may_load_and_call_nothing_but_its_own_server(api: Api) -> None:
    rules = policy(await api.get("/console"))
    assert rules["default-src"] == "'none'"
    assert {rules[f"{what}-src"] for what in ("script", "style", "img", "connect")} == {"'self'"}
    assert {rules[what] for what in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert (rules["require-trusted-types-for"], rules["trusted-types"]) == ("'script'", "'none'")


def test_no_file_names_another_host_or_holds_inline_code() -> None:
    for path in HOME.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z0-9-]+\.[a-z]", text), path.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", text), (
            path.name
        )
    page = (HOME / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|style=", page)


def test_the_page_of_the_console_names_every_module() -> None:
    text = (ROOT / "docs/console.md").read_text()
    assert [path.stem for path in HOME.glob("*.js") if f"`{path.stem}`" not in text] == []


def test_modules_are_small_and_say_what_their_job_is() -> None:
    for path in HOME.glob("*.js"):
        text = path.read_text()
        assert text.startswith("// "), path.name
        assert len(text.splitlines()) <= 300, path.name
        assert max(map(len, text.splitlines())) <= 110, path.name


async def test_files_of_another_version_are_not_there(api: Api) -> None:
    link = (await links(api))[0]
    other = link.replace(link.split("/")[2], "0" * 16)
    answer = await api.get(other)
    assert "reload" in assert_error(answer, 404, "not_found")["hint"]
    assert "immutable" not in answer.headers.get("cache-control", "")


async def test_nothing_but_its_files_is_served(api: Api) -> None:
    home = (await links(api))[0].rpartition("/")[0]
    for name in ("index.html", "..%2fhttp%2froutes.py", "%2e%2e", "none.js", "Main.js"):
        assert_error(await api.get(f"{home}/{name}"), 404, "not_found")


@pytest.mark.every_door
async def test_a_slash_at_the_end_leads_to_the_page(api: Api) -> None:
    answer = await api.as_("").get("/console/")
    assert (answer.status, answer.headers["location"], answer.content) == (308, "../console", b"")


async def test_head_works_as_everywhere(api: Api) -> None:
    answer = await api.send("HEAD", "/console")
    assert (answer.status, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 0


async def test_only_a_server_that_wants_no_key_says_so_and_then_takes_anybody(
    api: Api, tmp_path: Path
) -> None:
    assert b"<body>" in (await api.get("/console")).content
    auth = AuthSettings(db_path=tmp_path / "open.db", enabled=False)
    settings = Settings(server=ServerSettings(), auth=auth, master_key=MASTER_KEY)
    async with open_services(settings) as services:
        await services.tenants.ensure_default_org()
        doors = doors_of(services)
        opened = Api(application(doors, settings), doors, services, settings, api.org, api.other).as_("")
        assert b"<body data-open>" in (await opened.get("/console")).content
        me = (await opened.get("/api/v1/me")).json
        assert (me["org_id"], me["key_name"]) == ("org_default", "")


@pytest.mark.every_door
async def test_it_can_be_switched_off(api: Api) -> None:
    link = (await links(api))[0]
    off = api.with_doors(console=None) if api.transport is None else api.with_server(console=False)
    for path in ("/console", "/console/", link):
        assert "server.console" in assert_error(await off.get(path), 404, "not_found")["hint"]
