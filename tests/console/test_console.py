"""What people see and do: signing in, filtering, reading, and what happens when things go wrong."""

import re
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.console import looks
from tests.console.site import CRAWLS, HOSTILE, WHY, Site
from tests.console.tab import Tab

ALL: Final = CRAWLS + 4
"""Memories that the site begins with."""
PAGE: Final = 50
LIMITED: Final = {"error": "too many requests", "code": "rate_limited", "request_id": "req_1"}


# --- the key


def test_a_key_opens_the_timeline_and_stays_in_the_tab(tab: Tab) -> None:
    tab.sign_in()
    tab.shows(PAGE)
    assert tab.stored_key == tab.site.key
    assert tab.page.evaluate("localStorage.length") == 0
    assert tab.page.context.cookies() == []
    assert tab.site.key not in tab.page.content()
    tab.page.reload()
    tab.shows(PAGE)


def test_a_wrong_key_is_told_and_can_be_corrected(tab: Tab) -> None:
    tab.go()
    tab.key_field.fill("mtk_wrong")
    tab.key_field.press("Enter")
    expect(tab.page.get_by_role("alert")).to_contain_text("Invalid API key")
    expect(tab.page.get_by_role("alert")).to_contain_text("memtrace key list")
    assert tab.stored_key is None
    expect(tab.key_field).to_be_focused()
    tab.key_field.fill(tab.site.key)
    tab.page.get_by_role("button", name="Sign in").click()
    tab.shows(PAGE)


def test_signing_out_forgets_the_key_and_the_place(tab: Tab) -> None:
    tab.sign_in("agents")
    tab.page.get_by_role("button", name="Sign out").click()
    expect(tab.key_field).to_be_focused()
    assert tab.stored_key is None
    assert "#" not in tab.page.url
    tab.page.reload()
    expect(tab.key_field).to_be_visible()


def test_a_key_that_is_revoked_meanwhile_leads_to_the_door(tab: Tab) -> None:
    tab.sign_in()
    tab.answers("**/api/v1/agents*", 401, {"error": "invalid API key", "code": "unauthenticated"})
    tab.page.get_by_role("link", name="Agents").click()
    expect(tab.page.get_by_role("alert")).to_contain_text("Invalid API key")
    expect(tab.key_field).to_be_visible()
    assert tab.stored_key is None


def test_a_key_that_may_only_write_is_told_what_it_lacks(tab: Tab) -> None:
    tab.go()
    tab.key_field.fill(tab.site.writer_key)
    tab.key_field.press("Enter")
    expect(tab.page.get_by_role("alert")).to_contain_text("lacks the permission read")
    assert tab.stored_key is None


def test_the_key_shows_only_when_asked(tab: Tab) -> None:
    tab.go()
    expect(tab.key_field).to_have_attribute("type", "password")
    tab.page.get_by_role("button", name="Show the key").click()
    expect(tab.key_field).to_have_attribute("type", "text")


def test_what_no_header_can_carry_is_a_wrong_key_too(tab: Tab) -> None:
    tab.go()
    tab.key_field.fill("mtk_…")
    tab.key_field.press("Enter")
    expect(tab.page.get_by_role("alert")).to_contain_text("This key does not open anything")


def test_a_server_that_wants_no_key_opens_by_itself(tab: Tab) -> None:
    def unasked(route: Route) -> None:
        headers = route.request.headers
        assert "x-api-key" not in headers
        route.fulfill(response=route.fetch(headers={**headers, "x-api-key": tab.site.key}))

    def opened(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("<body>", "<body data-open>"))

    tab.page.route("**/api/v1/**", unasked)
    tab.page.route("**/console", opened)
    tab.go("agents")
    expect(tab.page.get_by_role("heading", name="Agents", level=1)).to_be_visible()
    expect(tab.page.get_by_role("row").filter(has_text="crawler")).to_be_visible()
    expect(tab.page.get_by_role("button", name="Sign out")).to_have_count(0)
    assert tab.stored_key is None


