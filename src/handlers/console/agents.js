// The agents and what they did: those that are registered, and those that only wrote lately.

import { part } from "./api.js";
import { el, fill } from "./dom.js";
import { pages } from "./pages.js";
import { passes } from "./problems.js";
import { to } from "./places.js";
import { TYPES } from "./memories.js";
import { age, number } from "./times.js";
import { empty } from "./trouble.js";

const PAGE = 25;
const LATELY = 500;
const AT_ONCE = 4;
const TRIES = 3;
const PART = `Of agents that are not registered, those of the newest ${LATELY} memories are shown.`;

export function agentsView({ api }) {
  const body = el("tbody", {});
  const table = el(
    "table",
    { class: "agents", hidden: true },
    el("caption", { class: "unseen" }, "Agents and what they did"),
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        ["Agent", "Memories", "Last 24 h", "Errors, 24 h", "Sessions", "Last active", "Types"].map((says) =>
          el("th", { scope: "col" }, says),
        ),
      ),
    ),
    body,
  );
  const note = el("p", { class: "end" });
  const leaving = new AbortController();
  const counting = atOnce(AT_ONCE);
  const known = new Set();

  const rows = pages({
    list: body,
    async ask(cursor, signal) {
      const page = await api.get("agents", { limit: PAGE, cursor }, signal);
      for (const agent of page.agents) known.add(agent.id).add(agent.name);
      // Who is not registered is known for certain on the last page.
      if (page.next_cursor) return { items: page.agents, cursor: page.next_cursor };
      const others = await unregistered(api, known, signal);
      fill(note, others.areMore && PART);
      return { items: [...page.agents, ...others.agents] };
    },
    add(agents) {
      body.append(...agents.map(row));
      table.hidden = !body.children.length;
    },
    clear() {
      known.clear();
      fill(note);
      fill(body);
    },
    none: () => empty("No agents yet", "Agents show here once they register, or remember something."),
  });

  function statsOf(agent) {
    return api.get(`agents/${part(agent.id ?? agent.name)}/stats`, {}, leaving.signal);
  }

  function row(agent) {
    const cells = ["memories", "lately", "errors", "sessions", "active", "mix"].map((name) =>
      el("td", { class: name, data: { waits: "" } }, "…"),
    );
    counting(async () => {
      if (leaving.signal.aborted) return;
      try {
        show(cells, await patiently(() => statsOf(agent), leaving.signal), agent);
      } catch (problem) {
        if (!leaving.signal.aborted)
          for (const cell of cells) fill(cell, el("span", { title: problem.says ?? "" }, "–"));
      }
    });
    return el(
      "tr",
      {},
      el(
        "th",
        { scope: "row" },
        el("a", { href: to("agent", agent.name) }, agent.name),
        el("span", { class: "help" }, agent.description || (agent.id ? "" : "not registered")),
      ),
      cells,
    );
  }

  rows.load();
  const node = el(
    "div",
    {},
    el("div", { class: "heading" }, el("h1", {}, "Agents")),
    el("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": "Agents" }, table),
    rows.node,
    note,
  );
  return {
    title: "Agents",
    node,
    close() {
      leaving.abort();
      rows.close();
    },
  };
}

/** Those that wrote lately under a name that is no registered agent's. Without a store, nobody. */
async function unregistered(api, known, signal) {
  try {
    const found = await api.post("search", { limit: LATELY, since: "7d" }, signal);
    const names = new Set(found.results.map((memory) => memory.agent_id).filter((name) => !known.has(name)));
    return { agents: [...names].map((name) => ({ name })), areMore: found.has_more };
  } catch (problem) {
    if (problem.kind === "unbound") return { agents: [] };
    throw problem;
  }
}

function show([memories, lately, errors, sessions, active, mix], stats, agent) {
  fill(memories, number(stats.memory_count));
  fill(lately, number(stats.memories_24h));
  fill(errors, stats.errors_24h ? el("span", { class: "bad" }, number(stats.errors_24h)) : "0");
  fill(
    sessions,
    number(stats.session_count),
    stats.active_sessions ? el("span", { class: "help" }, `${number(stats.active_sessions)} active`) : null,
  );
  const last = stats.last_active_at ?? agent.last_active_at;
  fill(active, last ? age(last) : "–");
  fill(mix, typesOf(stats));
}

/** How its memories divide into types, as a bar; said in words too. */
export function typesOf(stats) {
  const parts = TYPES.map((type) => [type, stats.memory_types[type] ?? 0]).filter(([, count]) => count);
  const says = parts.map(([type, count]) => `${type} ${number(count)}`).join(", ");
  return el(
    "div",
    { class: "mix-bar", role: "img", "aria-label": says || "none", title: says },
    parts.map(([type, count]) => {
      const piece = el("span", { data: { kind: type } });
      piece.style.flexGrow = count; // set here, as the policy lets no attribute say it
      return piece;
    }),
  );
}

/** Asks again where waiting may help, a few times. */
async function patiently(ask, signal, left = TRIES) {
  try {
    return await ask();
  } catch (problem) {
    if (signal.aborted || left <= 1 || !passes(problem)) throw problem;
    await new Promise((resolve) => setTimeout(resolve, problem.wait * 1000));
    return patiently(ask, signal, left - 1);
  }
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
