// Shows a problem with its way out, and tries again by itself where waiting may help.

import { button, el, sentence } from "./dom.js";
import { passes } from "./problems.js";

/** What to show in place of a list that cannot be. `retry` may be null; the node has `close`. */
export function trouble(problem, retry) {
  const wait = el("span", { class: "wait" });
  const node = el(
    "section",
    { class: "trouble", role: "alert", data: { kind: problem.kind } },
    el("h2", {}, problem.title),
    el("p", {}, sentence(problem.says)),
    way(problem).map((text) => el("p", { class: "help" }, sentence(text))),
    el("p", { class: "actions" }, retry ? button("Try again", again) : null, wait),
    problem.requestId ? el("p", { class: "fine" }, "Request ", el("code", {}, problem.requestId)) : null,
  );
  let left = Math.ceil(problem.wait);
  const timer = retry && passes(problem) ? setInterval(tick, 1000) : 0;
  if (timer) wait.textContent = `Trying again in ${left} s`;
  node.close = () => clearInterval(timer);

  function tick() {
    if (!node.isConnected) return clearInterval(timer);
    if (document.hidden) return undefined;
    left -= 1;
    wait.textContent = left > 0 ? `Trying again in ${left} s` : "Trying again…";
    return left > 0 ? undefined : again();
  }

  function again() {
    clearInterval(timer);
    retry();
  }

  return node;
}

function way(problem) {
  if (problem.hint)
    return [`${problem.hint.charAt(0).toUpperCase()}${problem.hint.slice(1)}.`.replace(/\.\.$/, ".")];
  if (problem.kind === "forbidden") return ["Sign out, and in again with a key that may `read`."];
  return [];
}

/** While there is nothing to show yet. */
export function loading(text = "Loading…") {
  return el("p", { class: "loading", role: "status" }, text);
}

/** Where there is nothing to show. */
export function empty(title, ...says) {
  return el(
    "section",
    { class: "empty" },
    el("h2", {}, title),
    says.map((text) => el("p", {}, text)),
  );
}