def test_a_proxy_that_knows_people_by_a_cookie_gets_it(tab: Tab) -> None:
    tab.page.context.add_cookies([{"name": "proxy", "value": "me", "url": tab.site.url}])
    tab.sign_in()
    tab.shows(PAGE)
    asked = [request for request in tab.asked if "/api/v1/" in request.url]
    assert {request.header_value("cookie") for request in asked} == {"proxy=me"}


# --- the timeline


def test_results_follow_what_is_typed(tab: Tab) -> None:
    tab.sign_in()
    form = tab.page.get_by_role("search")
    for field, value, count in (
        ("Search the contents", "Crawled page 7:", 1),
        ("Search the contents", "100%_", 1),
        ("Agent", "support", 2),
        ("Event type", "error", 1),
        ("Event type", "error, decision", 2),
        ("Tags", "shop,page-5", 1),
    ):
        tab.shows(PAGE)
        form.get_by_label(field, exact=True).press_sequentially(value)
        tab.shows(count)
        form.get_by_role("button", name="Clear filters").click()


def test_typing_asks_once_it_pauses(tab: Tab) -> None:
    tab.sign_in()
    tab.shows(PAGE)
    before = tab.searches()
    tab.page.get_by_label("Search the contents").press_sequentially("Crawled page 7:", delay=5)
    tab.shows(1)
    assert tab.searches() - before <= 3


def test_filters_stand_in_the_address_and_come_back_with_it(tab: Tab) -> None:
    tab.sign_in()
    tab.page.get_by_label("decision", exact=True).check()
    tab.page.get_by_label("Session", exact=True).fill(tab.site.session)
    tab.shows(1)
    expect(tab.page).to_have_url(re.compile(rf"#/timeline\?session={tab.site.session}&types=decision$"))
    tab.page.reload()
    tab.shows(1)
    tab.page.get_by_role("button", name="Clear filters").click()
    tab.shows(PAGE)
    expect(tab.page).to_have_url(re.compile("#/timeline$"))
    assert tab.focused == "Search the contents"


def test_a_filter_that_cannot_be_is_told_in_the_words_of_the_api(tab: Tab) -> None:
    tab.sign_in("timeline?agent=my agent")
    expect(tab.page.get_by_role("alert")).to_contain_text("That cannot be looked for")
    expect(tab.page.get_by_role("alert")).to_contain_text("agent_id must be a letter")


def test_a_time_range_is_a_filter_too(tab: Tab) -> None:
    tab.sign_in()
    tab.page.get_by_label("Time", exact=True).select_option("Between…")
    tab.page.get_by_label("Until").fill("2020-01-01T00:00")
    expect(tab.page.get_by_role("heading", name="No memory matches")).to_be_visible()
    tab.page.get_by_label("Until").fill("")
    tab.page.get_by_label("Time", exact=True).select_option("Last hour")
    tab.shows(PAGE)


def test_all_pages_together_are_every_memory_once(tab: Tab) -> None:
    tab.sign_in("timeline?agent=crawler")
    tab.shows(PAGE)
    tab.page.get_by_role("button", name="Show older memories").click()
    expect(tab.page.get_by_text("That is all.")).to_be_visible()
    expected = tab.site.get("/memories", agent_id="crawler", limit=1_000)["memories"]
    assert tab.contents == [memory["content"] for memory in expected]


def test_new_memories_come_by_themselves_and_only_to_an_eye_that_looks(tab: Tab) -> None:
    tab.page.clock.install()
    tab.sign_in("timeline?agent=live")
    expect(tab.page.get_by_role("heading", name="No memory matches")).to_be_visible()
    tab.site.remember("came by itself", agent_id="live")
    tab.page.clock.fast_forward(4_100)
    tab.shows(1)
    expect(tab.page.locator("#said")).to_have_text("1 new memory")
    tab.look("hidden")
    tab.site.remember("came while nobody looked", agent_id="live")
    before = tab.searches()
    tab.page.clock.fast_forward(60_000)
    tab.page.evaluate("1")
    assert tab.searches() == before
    tab.look("visible")
    tab.page.clock.fast_forward(100)
    tab.shows(2)
    assert tab.contents[0] == "came while nobody looked"


