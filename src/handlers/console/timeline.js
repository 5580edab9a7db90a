// What all agents remember, the newest first, filtered while one types; new memories come by themselves.

import { button, el, fill, say } from "./dom.js";
import { filters } from "./filters.js";
import { MemoryList } from "./memories.js";
import { note } from "./places.js";
import { poll } from "./poll.js";
import { question } from "./question.js";
import { counted } from "./times.js";
import { empty, loading, trouble } from "./trouble.js";

const PAGE = 50;
const LOOK = 4_000;
const OVERLAP = 5_000; // writers' clocks differ a little: a memory may come in beside one that is newer
const MOST_LIVE = 1_000; // so many shown, and a list that lives begins anew

export function timelineView({ api }, { query }) {
  const list = new MemoryList(api);
  const under = el("div", { class: "under" });
  const count = el("p", { class: "count" });
  const arrived = button("", () => {}, { class: "arrived", hidden: true });
  const live = button("Live", toggle, {
    class: "live",
    "aria-pressed": "true",
    title: "Show new memories as they come",
  });
  const form = filters(query, search);
  let asking = new AbortController();
  let body = {};
  let isLive = true;
  let stop = () => {};
  let hasMore = false;
  let showWaiting = () => {};

  async function search(values) {
    note("timeline", "", values);
    body = question(values);
    asking.abort();
    stop();
    asking = new AbortController();
    const { signal } = asking;
    list.node.classList.add("old");
    if (!list.size) fill(under, loading());
    try {
      const page = await api.post("search", { ...body, limit: PAGE }, signal);
      show(page);
      follow();
    } catch (problem) {
      if (signal.aborted) return;
      fill(count); // what is still there answers another question, and stays dim
      fill(
        under,
        trouble(problem, () => search(values)),
      );
    }
  }

  function show(page) {
    list.clear();
    hold([], () => {});
    list.node.classList.remove("old");
    list.append(page.results);
    form.suggest(page.results);
    rest(page);
    say(
      page.results.length
        ? `${counted(list.size, "memory", "memories")}${page.has_more ? ", and more" : ""}`
        : "No memories",
    );
  }

  function rest(page) {
    hasMore = page.has_more;
    tally();
    if (!list.size) return fill(under, nothing(body));
    const more = button("Show older memories", () => older(page.next_cursor, more), { class: "wide" });
    return fill(under, page.has_more ? more : el("p", { class: "end" }, "That is all."));
  }

  function tally() {
    const shown = counted(list.size, "memory", "memories");
    fill(count, list.size ? `${shown}${hasMore ? " shown, there are more" : ""}` : "");
  }

  async function older(cursor, more) {
    const { signal } = asking;
    more.disabled = true;
    more.textContent = "Loading…";
    try {
      const page = await api.post("search", { ...body, limit: PAGE, cursor }, signal);
      const first = list.missing(page.results)[0];
      list.append(page.results);
      form.suggest(page.results);
      rest(page);
      if (first)
        list.node.querySelector(`a[href$="${CSS.escape(first.id)}"]`)?.focus({ preventScroll: true });
    } catch (problem) {
      if (!signal.aborted)
        fill(
          under,
          trouble(problem, () => older(cursor, more)),
        );
    }
  }

  /** Asks from the newest memory on, for as long as the filters let new ones through. */
  function follow() {
    stop();
    tell("Live");
    if (isLive && !body.until) stop = poll(watch, LOOK);
  }

  async function watch(signal) {
    try {
      await look(signal);
      tell("Live");
    } catch (problem) {
      if (!signal.aborted) tell("Trying again…");
      throw problem;
    }
  }

  function tell(says) {
    if (live.textContent !== says) live.textContent = says;
  }

  async function look(signal) {
    const since = list.newest ? new Date(Date.parse(list.newest) - OVERLAP).toISOString() : body.since;
    const page = await api.post("search", { ...body, since, limit: PAGE }, signal);
    if (signal.aborted) return undefined;
    const fresh = list.missing(page.results);
    if (!fresh.length) return undefined;
    // Where all are new and there are more, the list would have a gap: it begins anew.
    const isGap = page.has_more && fresh.length === page.results.length;
    const enter = isGap ? () => show(page) : () => take(fresh);
    return isReading() ? hold(fresh, enter, isGap) : enter();
  }

  /** Nothing moves under the eyes, or the focus, of somebody who reads further down. */
  function isReading() {
    return window.scrollY > 240 || list.node.contains(document.activeElement);
  }

  function hold(fresh, enter, areMore = false) {
    showWaiting = enter;
    const says = `${areMore ? "More than " : ""}${counted(fresh.length, "new memory", "new memories")}`;
    arrived.hidden = !fresh.length;
    if (arrived.textContent !== says && fresh.length) say(says);
    arrived.textContent = says;
  }

  function take(fresh) {
    if (list.size >= MOST_LIVE) return search(form.values());
    if (!list.size) fill(under, el("p", { class: "end" }, "That is all."));
    const number = list.prepend(fresh);
    form.suggest(fresh);
    hold([], () => {});
    tally();
    say(counted(number, "new memory", "new memories"));
  }

  arrived.addEventListener("click", () => {
    showWaiting();
    window.scrollTo({ top: 0 });
    list.node.querySelector("a.content")?.focus({ preventScroll: true });
  });

  function toggle() {
    isLive = !isLive;
    live.setAttribute("aria-pressed", String(isLive));
    follow();
  }

  function keys(event) {
    const isTyping = event.target.closest?.("input:not([type=checkbox]), select, dialog");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    form.focus();
  }

  document.addEventListener("keydown", keys);
  const node = el(
    "div",
    { class: "timeline" },
    el("div", { class: "heading" }, el("h1", {}, "Timeline"), count, live),
    form.node,
    arrived,
    list.node,
    under,
  );
  form.start();
  return {
    title: "Timeline",
    node,
    close() {
      stop();
      asking.abort();
      form.close();
      document.removeEventListener("keydown", keys);
    },
  };
}

function nothing(body) {
  const isFiltered = Object.values(body).some((value) => value?.length);
  return isFiltered
    ? empty(
        "No memory matches",
        "Take a filter away, or look at a longer time. Contents are searched letter by letter, case counts.",
      )
    : empty("No memories yet", "As soon as an agent remembers something, it shows here.");
}
