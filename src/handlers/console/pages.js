// A list that is read page by page: loads the first by itself, and each further one when asked.

import { button, el, fill } from "./dom.js";
import { loading, trouble } from "./trouble.js";

/**
 * `ask(cursor, signal)` answers {items, cursor}; `add(items)` shows them in `list`; `none()` says that
 * there is none.
 * Returns {node, load, close}: `load` starts anew, and may be called again.
 */
export function pages({ list, ask, add, clear, none, older = "Show more", end = "" }) {
  const node = el("div", { class: "under" });
  let asking = new AbortController();
  let shown = 0;

  async function turn(cursor) {
    const { signal } = asking;
    const links = () => list.querySelectorAll("a[href]");
    const before = links().length;
    const hasFocus = node.contains(document.activeElement);
    fill(node, loading());
    try {
      const page = await ask(cursor, signal);
      if (signal.aborted) return;
      shown += page.items.length;
      add(page.items);
      fill(node, under(page.cursor));
      if (hasFocus) links()[before]?.focus({ preventScroll: true }); // the button it was on is gone
    } catch (problem) {
      if (!signal.aborted)
        fill(
          node,
          trouble(problem, () => turn(cursor)),
        );
    }
  }

  function under(cursor) {
    if (cursor) return button(older, () => turn(cursor), { class: "wide" });
    if (!shown) return none();
    return end ? el("p", { class: "end" }, end) : null;
  }

  function load() {
    asking.abort();
    asking = new AbortController();
    shown = 0;
    clear();
    return turn("");
  }

  return { node, load, close: () => asking.abort() };
}