def test_nothing_moves_under_somebody_who_reads(tab: Tab) -> None:
    tab.page.clock.install()
    tab.site.remember("first", agent_id="reader")
    tab.sign_in("timeline?agent=reader")
    tab.shows(1)
    tab.page.get_by_role("link", name="first").focus()
    tab.site.remember("second", agent_id="reader")
    tab.page.clock.fast_forward(4_100)
    arrived = tab.page.get_by_role("button", name="1 new memory")
    expect(arrived).to_be_visible()
    tab.shows(1)
    arrived.click()
    tab.shows(2)
    expect(arrived).to_be_hidden()


def test_more_that_is_new_than_a_page_holds_leaves_no_gap(tab: Tab) -> None:
    tab.page.clock.install()
    tab.site.remember("before", agent_id="flood")
    tab.sign_in("timeline?agent=flood")
    tab.shows(1)
    memories = [{"agent_id": "flood", "content": f"drop {n}"} for n in range(PAGE + 5)]
    tab.site.client.post("/memories", json={"memories": memories}).raise_for_status()
    tab.page.clock.run_for(4_100)
    tab.shows(PAGE)
    expect(tab.page.get_by_text("50 memories shown, there are more")).to_be_visible()
    tab.page.get_by_role("button", name="Show older memories").click()
    tab.shows(PAGE + 6)
    assert tab.contents[-1] == "before"


def test_more_that_is_new_than_a_page_holds_is_not_counted_as_a_page(tab: Tab) -> None:
    tab.page.clock.install()
    tab.site.remember("held", agent_id="held")
    tab.sign_in("timeline?agent=held")
    tab.page.get_by_role("link", name="held").last.focus()
    memories = [{"agent_id": "held", "content": f"more {n}"} for n in range(PAGE + 5)]
    tab.site.client.post("/memories", json={"memories": memories}).raise_for_status()
    tab.page.clock.run_for(4_100)
    expect(tab.page.get_by_role("button", name="More than 50 new memories")).to_be_visible()


def test_a_list_that_has_grown_long_begins_anew_and_stays_live(tab: Tab) -> None:
    tab.page.clock.install()
    memory = tab.site.remember("for long", agent_id="wall")
    many = [{**memory, "id": f"mem_{n}"} for n in range(1_000)]
    tab.answers("**/api/v1/search", 200, {"results": many, "count": 1_000, "has_more": False})
    tab.sign_in("timeline?agent=wall")
    tab.shows(1_000)
    tab.page.unroute("**/api/v1/search")
    tab.site.remember("and on", agent_id="wall")
    tab.page.clock.run_for(4_100)
    tab.shows(2)
    tab.site.remember("and on and on", agent_id="wall")
    tab.page.clock.run_for(4_100)
    tab.shows(3)


def test_at_midnight_today_becomes_yesterday(browser: Browser, site: Site) -> None:
    memory = site.remember("before midnight", agent_id="night")
    with Tab.opened(browser, site, timezone_id="UTC") as tab:
        tab.page.clock.install(time=f"{memory['time'][:10]}T23:59:50Z")
        tab.sign_in("timeline?agent=night")
        expect(tab.page.get_by_role("heading", name="Today")).to_be_visible()
        tab.page.clock.run_for(40_000)
        expect(tab.page.get_by_role("heading", name="Yesterday")).to_be_visible()


def test_what_is_not_live_asks_no_more(tab: Tab) -> None:
    tab.page.clock.install()
    tab.sign_in()
    tab.shows(PAGE)
    tab.page.get_by_role("button", name="Live").click()
    before = tab.searches()
    tab.page.clock.fast_forward(60_000)
    tab.page.evaluate("1")
    assert tab.searches() == before


