// A session's story from its first memory on, and beside it what a model would be told of it.

import { part } from "./api.js";
import { contextPreview } from "./context.js";
import { el, fill, say } from "./dom.js";
import { MemoryList } from "./memories.js";
import { pages } from "./pages.js";
import { to } from "./places.js";
import { poll } from "./poll.js";
import { age, counted } from "./times.js";
import { empty } from "./trouble.js";

const PAGE = 100;
const MOST = 1_000;
const LOOK = 4_000;
const OVERLAP = 5_000; // as in the timeline

export function sessionView({ api }, { id }) {
  const about = el("div", { class: "about-session" });
  const list = new MemoryList(api, { ascending: true, without: ["session"] });
  const leaving = new AbortController();
  const preview = contextPreview(api, id);
  const path = `sessions/${part(id)}/memories`;
  let stop = () => {};

  const story = pages({
    list: list.node,
    async ask(cursor, signal) {
      stop();
      const page = await api.get(path, { order: "asc", limit: PAGE, cursor }, signal);
      if (!page.next_cursor) stop = poll(goOn, LOOK);
      return { items: page.memories, cursor: page.next_cursor };
    },
    add: (memories) => list.append(memories),
    clear: () => list.clear(),
    none: () => empty("Nothing was remembered in this session"),
    older: "Read on",
    end: "Here the story ends, so far.",
  });

  /** At its end the story goes on by itself. */
  async function goOn(signal) {
    const fresh = await news(signal);
    if (signal.aborted || !fresh.length) return;
    if (!list.size) fill(story.node);
    list.append(fresh, "fresh");
    preview.refresh();
    say(counted(fresh.length, "new memory", "new memories"));
  }

  /** A page of what is new; those before it may be many too, and are known. */
  async function news(signal) {
    const since = list.newest ? new Date(Date.parse(list.newest) - OVERLAP).toISOString() : "";
    let cursor = "";
    do {
      const limit = cursor ? MOST : PAGE;
      const page = await api.get(path, { order: "asc", limit, since, cursor }, signal);
      const fresh = list.missing(page.memories);
      if (fresh.length) return fresh;
      cursor = page.next_cursor;
    } while (cursor);
    return [];
  }

  async function introduce() {
    try {
      fill(about, record(await api.get(`sessions/${part(id)}`, {}, leaving.signal)));
    } catch (problem) {
      if (leaving.signal.aborted) return;
      const says =
        problem.kind === "missing"
          ? "Not registered: its memories share this id, and that is enough."
          : problem.says;
      fill(about, el("p", { class: "help" }, says));
    }
  }

  introduce();
  story.load();
  const node = el(
    "div",
    {},
    el("div", { class: "heading" }, el("h1", { class: "id" }, id)),
    about,
    el(
      "div",
      { class: "two" },
      el(
        "section",
        { class: "story", "aria-label": "Story" },
        el("h2", { class: "unseen" }, "Story"),
        list.node,
        story.node,
      ),
      preview.node,
    ),
  );
  return {
    title: id,
    node,
    close() {
      leaving.abort();
      stop();
      story.close();
      preview.close();
    },
  };
}

function record(session) {
  return [
    el(
      "p",
      { class: "line" },
      el("span", { class: "status", data: { status: session.status } }, session.status),
      el("a", { href: to("agent", session.agent_id) }, session.agent_id),
      el("span", {}, "opened ", age(session.created_at)),
      session.closed_at ? el("span", {}, "closed ", age(session.closed_at)) : null,
    ),
    session.metadata
      ? el(
          "div",
          { class: "meta", role: "group", "aria-label": "Metadata", tabindex: "0" }, // it may scroll
          el("dl", {}, Object.entries(session.metadata).map(known)),
        )
      : null,
  ];
}

function known([name, value]) {
  return [el("dt", {}, name), el("dd", {}, typeof value === "string" ? value : JSON.stringify(value))];
}
