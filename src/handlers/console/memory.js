// One memory with all that is known of it: beside a list, or on a page of its own.

import { part } from "./api.js";
import { button, el, fill, say } from "./dom.js";
import { kindOf, tags } from "./memories.js";
import { to } from "./places.js";
import { age, whole } from "./times.js";
import { loading, trouble } from "./trouble.js";

let shown = null;

/** Opens it beside what is shown; Escape closes it, and focus goes back to where it was. */
export function openSheet(api, memory) {
  closeSheet();
  const sheet = el(
    "dialog",
    {
      class: "sheet",
      "aria-labelledby": "sheet-title",
      on: {
        close: () => {
          sheet.remove();
          if (shown === sheet) shown = null;
        },
        // A link may lead to what is behind it already.
        click: ({ target }) => (target === sheet || target.closest("a")) && sheet.close(),
      },
    },
    el(
      "div",
      { class: "sheet-inside" },
      el(
        "div",
        { class: "sheet-top" },
        el("h2", { id: "sheet-title" }, "Memory"),
        button("Close", closeSheet, { class: "quiet", autofocus: true }),
      ),
      facts(memory),
    ),
  );
  document.body.append(sheet);
  sheet.showModal();
  shown = sheet;
}

/** Closes it, where one is open. */
export function closeSheet() {
  shown?.close();
}

window.addEventListener("hashchange", closeSheet);

/** The page of a memory, for links. */
export function memoryView({ api }, { id }) {
  const inside = el("div", {});
  const leaving = new AbortController();

  async function load() {
    fill(inside, loading());
    try {
      fill(inside, facts(await api.get(`memories/${part(id)}`, {}, leaving.signal)));
    } catch (problem) {
      if (!leaving.signal.aborted) fill(inside, trouble(problem, problem.kind === "missing" ? null : load));
    }
  }

  load();
  const node = el("article", { class: "narrow" }, el("h1", {}, "Memory"), inside);
  return { title: "Memory", node, close: () => leaving.abort() };
}

function facts(memory) {
  return el(
    "div",
    { class: "facts", data: { kind: kindOf(memory) } },
    el(
      "p",
      { class: "about" },
      el("span", { class: "event" }, memory.event_type),
      el("span", {}, memory.memory_type),
      age(memory.time),
    ),
    el("pre", { class: "content", dir: "auto", tabindex: "0", "aria-label": "Content" }, memory.content),
    tags(memory),
    el(
      "dl",
      {},
      known(memory).map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
    ),
    memory.metadata
      ? [
          el("h3", {}, "Metadata"),
          el(
            "pre",
            { class: "json", tabindex: "0", "aria-label": "Metadata" },
            JSON.stringify(memory.metadata, null, 2),
          ),
        ]
      : null,
    el("p", { class: "actions" }, copying("Copy id", memory.id), copying("Copy content", memory.content)),
  );
}

function known(memory) {
  return [
    ["Agent", el("a", { href: to("agent", memory.agent_id) }, memory.agent_id)],
    ["Session", memory.session_id && el("a", { href: to("session", memory.session_id) }, memory.session_id)],
    ["Written", `${whole(memory.time)}`],
    ["Exactly", el("code", {}, memory.time)],
    ["Importance", memory.importance],
    ["Parent", memory.parent_id && el("a", { href: to("memory", memory.parent_id) }, memory.parent_id)],
    ["Id", el("code", {}, memory.id)],
    ["Dedup key", memory.dedup_key && el("code", {}, memory.dedup_key)],
  ].filter(([, value]) => value);
}

/** A button that copies, and says whether it did. */
export function copying(text, content) {
  const copy = button(text, async () => {
    try {
      await navigator.clipboard.writeText(typeof content === "function" ? content() : content);
      copy.textContent = "Copied";
      say("Copied");
    } catch {
      copy.textContent = "Cannot copy here";
    }
    setTimeout(() => (copy.textContent = text), 1500);
  });
  return copy;
}