def test_live_says_when_it_cannot_look_and_recovers(tab: Tab) -> None:
    tab.page.clock.install()
    tab.sign_in("timeline?agent=crawler")
    tab.shows(PAGE)
    tab.answers("**/api/v1/search", 503, {"error": "too busy", "code": "overloaded"}, **{"retry-after": "9"})
    tab.page.clock.run_for(4_100)
    expect(tab.page.get_by_role("button", name="Trying again…")).to_be_visible()
    tab.shows(PAGE)
    before = tab.searches()
    tab.page.clock.run_for(8_000)
    tab.page.evaluate("1")
    assert tab.searches() == before, "not before `Retry-After`"
    tab.look("hidden")
    tab.look("visible")
    tab.page.clock.run_for(100)
    tab.page.evaluate("1")
    assert tab.searches() == before, "nor for those who look away and back"
    tab.page.unroute("**/api/v1/search")
    tab.page.clock.run_for(2_000)
    expect(tab.page.get_by_role("button", name="Live")).to_be_visible()


# --- a memory, a session, the agents, the journal


def test_a_memory_opens_beside_the_list_and_gives_the_focus_back(tab: Tab) -> None:
    tab.sign_in("timeline?types=decision")
    link = tab.page.get_by_role("link", name="Skip pagination")
    link.focus()
    tab.page.keyboard.press("Enter")
    sheet = tab.page.get_by_role("dialog", name="Memory")
    expect(sheet).to_contain_text("Skip pagination: only 2 pages deep")
    expect(sheet).to_contain_text("0.9")
    expect(sheet.get_by_label("Metadata")).to_contain_text("window.hacked")
    expect(sheet.get_by_role("link", name=tab.site.session)).to_be_visible()
    tab.page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    expect(link).to_be_focused()


def test_a_memory_shows_every_digit(tab: Tab) -> None:
    tab.site.remember("exact", agent_id="exact", metadata={"order": 12345678901234567890})
    tab.sign_in("timeline?agent=exact")
    tab.page.get_by_role("link", name="exact").last.click()
    sheet = tab.page.get_by_role("dialog", name="Memory")
    expect(sheet.get_by_label("Metadata")).to_contain_text('"order": 12345678901234567890')


def test_a_link_in_a_memory_to_what_is_behind_it_closes_it(tab: Tab) -> None:
    tab.sign_in(f"session/{tab.site.session}")
    tab.page.get_by_role("link", name="Skip pagination").click()
    sheet = tab.page.get_by_role("dialog", name="Memory")
    sheet.get_by_role("link", name=tab.site.session).click()
    expect(sheet).to_have_count(0)


def test_no_memory_stays_open_before_the_door(tab: Tab) -> None:
    tab.page.clock.install()
    tab.sign_in("timeline?types=decision")
    tab.page.get_by_role("link", name="Skip pagination").click()
    tab.answers("**/api/v1/search", 401, {"error": "invalid API key", "code": "unauthenticated"})
    tab.page.clock.run_for(4_100)
    expect(tab.key_field).to_be_focused()
    expect(tab.page.get_by_role("dialog")).to_have_count(0)


def test_a_memory_has_an_address_of_its_own(tab: Tab) -> None:
    memory = tab.site.get("/memories", event_type="error")["memories"][0]
    tab.sign_in(f"memory/{memory['id']}")
    expect(tab.page.get_by_label("Content", exact=True)).to_have_text(memory["content"])
    tab.go("memory/mem_none")
    expect(tab.page.get_by_role("alert")).to_contain_text("Memory not found")


def test_a_sessions_story_goes_from_the_first_memory_on(tab: Tab) -> None:
    tab.sign_in(f"session/{tab.site.session}")
    tab.shows(CRAWLS + 2)
    listed = tab.site.get(f"/sessions/{tab.site.session}/memories", order="asc", limit=100)["memories"]
    assert tab.contents == [memory["content"] for memory in listed]
    expect(tab.page.locator(".about-session")).to_contain_text("active")
    expect(tab.page.locator(".about-session")).to_contain_text(HOSTILE)


