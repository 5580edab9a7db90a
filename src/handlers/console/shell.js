// The frame around every view: name, navigation, whose key it is, sign out. Shows what the address says.

import { agentView } from "./agent.js";
import { agentsView } from "./agents.js";
import { button, el, fill } from "./dom.js";
import { journalView } from "./journal.js";
import { mark } from "./mark.js";
import { memoryView } from "./memory.js";
import { here, to } from "./places.js";
import { sessionView } from "./session.js";
import { sessionsView } from "./sessions.js";
import { timelineView } from "./timeline.js";

const VIEWS = {
  timeline: timelineView,
  memory: memoryView,
  sessions: sessionsView,
  session: sessionView,
  agents: agentsView,
  agent: agentView,
  journal: journalView,
};
const NAVIGATION = [
  ["timeline", "Timeline"],
  ["sessions", "Sessions"],
  ["agents", "Agents"],
  ["journal", "Journal"],
];
const PART_OF = { memory: "timeline", session: "sessions", agent: "agents" };

/** What is shown there: a place of one thing without its id is that of all. */
function nameOf({ name, id }) {
  if (!Object.hasOwn(VIEWS, name)) return "timeline";
  return id ? name : (PART_OF[name] ?? name);
}

export function shell(world) {
  const main = el("main", { id: "main", tabindex: "-1" });
  const links = Object.fromEntries(
    NAVIGATION.map(([name, text]) => [name, el("a", { href: to(name) }, text)]),
  );
  const leaving = new AbortController();
  const whose = world.me.key_name ? `, key ${world.me.key_name}` : "";
  let view = { close() {} };

  function go() {
    const place = here();
    const name = nameOf(place);
    view.close();
    view = VIEWS[name](world, place);
    document.title = `${view.title} · Memtrace`;
    for (const [each, link] of Object.entries(links)) {
      link.toggleAttribute("aria-current", false);
      if (each === (PART_OF[name] ?? name)) link.setAttribute("aria-current", "page");
    }
    fill(main, view.node);
    window.scrollTo(0, 0);
  }

  window.addEventListener(
    "hashchange",
    () => {
      go();
      const heading = main.querySelector("h1");
      heading.tabIndex = -1; // so that it is read out, and Tab goes on from here
      heading.focus({ preventScroll: true });
    },
    { signal: leaving.signal },
  );

  const skip = button("Skip to the content", () => main.focus(), { class: "skip" });
  const node = el(
    "div",
    { class: "frame" },
    skip,
    el(
      "header",
      { class: "top" },
      el("a", { href: to("timeline"), class: "home", "aria-label": "Memtrace, timeline" }, mark()),
      el("nav", { "aria-label": "Views" }, Object.values(links)),
      el(
        "div",
        { class: "who" },
        el(
          "span",
          { class: "org", title: `${world.me.org_id}${whose}` },
          world.me.org_name,
        ),
        world.signOut && button("Sign out", world.signOut, { class: "quiet" }),
      ),
    ),
    main,
  );
  return {
    node,
    go,
    close() {
      leaving.abort();
      view.close();
      document.title = "Memtrace";
    },
  };
}
