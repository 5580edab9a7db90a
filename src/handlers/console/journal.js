// What the journal still owes the store, and which memories no store would take.

import { el, fill } from "./dom.js";
import { MemoryList } from "./memories.js";
import { poll } from "./poll.js";
import { age, bytes, counted, lasting, number } from "./times.js";
import { empty, loading, trouble } from "./trouble.js";

const LOOK = 5_000;
const MOST = 100;
const LATE = 300;

export function journalView({ api, me }) {
  const state = el("div", { class: "state" }, loading());
  const letters = el("div", {});
  let known = -1;

  async function look(signal) {
    try {
      const journal = await api.get("journal", {}, signal);
      if (signal.aborted) return;
      fill(state, standing(journal, me));
      if (journal.dead !== known) await list(journal.dead, signal);
    } catch (problem) {
      if (signal.aborted) return;
      fill(state, trouble(problem, null));
      throw problem;
    }
  }

  async function list(dead, signal) {
    const page = dead ? await api.get("dead-letters", { limit: MOST }, signal) : { dead_letters: [] };
    known = dead;
    fill(
      letters,
      page.dead_letters.length
        ? shown(api, page)
        : empty("No dead letters", "Every memory found a store that takes it, or still waits for one."),
    );
  }

  const stop = poll(look, LOOK, 0);
  const node = el(
    "div",
    {},
    el("div", { class: "heading" }, el("h1", {}, "Journal")),
    el("p", { class: "lead" }, "Every memory is kept here until the store demonstrably serves it."),
    state,
    el(
      "section",
      { "aria-labelledby": "dead-title" },
      el("h2", { id: "dead-title" }, "Dead letters"),
      letters,
    ),
  );
  return {
    title: "Journal",
    node,
    close: stop,
  };
}

function standing(journal, me) {
  const tile = (value, says, mark = "") =>
    el("div", { class: `tile ${mark}` }, el("strong", {}, value), el("span", {}, says));
  const late = journal.oldest_owed_seconds ?? 0;
  return [
    el("p", { class: "verdict", data: verdictOf(journal, me) }, verdict(journal, me)),
    el(
      "div",
      { class: "tiles" },
      tile(number(journal.owed), "owed to the store"),
      tile(journal.oldest_owed ? lasting(late) : "–", "age of the oldest owed", late > LATE ? "bad" : ""),
      tile(number(journal.delivered), "delivered, not proven yet"),
      tile(number(journal.dead), "dead", journal.dead ? "bad" : ""),
      tile(bytes(journal.bytes), "waiting in all"),
      tile(number(journal.claims), "dedup keys of the window"),
    ),
  ];
}

function verdictOf({ store, dead, oldest_owed_seconds: late = 0 }, { has_binding: isBound }) {
  if (!isBound || !store?.answers || late > LATE) return { state: "bad" };
  return { state: dead ? "fair" : "good" };
}

function verdict({ store, owed, dead }, { has_binding: isBound }) {
  if (!isBound || !store) return "No store is bound to this organization: nothing can be delivered.";
  const seen =
    store.age_seconds === undefined
      ? "It was not looked at yet"
      : `Looked at ${lasting(store.age_seconds)} ago`;
  if (!store.answers)
    return `The store does not answer. ${seen}; what is owed waits here, and stays readable.`;
  if (dead) return `The store answers, and refused ${counted(dead, "memory", "memories")} for good. ${seen}.`;
  return owed ? `The store answers; what is owed is on its way. ${seen}.` : `All is delivered. ${seen}.`;
}

function shown(api, page) {
  const rows = page.dead_letters.map(({ memory, reason, died_at: diedAt }) => {
    const list = new MemoryList(api);
    list.append([memory]);
    return el(
      "li",
      {},
      el("p", { class: "reason" }, el("strong", {}, reason), el("span", {}, "died ", age(diedAt))),
      list.node,
    );
  });
  return [
    el(
      "p",
      { class: "help" },
      "They stay readable. ",
      el("code", {}, "memtrace dead retry"),
      " delivers them again, ",
      el("code", {}, "memtrace dead purge"),
      " gives them up.",
    ),
    el("ul", { class: "letters" }, rows),
    page.has_more ? el("p", { class: "end" }, `The newest ${number(MOST)} are shown.`) : null,
  ];
}