def test_metadata_without_end_leaves_the_story_in_sight_and_scrolls_by_keyboard(tab: Tab) -> None:
    opened = tab.site.client.post(
        "/sessions", json={"agent_id": "poet", "metadata": {"poem": "line " * 4_000}}
    )
    session = opened.json()["id"]
    tab.sign_in(f"session/{session}")
    told = tab.page.get_by_role("group", name="Metadata")
    told.focus()
    tab.page.keyboard.press("End")
    tab.page.wait_for_function("() => document.activeElement.scrollTop > 0")
    expect(tab.page.get_by_role("heading", name="Nothing was remembered")).to_be_in_viewport()
    tab.go("sessions")
    card = tab.page.locator(".card").filter(has_text=session)
    expect(card).to_be_visible()
    box = card.bounding_box()
    assert box is not None
    assert box["height"] < 150


def test_a_story_goes_on_while_one_reads_it_and_so_does_its_preview(tab: Tab) -> None:
    tab.page.clock.install()
    tab.sign_in("session/sess_going_on")
    expect(tab.page.get_by_role("heading", name="Nothing was remembered")).to_be_visible()
    for number, content in enumerate(("It began", "and went on"), start=1):
        tab.site.remember(content, session_id="sess_going_on")
        tab.page.clock.run_for(4_100)
        tab.shows(number)
        expect(tab.page.get_by_label("Context", exact=True)).to_contain_text(content)
    assert tab.contents == ["It began", "and went on"]


def test_a_story_goes_on_after_more_at_once_than_a_page_holds(tab: Tab) -> None:
    tab.page.clock.install()
    memories = [
        {"agent_id": "burst", "session_id": "sess_burst", "content": f"burst {n}"} for n in range(101)
    ]
    tab.site.client.post("/memories", json={"memories": memories}).raise_for_status()
    tab.sign_in("session/sess_burst")
    tab.page.get_by_role("button", name="Read on").press("Enter")
    tab.shows(101)
    row = tab.page.locator("li.memory").filter(has=tab.page.locator("a:focus"))
    expect(row.locator("a.content")).to_have_text("burst 100")
    tab.site.remember("afterwards", session_id="sess_burst")
    tab.page.clock.run_for(4_100)
    tab.shows(102)


def test_the_preview_is_what_the_api_tells_a_model_under_a_budget_that_one_moves(tab: Tab) -> None:
    tab.sign_in(f"session/{tab.site.session}")
    preview = tab.page.get_by_label("Context for a model")
    path = f"/sessions/{tab.site.session}/context"

    def told(**body: Any) -> Any:
        return tab.site.client.post(path, json=body).json()

    whole = told()
    expect(preview.locator("pre")).to_have_text(whole["context"])
    expect(preview).to_contain_text(f"{whole['tokens']:,} tokens · {whole['memory_count']} memories shown")
    slider = preview.get_by_label("Budget", exact=True)
    slider.fill("3")
    expect(slider).to_have_attribute("aria-valuetext", "200 tokens")
    small = told(max_tokens=200)
    assert small["tokens"] <= 200
    expect(preview.locator("pre")).to_have_text(small["context"])
    expect(preview).to_contain_text(f"{small['omitted']} left out")
    preview.get_by_label("episodic").uncheck()
    expect(preview.locator("pre")).to_have_text(
        told(max_tokens=200, include_types=["decision", "entity", "session"])["context"]
    )


def test_sessions_are_listed_and_any_other_opens_by_its_id(tab: Tab) -> None:
    tab.sign_in("sessions")
    expect(tab.page.get_by_role("link", name=tab.site.session)).to_be_visible()
    tab.page.get_by_label("Status").select_option("Closed")
    expect(tab.page.get_by_role("heading", name="No registered session")).to_be_visible()
    tab.page.get_by_label("Open any session").fill("sess_unknown")
    tab.page.get_by_role("button", name="Open").click()
    expect(tab.page.get_by_text("Not registered")).to_be_visible()
    expect(tab.page.get_by_role("heading", name="Nothing was remembered")).to_be_visible()


