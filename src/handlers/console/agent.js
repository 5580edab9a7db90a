// One agent: its numbers, when it was busy, its sessions, and what it remembered last.

import { typesOf } from "./agents.js";
import { part } from "./api.js";
import { el, fill } from "./dom.js";
import { MemoryList } from "./memories.js";
import { pages } from "./pages.js";
import { to } from "./places.js";
import { card } from "./sessions.js";
import { age, number } from "./times.js";
import { empty, loading, trouble } from "./trouble.js";

const PAGE = 50;
const HOURS = 24;
const MOST = 1_000;
const IS_ID = /^[a-zA-Z][\w-]{0,127}$/; // lists filter by ids alone, and a name may be none

export function agentView({ api }, { id }) {
  const counted = el("div", {});
  const sessions = el("ul", { class: "cards" });
  const list = new MemoryList(api, { without: ["agent"] });
  const leaving = new AbortController();
  const { signal } = leaving;

  const recent = pages({
    list: list.node,
    async ask(cursor) {
      const page = await api.get(
        `agents/${part(id)}/memories`,
        { since: "366d", limit: PAGE, cursor },
        signal,
      );
      return { items: page.memories, cursor: page.next_cursor };
    },
    add: (memories) => list.append(memories),
    clear: () => list.clear(),
    none: () => empty("This agent remembers nothing yet"),
    older: "Show older memories",
    end: "That is all of the last year.",
  });
  const opened = pages({
    list: sessions,
    async ask(cursor) {
      const page = await api.get("sessions", { agent_id: id, limit: 5, cursor }, signal);
      return { items: page.sessions, cursor: page.next_cursor };
    },
    add: (some) => sessions.append(...some.map(card)),
    clear: () => fill(sessions),
    none: () => el("p", { class: "help" }, "It registered no session."),
    older: "Show more sessions",
  });

  async function count() {
    fill(counted, loading());
    const path = `agents/${part(id)}`;
    try {
      const [stats, lately] = await Promise.all([
        api.get(`${path}/stats`, {}, signal),
        api.get(`${path}/memories`, { since: `${HOURS}h`, limit: MOST }, signal),
      ]);
      fill(counted, el("div", { class: "tiles" }, numbers(stats)), hours(lately));
    } catch (problem) {
      if (!signal.aborted) fill(counted, trouble(problem, count));
    }
  }

  count();
  if (IS_ID.test(id)) opened.load();
  recent.load();
  const node = el(
    "div",
    {},
    el(
      "div",
      { class: "heading" },
      el("h1", { class: "id" }, id),
      IS_ID.test(id) &&
        el("a", { href: to("timeline", "", { agent: id }), class: "aside" }, "In the timeline"),
    ),
    counted,
    el("section", { "aria-label": "Sessions" }, el("h2", {}, "Sessions"), sessions, opened.node),
    el("section", { "aria-label": "Memories" }, el("h2", {}, "Memories"), list.node, recent.node),
  );
  return {
    title: id,
    node,
    close() {
      leaving.abort();
      recent.close();
      opened.close();
    },
  };
}

function numbers(stats) {
  const tile = (value, says, mark = "") =>
    el("div", { class: `tile ${mark}` }, el("strong", {}, value), el("span", {}, says));
  return [
    tile(number(stats.memory_count), "memories"),
    tile(number(stats.memories_24h), "in the last 24 hours"),
    tile(number(stats.errors_24h), "errors in 24 hours", stats.errors_24h ? "bad" : ""),
    tile(`${number(stats.active_sessions)} of ${number(stats.session_count)}`, "sessions active"),
    tile(stats.last_active_at ? age(stats.last_active_at) : "never", "last active"),
    el("div", { class: "tile mix" }, typesOf(stats), el("span", {}, "by type")),
  ];
}

/** The last day by hours. */
function hours(page) {
  const counts = new Array(HOURS).fill(0);
  for (const memory of page.memories) {
    const hour = Math.floor((Date.now() - Date.parse(memory.time)) / 3_600_000);
    if (hour >= 0 && hour < HOURS) counts[HOURS - 1 - hour] += 1;
  }
  const most = Math.max(1, ...counts);
  const says = page.has_more
    ? `The newest ${number(MOST)} memories of the last 24 hours, by hour`
    : "Memories of the last 24 hours, by hour";
  return el(
    "figure",
    { class: "hours" },
    el(
      "div",
      { class: "bars-of-hours", role: "img", "aria-label": `${says}: ${counts.join(", ")}` },
      counts.map((count, index) => {
        const bar = el("span", {
          title: `${number(count)}, ${HOURS - 1 - index} h ago`,
          class: count ? "" : "none",
        });
        bar.style.height = `${Math.max(4, (100 * count) / most)}%`;
        return bar;
      }),
    ),
    el("figcaption", {}, says),
  );
}
