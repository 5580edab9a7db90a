// The registered sessions, the newest first, and a way to any other.

import { el, fill } from "./dom.js";
import { pages } from "./pages.js";
import { note, to } from "./places.js";
import { settled } from "./poll.js";
import { age } from "./times.js";
import { empty } from "./trouble.js";

const PAGE = 50;
const TYPING = 250;
const MOST = 400; // characters: metadata may have 64 KB

export function sessionsView({ api }, { query }) {
  const agent = el("input", {
    id: "of-agent",
    value: query.agent ?? "",
    placeholder: "any agent",
    autocomplete: "off",
    spellcheck: "false",
  });
  const status = el(
    "select",
    { id: "of-status" },
    [
      ["", "All"],
      ["active", "Active"],
      ["closed", "Closed"],
    ].map(([value, says]) => el("option", { value, selected: value === query.status }, says)),
  );
  const any = el("input", {
    id: "any-session",
    placeholder: "sess_…",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
  });
  const list = el("ul", { class: "cards" });

  const rows = pages({
    list,
    async ask(cursor, signal) {
      const page = await api.get(
        "sessions",
        { agent_id: agent.value.trim(), status: status.value, limit: PAGE, cursor },
        signal,
      );
      return { items: page.sessions, cursor: page.next_cursor };
    },
    add: (sessions) => list.append(...sessions.map(card)),
    clear: () => fill(list),
    none: () =>
      empty(
        "No registered session",
        "A session need not be registered to have memories: open one by its id above, or from the timeline.",
      ),
  });

  function changed() {
    later.forget();
    note("sessions", "", { agent: agent.value.trim(), status: status.value });
    rows.load();
  }

  const later = settled(changed, TYPING);
  const filter = el(
    "form",
    {
      class: "bar",
      on: {
        submit: (event) => {
          event.preventDefault();
          changed();
        },
        input: () => later(),
      },
    },
    el("label", { class: "field" }, el("span", {}, "Agent"), agent),
    el("label", { class: "field" }, el("span", {}, "Status"), status),
  );
  const jump = el(
    "form",
    {
      class: "bar",
      on: {
        submit: (event) => {
          event.preventDefault();
          location.hash = to("session", any.value.trim());
        },
      },
    },
    el("label", { class: "field" }, el("span", {}, "Open any session"), any),
    el("button", { type: "submit" }, "Open"),
  );
  const node = el(
    "div",
    {},
    el("div", { class: "heading" }, el("h1", {}, "Sessions")),
    el("div", { class: "bars" }, filter, jump),
    list,
    rows.node,
  );
  rows.load();
  return {
    title: "Sessions",
    node,
    close() {
      later.forget();
      rows.close();
    },
  };
}

/** A session as one line of a list. */
export function card(session) {
  return el(
    "li",
    { class: "card" },
    el("a", { href: to("session", session.id), class: "name" }, session.id),
    el("span", { class: "status", data: { status: session.status } }, session.status),
    el("span", { class: "by" }, el("a", { href: to("agent", session.agent_id) }, session.agent_id)),
    el("span", { class: "when" }, "opened ", age(session.created_at)),
    session.metadata ? el("p", { class: "meta" }, brief(session.metadata)) : null,
  );
}

function brief(metadata) {
  return Object.entries(metadata)
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" · ")
    .slice(0, MOST);
}