def test_agents_show_what_they_did_the_unregistered_too(tab: Tab) -> None:
    tab.sign_in("agents")
    for name in ("crawler", "idle", "support"):
        stats = tab.site.get(f"/agents/{name}/stats")
        row = tab.page.get_by_role("row").filter(has=tab.page.get_by_role("link", name=name, exact=True))
        cells = [str(stats[one]) for one in ("memory_count", "memories_24h", "errors_24h")]
        for position, value in enumerate(cells):
            expect(row.get_by_role("cell").nth(position)).to_have_text(value)
    expect(tab.page.get_by_role("row").filter(has_text="not registered")).to_contain_text(["support"])
    tab.page.get_by_role("link", name="crawler", exact=True).click()
    expect(tab.page.get_by_role("heading", name="crawler", level=1)).to_be_visible()
    expect(tab.page.locator(".tile").first).to_have_text(f"{CRAWLS + 2}memories")
    tab.shows(PAGE)


def test_the_journal_says_what_is_owed_and_dead_and_why(tab: Tab) -> None:
    tab.sign_in("journal")
    counted = tab.site.get("/journal")
    assert counted["owed"] >= ALL - 1
    assert counted["dead"] == 1
    tile = tab.page.locator(".tile")
    expect(tile.filter(has_text="owed to the store")).to_contain_text(str(counted["owed"]))
    expect(tile.filter(has_text="dead").last).to_be_visible()
    letter = tab.page.locator(".letters > li")
    expect(letter).to_have_count(1)
    expect(letter.locator("strong")).to_have_text(WHY)
    expect(letter).to_contain_text("too wide for the store")


def test_agents_say_when_they_are_not_all(tab: Tab) -> None:
    newest = tab.site.get("/memories", agent_id="support", limit=1)["memories"]
    tab.answers("**/api/v1/search", 200, {"results": newest, "count": 1, "has_more": True})
    tab.sign_in("agents")
    expect(tab.page.get_by_text("Of agents that are not registered, those of the newest 500")).to_be_visible()


def test_agents_wait_for_their_numbers_where_the_server_asks_for_patience(tab: Tab) -> None:
    tab.page.clock.install()
    tab.answers("**/api/v1/agents/agent_*/stats", 429, LIMITED, **{"retry-after": "2"})
    tab.sign_in("agents")
    row = tab.page.get_by_role("row").filter(has=tab.page.get_by_role("link", name="crawler", exact=True))
    expect(row.get_by_role("cell").first).to_have_text("…")
    tab.page.unroute("**/api/v1/agents/agent_*/stats")
    tab.page.clock.run_for(2_100)
    expect(row.get_by_role("cell").first).to_have_text(str(CRAWLS + 2))


def test_an_agent_whose_name_is_no_id_has_no_timeline(tab: Tab) -> None:
    tab.site.client.post("/agents", json={"name": "Agent Smith"}).raise_for_status()
    tab.sign_in("agent/Agent%20Smith")
    expect(tab.page.locator(".tile").first).to_have_text("0memories")
    expect(tab.page.get_by_role("link", name="In the timeline")).to_have_count(0)


# --- hostile contents


def test_what_agents_wrote_is_shown_as_text_everywhere(tab: Tab) -> None:
    tab.sign_in()
    session = f"session/{tab.site.session}"
    for place in ("timeline?agent=support", session, "agents", "sessions", "journal", "agent/support"):
        tab.go(place)
        expect(tab.page.locator("#main")).to_contain_text("window.hacked=1")
        assert tab.page.locator("#main img, #main script, #main iframe").count() == 0, place
    tab.go("timeline?agent=support")
    tab.page.get_by_role("link", name="too wide for the store").click()
    expect(tab.page.get_by_role("dialog")).to_contain_text(HOSTILE)
    assert tab.page.locator("dialog img, dialog script").count() == 0


def test_a_long_content_is_begun_in_lists_and_whole_when_opened(tab: Tab) -> None:
    whole = "long " + "🙂" * 20_000
    tab.site.remember(whole, agent_id="novelist")
    tab.sign_in("timeline?agent=novelist")
    tab.shows(1)
    assert tab.contents[0].endswith("🙂…")
    assert len(tab.contents[0]) < 700
    tab.page.locator("a.content").click()
    expect(tab.page.get_by_role("dialog").get_by_label("Content", exact=True)).to_have_text(whole)


