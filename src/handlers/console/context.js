// What a model would be told of a session: the context as the API makes it, with a budget to play with.

import { part } from "./api.js";
import { el, fill, say } from "./dom.js";
import { copying } from "./memory.js";
import { TYPES } from "./memories.js";
import { settled } from "./poll.js";
import { counted, number } from "./times.js";
import { loading, trouble } from "./trouble.js";

const SLIDING = 150;
const BUDGETS = [
  50, 100, 150, 200, 300, 400, 600, 800, 1_000, 1_500, 2_000, 3_000, 4_000, 6_000, 8_000, 12_000, 16_000,
  32_000, 0,
];
const SPANS = [
  ["24h", "Last 24 hours"],
  ["1h", "Last hour"],
  ["7d", "Last 7 days"],
  ["30d", "Last 30 days"],
  ["366d", "Last year"],
];

export function contextPreview(api, id) {
  const slider = el("input", {
    type: "range",
    id: "budget",
    min: 0,
    max: BUDGETS.length - 1,
    step: 1,
    value: BUDGETS.length - 1,
  });
  const budget = el("output", { for: "budget", class: "budget" });
  const span = el(
    "select",
    { id: "context-span" },
    SPANS.map(([value, says]) => el("option", { value }, says)),
  );
  const boxes = TYPES.map((type) => el("input", { type: "checkbox", value: type, checked: true }));
  const numbers = el("p", { class: "numbers" });
  const meter = el("meter", {
    min: 0,
    max: 1,
    value: 0,
    "aria-label": "Part of the budget used",
    hidden: true,
  });
  const text = el("pre", { class: "context", tabindex: "0", "aria-label": "Context" });
  const under = el("div", {}, loading());
  let asking = new AbortController();

  function wanted() {
    const types = boxes.filter((box) => box.checked).map((box) => box.value);
    return {
      since: span.value,
      max_tokens: BUDGETS[slider.value],
      include_types: types.length === TYPES.length ? [] : types,
    };
  }

  async function ask() {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    const body = wanted();
    text.classList.add("old");
    try {
      show(await api.post(`sessions/${part(id)}/context`, body, signal), body.max_tokens);
    } catch (problem) {
      if (signal.aborted) return;
      text.hidden = true;
      fill(under, trouble(problem, ask));
    }
  }

  function show(made, most) {
    text.classList.remove("old");
    text.hidden = !made.context;
    text.textContent = made.context;
    fill(
      under,
      made.context
        ? null
        : el(
            "p",
            { class: "help" },
            most ? "Not even the heading fits into this budget." : "Nothing within this time.",
          ),
    );
    const left = made.omitted ? `, ${number(made.omitted)} left out` : "";
    fill(
      numbers,
      el("strong", {}, counted(made.tokens, "token")),
      ` · ${counted(made.memory_count, "memory", "memories")} shown${left}`,
      made.truncated ? el("span", { class: "cut" }, "shortened") : null,
    );
    meter.hidden = !most;
    meter.value = most ? made.tokens / most : 0;
    say(`${counted(made.tokens, "token")}, ${counted(made.memory_count, "memory", "memories")}`);
  }

  function moved() {
    const most = BUDGETS[slider.value];
    budget.textContent = most ? `${number(most)} tokens` : "No budget";
    slider.setAttribute("aria-valuetext", budget.textContent);
    later();
  }

  const later = settled(ask, SLIDING);
  const controls = el(
    "form",
    { class: "controls", on: { submit: (event) => event.preventDefault(), input: moved } },
    el("div", { class: "budget-row" }, el("label", { for: "budget" }, "Budget"), slider, budget),
    el(
      "div",
      { class: "row" },
      el("label", { class: "field" }, el("span", {}, "Looks back"), span),
      el(
        "fieldset",
        { class: "types" },
        el("legend", {}, "Types"),
        boxes.map((box) => el("label", { data: { kind: box.value } }, box, el("span", {}, box.value))),
      ),
    ),
  );
  moved();
  later.forget();
  ask();
  const node = el(
    "section",
    { class: "preview", "aria-labelledby": "preview-title" },
    el(
      "div",
      { class: "preview-top" },
      el("h2", { id: "preview-title" }, "Context for a model"),
      copying("Copy", () => text.textContent),
    ),
    controls,
    numbers,
    meter,
    text,
    under,
  );
  return {
    node,
    refresh: ask,
    close() {
      later.forget();
      asking.abort();
    },
  };
}
