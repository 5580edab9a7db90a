// The agents and what they did: those that are registered, and those that only wrote lately.

import { part } from "./api.js";
import { el, fill } from "./dom.js";
import { pages } from "./pages.js";
import { to } from "./places.js";
import { TYPES } from "./memories.js";
import { age, number } from "./times.js";
import { empty } from "./trouble.js";

const PAGE = 25;
const LATELY = 500;
const AT_ONCE = 4;

export function agentsView({ api }) {
  const body = el("tbody", {});
  const table = el("table", { class: "agents", hidden: true },
    el("caption", { class: "unseen" }, "Agents and what they did"),
    el("thead", {}, el("tr", {}, ["Agent", "Memories", "Last 24 h", "Errors, 24 h", "Sessions", "Last active", "Types"].map((says) => el("th", { scope: "col" }, says)))),
    body);
  const leaving = new AbortController();
  const counting = atOnce(AT_ONCE);
  const names = new Set();

  const rows = pages({
    async ask(cursor, signal) {
      const [page, others] = await Promise.all([
        api.get("agents", { limit: PAGE, cursor }, signal),
        cursor ? [] : api.post("search", { limit: LATELY, since: "7d" }, signal).then((found) => found.results),
      ]);
      return { items: [...page.agents, ...unregistered(page.agents, others)], cursor: page.next_cursor };
    },
    add(agents) {
      for (const agent of agents) if (!names.has(agent.name)) body.append(row(agent));
      table.hidden = !body.children.length;
    },
    clear() {
      names.clear();
      fill(body);
    },
    none: () => empty("No agents yet", "Agents show here once they register, or remember something."),
  });

  function row(agent) {
    names.add(agent.name);
    const cells = ["memories", "lately", "errors", "sessions", "active", "mix"].map((name) => el("td", { class: name, data: { waits: "" } }, "…"));
    counting(async () => {
      if (leaving.signal.aborted) return;
      try {
        const stats = await api.get(`agents/${part(agent.id ?? agent.name)}/stats`, {}, leaving.signal);
        show(cells, stats, agent);
      } catch (problem) {
        if (!leaving.signal.aborted) for (const cell of cells) fill(cell, el("span", { title: problem.says ?? "" }, "–"));
      }
    });
    return el("tr", {},
      el("th", { scope: "row" },
        el("a", { href: to("agent", agent.name) }, agent.name),
        el("span", { class: "help" }, agent.description || (agent.id ? "" : "not registered"))),
      cells);
  }

  rows.load();
  const node = el("div", {}, el("div", { class: "heading" }, el("h1", {}, "Agents")), el("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": "Agents" }, table), rows.node);
  return { title: "Agents", node, close() { leaving.abort(); rows.close(); } };
}

/** Those that wrote lately under a name that is no registered agent's of this page. */
function unregistered(agents, memories) {
  const known = new Set(agents.flatMap((agent) => [agent.id, agent.name]));
  const others = new Set(memories.map((memory) => memory.agent_id).filter((name) => !known.has(name)));
  return [...others].map((name) => ({ name }));
}

function show([memories, lately, errors, sessions, active, mix], stats, agent) {
  fill(memories, number(stats.memory_count));
  fill(lately, number(stats.memories_24h));
  fill(errors, stats.errors_24h ? el("span", { class: "bad" }, number(stats.errors_24h)) : "0");
  fill(sessions, number(stats.session_count), stats.active_sessions ? el("span", { class: "help" }, `${number(stats.active_sessions)} active`) : null);
  const last = stats.last_active_at ?? agent.last_active_at;
  fill(active, last ? age(last) : "–");
  fill(mix, typesOf(stats));
}

/** How its memories divide into types, as a bar; said in words too. */
export function typesOf(stats) {
  const parts = TYPES.map((type) => [type, stats.memory_types[type] ?? 0]).filter(([, count]) => count);
  const says = parts.map(([type, count]) => `${type} ${number(count)}`).join(", ");
  return el("div", { class: "mix-bar", role: "img", "aria-label": says || "none", title: says },
    parts.map(([type, count]) => {
      const piece = el("span", { data: { kind: type } });
      piece.style.flexGrow = count; // set here, as the policy lets no attribute say it
      return piece;
    }));
}

/** Runs works one after another, so many of them side by side. */
function atOnce(places) {
  const queue = [];
  let free = places;
  async function run() {
    if (!free || !queue.length) return;
    free -= 1;
    await queue.shift()();
    free += 1;
    run();
  }
  return (work) => {
    queue.push(work);
    run();
  };
}