def test_an_address_cannot_inject_anything(tab: Tab) -> None:
    tab.sign_in("session/%3Cimg%20src%3Dx%20onerror%3D%22window.hacked%3D1%22%3E")
    expect(tab.page.get_by_role("heading", level=1)).to_have_text('<img src=x onerror="window.hacked=1">')


def test_dots_in_an_address_lead_nowhere_else(tab: Tab) -> None:
    tab.sign_in("session/%2E%2E")
    expect(tab.page.get_by_role("alert").first).to_contain_text("Nothing here")
    tab.shows(0)


# --- when things go wrong


def test_after_429_it_tries_again_when_it_may(tab: Tab) -> None:
    tab.page.clock.install()
    tab.answers("**/api/v1/search", 429, LIMITED, **{"retry-after": "7"})
    tab.sign_in()
    trouble = tab.page.get_by_role("alert")
    expect(trouble).to_contain_text("A little slower")
    expect(trouble).to_contain_text("Trying again in 7 s")
    tab.page.unroute("**/api/v1/search")
    tab.page.clock.run_for(7_100)
    tab.shows(PAGE)
    expect(trouble).to_have_count(0)


def test_without_a_store_it_says_who_can_help(tab: Tab) -> None:
    tab.sign_in(key=tab.site.unbound_key)
    expect(tab.page.get_by_role("alert")).to_contain_text("memtrace org add-arc")
    tab.page.get_by_role("link", name="Journal").click()
    expect(tab.page.get_by_text("No store is bound to this organization")).to_be_visible()


def test_when_the_network_is_gone_it_says_so_and_goes_on_afterwards(tab: Tab) -> None:
    tab.sign_in()
    tab.shows(PAGE)
    tab.page.context.set_offline(True)
    tab.page.get_by_label("Agent", exact=True).fill("support")
    expect(tab.page.get_by_role("alert")).to_contain_text("The server cannot be reached")
    tab.page.context.set_offline(False)
    tab.page.get_by_role("button", name="Try again").click()
    tab.shows(2)


def test_an_answer_that_is_cut_off_is_asked_for_again(tab: Tab) -> None:
    tab.sign_in("sessions")
    expect(tab.page.get_by_role("link", name=tab.site.session)).to_be_visible()
    tab.page.evaluate("""() => {
        const cut = new ReadableStream({ start: (body) => body.error(new TypeError("network error")) });
        const whole = window.fetch;
        window.fetch = async () => { window.fetch = whole; return new Response(cut); };
    }""")
    tab.page.get_by_label("Status").select_option("Active")
    expect(tab.page.get_by_role("alert")).to_contain_text("Trying again in")
    tab.page.get_by_role("button", name="Try again").click()
    expect(tab.page.get_by_role("link", name=tab.site.session)).to_be_visible()


def test_a_server_that_is_away_does_not_cost_the_key(tab: Tab) -> None:
    tab.sign_in()
    tab.answers("**/api/v1/me", 503, {"error": "shutting down", "code": "shutting_down"})
    tab.page.reload()
    expect(tab.page.get_by_role("alert")).to_contain_text("The service is busy or away")
    tab.page.unroute("**/api/v1/me")
    tab.page.get_by_role("button", name="Try again").click()
    tab.shows(PAGE)


def test_a_key_that_was_revoked_between_two_visits_is_forgotten(tab: Tab) -> None:
    tab.sign_in()
    tab.answers("**/api/v1/me", 401, {"error": "invalid API key", "code": "unauthenticated"})
    tab.page.reload()
    expect(tab.page.get_by_role("alert")).to_contain_text("Invalid API key")
    assert tab.stored_key is None


def test_a_store_that_is_away_is_told_once_for_each_part(tab: Tab) -> None:
    away = {"error": "The event store cannot be reached.", "code": "store_unreachable"}
    tab.answers("**/api/v1/agents/**", 502, away)
    tab.sign_in("agent/crawler")
    expect(tab.page.get_by_role("alert")).to_have_count(2)
    expect(tab.page.get_by_text("The event store cannot be reached.", exact=True)).to_have_count(2)


