// Asks for the key. It goes into the header of requests, and nowhere else.

import { button, el, fill, say, sentence } from "./dom.js";
import { mark } from "./mark.js";

/** `open(key)` raises the Problem when the key does not open. */
export function signIn({ open, problem }) {
  const key = el("input", {
    id: "key",
    type: "password",
    required: true,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    placeholder: "mtk_…",
    "aria-describedby": "key-help",
  });
  const reveal = button(
    "Show",
    () => {
      const hidden = key.type === "password";
      key.type = hidden ? "text" : "password";
      reveal.textContent = hidden ? "Hide" : "Show";
      reveal.setAttribute("aria-pressed", String(hidden));
    },
    { class: "quiet", "aria-pressed": "false", "aria-label": "Show the key" },
  );
  const enter = el("button", { type: "submit", class: "main" }, "Sign in");
  const wrong = el("div", { role: "alert" });

  async function submit(event) {
    event.preventDefault();
    const given = key.value.trim();
    if (!given) return key.focus();
    enter.disabled = true;
    enter.textContent = "Signing in…";
    try {
      await open(given);
      key.value = "";
      say("Signed in");
    } catch (problem) {
      fill(wrong, told(problem));
      key.focus();
      key.select();
    } finally {
      enter.disabled = false;
      enter.textContent = "Sign in";
    }
  }

  if (problem) fill(wrong, told(problem));
  const form = el(
    "form",
    { class: "sign-in", on: { submit } },
    mark(),
    el("h1", {}, "What do your agents remember?"),
    el("p", { class: "lead" }, "Sign in with an API key to look."),
    wrong,
    el("label", { for: "key" }, "API key"),
    el("div", { class: "joined" }, key, reveal),
    enter,
    el(
      "p",
      { id: "key-help", class: "help" },
      sentence(
        "A key that may `read` is enough: `memtrace key create` makes one, and `memtrace dev` prints one. " +
          "It stays in this tab until you sign out or close it.",
      ),
    ),
  );
  return { node: el("main", { class: "door" }, form), close() {}, focus: () => key.focus() };
}

function told(problem) {
  return el(
    "div",
    { class: "trouble" },
    el("strong", {}, problem.title),
    el("p", {}, sentence(problem.says)),
    problem.hint ? el("p", { class: "help" }, sentence(problem.hint)) : null,
  );
}
