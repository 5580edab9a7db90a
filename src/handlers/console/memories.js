// A list of memories by days, to which one can add at both ends.

import { el } from "./dom.js";
import { openSheet } from "./memory.js";
import { to } from "./places.js";
import { clock, dayName, dayOf } from "./times.js";

const MOST = 600; // characters: contents may have 256 KB each
export const TYPES = ["episodic", "decision", "entity", "session"];

/** Newest first, or with `ascending` oldest first; `shows` leaves out what is known from around it. */
export class MemoryList {
  #api;
  #ascending;
  #without;
  #ids = new Set();
  #days = new Map();

  constructor(api, { ascending = false, without = [] } = {}) {
    this.#api = api;
    this.#ascending = ascending;
    this.#without = without;
    this.node = el("div", { class: "memories" });
    this.newest = "";
  }

  get size() {
    return this.#ids.size;
  }

  /** Those of the next page, in its order. */
  append(memories, mark = "") {
    for (const memory of this.#unknown(memories)) this.#day(memory, false).append(this.#row(memory, mark));
  }

  /** New ones, the newest first; returns how many it had not. */
  prepend(memories) {
    const unknown = this.#unknown(memories);
    for (const memory of unknown.toReversed()) this.#day(memory, true).prepend(this.#row(memory, "fresh"));
    return unknown.length;
  }

  /** Those that are not in the list, without adding them. */
  missing(memories) {
    return memories.filter((memory) => !this.#ids.has(memory.id));
  }

  clear() {
    this.#ids.clear();
    this.#days.clear();
    this.newest = "";
    this.node.replaceChildren();
  }

  #unknown(memories) {
    const unknown = this.missing(memories);
    for (const memory of unknown) {
      this.#ids.add(memory.id);
      if (!this.newest || Date.parse(memory.time) > Date.parse(this.newest)) this.newest = memory.time;
    }
    return unknown;
  }

  #day(memory, first) {
    const day = dayOf(memory.time);
    if (!this.#days.has(day)) {
      const list = el("ol", {});
      const heading = el("h2", { data: { day: memory.time } }, dayName(memory.time));
      const section = el("section", { class: "day" }, heading, list);
      if (first && !this.#ascending) this.node.prepend(section);
      else this.node.append(section);
      this.#days.set(day, list);
    }
    return this.#days.get(day);
  }

  #row(memory, mark = "") {
    const open = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      event.preventDefault();
      openSheet(this.#api, memory);
    };
    return el(
      "li",
      { class: `memory ${mark}`, data: { kind: kindOf(memory) } },
      el("div", { class: "when" }, clock(memory.time)),
      el(
        "div",
        { class: "what" },
        el("p", { class: "about" }, el("span", { class: "event" }, memory.event_type), this.#origin(memory)),
        el(
          "a",
          { class: "content", dir: "auto", href: to("memory", memory.id), on: { click: open } },
          begun(memory.content),
        ),
        tags(memory),
      ),
    );
  }

  #origin(memory) {
    const agent = el("a", { href: to("agent", memory.agent_id) }, memory.agent_id);
    const session =
      memory.session_id && el("a", { href: to("session", memory.session_id) }, memory.session_id);
    return [
      this.#without.includes("agent") ? null : agent,
      this.#without.includes("session") || !session ? null : session,
      memory.importance >= 0.7 ? el("span", { class: "weighty" }, `importance ${memory.importance}`) : null,
    ];
  }
}

/** As much of it as a list has room for. */
function begun(content) {
  return content.length > MOST ? `${content.slice(0, MOST).replace(/[\uD800-\uDBFF]$/, "")}…` : content;
}

/** Its memory type; but an error is an error, whatever its type. */
export function kindOf(memory) {
  return memory.event_type === "error" ? "error" : memory.memory_type;
}

export function tags(memory) {
  if (!memory.tags?.length) return null;
  return el(
    "ul",
    { class: "tags", "aria-label": "Tags" },
    memory.tags.map((tag) => el("li", {}, el("a", { href: to("timeline", "", { tags: tag }) }, tag))),
  );
}