def test_a_fault_of_the_server_is_told_with_its_request(tab: Tab) -> None:
    tab.answers("**/api/v1/agents*", 500, {"error": "internal error", "code": "x", "request_id": "req_9"})
    tab.sign_in("agents")
    expect(tab.page.get_by_role("alert")).to_contain_text("Internal error.")
    expect(tab.page.get_by_role("alert")).to_contain_text("req_9")


# --- looks, keyboard, proxies

VIEWS: Final = ("timeline", "sessions", "session/{session}", "agents", "agent/crawler", "journal")


def settle(tab: Tab, view: str) -> None:
    """Goes there and waits until nothing loads any more."""
    tab.go(view.format(session=tab.site.session))
    tab.page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(browser: Browser, site: Site, scheme: Any) -> None:
    grounds = {"light": "rgb(248, 247, 244)", "dark": "rgb(21, 22, 20)"}
    with Tab.opened(browser, site, color_scheme=scheme) as tab:
        tab.go()
        assert tab.page.evaluate("getComputedStyle(document.body).backgroundColor") == grounds[scheme]
        assert min(looks.contrasts(tab.page)) >= (looks.ENOUGH, "")
        tab.sign_in()
        for view in VIEWS:
            settle(tab, view)
            assert min(looks.contrasts(tab.page)) >= (looks.ENOUGH, ""), view


def test_nothing_sticks_out_of_a_narrow_window_and_everything_has_a_name(
    browser: Browser, site: Site
) -> None:
    site.remember("wide", agent_id="a" * 128, event_type="E" * 64, session_id="s" * 128, tags=["T" * 64])
    with Tab.opened(browser, site, viewport={"width": 320, "height": 640}) as tab:
        tab.sign_in()
        for view in VIEWS:
            settle(tab, view)
            assert looks.overhang(tab.page) <= 0, view
            assert looks.unnamed(tab.page) == [], view
            expect(tab.page.get_by_role("heading", level=1)).to_have_count(1)
            for landmark in ("banner", "navigation", "main"):
                expect(tab.page.get_by_role(landmark)).to_have_count(1)


def test_it_can_be_used_by_keyboard_alone(tab: Tab) -> None:
    tab.go()
    keys = tab.page.keyboard
    keys.insert_text(tab.site.key)
    keys.press("Enter")
    tab.shows(PAGE)
    seen = []
    for _ in range(16):
        keys.press("Tab")
        seen.append(tab.focused)
        assert looks.focus_shows(tab.page), seen
    assert seen[:7] == [
        "Skip to the content", "Memtrace, timeline", "Timeline", "Sessions", "Agents", "Journal", "Sign out",
    ]  # fmt: skip
    keys.press("/")
    assert tab.focused == "Search the contents"
    keys.type("Skip pagination")
    tab.shows(1)
    tab.page.reload()
    tab.shows(1)
    keys.press("Tab")
    keys.press("Enter")
    expect(tab.page.locator("main")).to_be_focused()
    keys.press("Tab")
    assert tab.focused == "Live"
    tab.page.get_by_role("link", name="Agents").press("Enter")
    expect(tab.page.get_by_role("heading", name="Agents", level=1)).to_be_focused()


def test_it_works_below_a_path_of_a_reverse_proxy(tab: Tab) -> None:
    def hand_on(route: Route) -> None:
        route.fulfill(response=route.fetch(url=route.request.url.replace("/memtrace/", "/")))

    tab.page.route(f"{tab.site.url}/memtrace/**", hand_on)
    tab.page.goto(f"{tab.site.url}/memtrace/console")
    tab.key_field.fill(tab.site.key)
    tab.key_field.press("Enter")
    tab.shows(PAGE)
    assert {request.url.split("/")[3] for request in tab.asked} == {"memtrace"}


def test_a_slash_at_the_end_of_the_address_does_no_harm(tab: Tab) -> None:
    tab.page.goto(f"{tab.site.url}/console/")
    expect(tab.key_field).to_be_visible()
    assert tab.page.url == f"{tab.site.url}/console"
