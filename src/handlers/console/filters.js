// The filters of the timeline: a form that tells of every change, and the question it means.

import { button, el } from "./dom.js";
import { settled } from "./poll.js";
import { TYPES } from "./memories.js";

const TYPING = 250;
const SPANS = [
  ["", "All time"],
  ["15m", "Last 15 minutes"],
  ["1h", "Last hour"],
  ["24h", "Last 24 hours"],
  ["7d", "Last 7 days"],
  ["30d", "Last 30 days"],
  ["custom", "Between…"],
];
const TEXTS = [
  ["agent", "Agent", "any agent"],
  ["session", "Session", "any session"],
  ["event", "Event type", "any event"],
  ["tags", "Tags", "all of them, by commas"],
];

/** `given` is the address's query; `onChange(values)` follows typing after a moment. */
export function filters(given, onChange) {
  const text = el("input", {
    type: "search",
    id: "text",
    value: given.text ?? "",
    placeholder: "Search the contents",
    "aria-label": "Search the contents",
    autocomplete: "off",
    "aria-keyshortcuts": "/",
  });
  const span = el(
    "select",
    { id: "span", "aria-label": "Time" },
    SPANS.map(([value, says]) => el("option", { value }, says)),
  );
  const from = el("input", { type: "datetime-local", id: "from", "aria-label": "From" });
  const until = el("input", { type: "datetime-local", id: "until", "aria-label": "Until" });
  const between = el("div", { class: "between" }, from, el("span", { "aria-hidden": "true" }, "–"), until);
  const inputs = Object.fromEntries(
    TEXTS.map(([name, , hint]) => [
      name,
      el("input", {
        id: `by-${name}`,
        value: given[name] ?? "",
        placeholder: hint,
        autocomplete: "off",
        autocapitalize: "off",
        spellcheck: "false",
        list: `known-${name}`,
      }),
    ]),
  );
  const boxes = TYPES.map((type) => el("input", { type: "checkbox", value: type, id: `type-${type}` }));
  const clear = button("Clear filters", clearAll, { class: "quiet", id: "clear" });
  const more = button(
    "Filters",
    () => {
      const isOpen = form.classList.toggle("open");
      more.setAttribute("aria-expanded", String(isOpen));
    },
    { class: "more", "aria-expanded": "false", "aria-controls": "more-filters" },
  );

  function values() {
    const isCustom = span.value === "custom";
    return {
      text: text.value,
      ...Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value.trim()])),
      types: boxes
        .filter((box) => box.checked)
        .map((box) => box.value)
        .join(","),
      since: isCustom ? from.value && "custom" : span.value,
      from: isCustom ? from.value : "",
      until: isCustom ? until.value : "",
    };
  }

  function set(next) {
    text.value = next.text ?? "";
    for (const [name, input] of Object.entries(inputs)) input.value = next[name] ?? "";
    for (const box of boxes) box.checked = (next.types ?? "").split(",").includes(box.value);
    from.value = next.from ?? "";
    until.value = next.until ?? "";
    span.value = next.from || next.until ? "custom" : (next.since ?? "");
    if (span.selectedIndex < 0) span.value = "";
    changed();
  }

  function clearAll() {
    set({});
    text.focus(); // the button is gone
  }

  function changed() {
    later.forget();
    const wanted = values();
    between.hidden = span.value !== "custom";
    clear.hidden = !Object.values(wanted).some(Boolean);
    if (JSON.stringify(wanted) === told) return; // leaving a field is a change too
    told = JSON.stringify(wanted);
    onChange(wanted);
  }

  let told = "";
  const later = settled(changed, TYPING);
  const form = el(
    "form",
    {
      class: "filters",
      role: "search",
      "aria-label": "Memories",
      on: {
        submit: (event) => {
          event.preventDefault();
          changed();
        },
        input: () => later(),
        change: changed,
      },
    },
    el("div", { class: "first" }, text, span, more),
    between,
    el(
      "div",
      { class: "second", id: "more-filters" },
      TEXTS.map(([name, says]) =>
        el(
          "label",
          { class: "field" },
          el("span", {}, says),
          inputs[name],
          el("datalist", { id: `known-${name}` }),
        ),
      ),
      el(
        "fieldset",
        { class: "types" },
        el("legend", {}, "Types"),
        boxes.map((box) => el("label", { data: { kind: box.value } }, box, el("span", {}, box.value))),
      ),
      clear,
    ),
  );
  return {
    node: form,
    values,
    set,
    start: () => set(given),
    focus: () => text.focus(),
    suggest: (memories) => suggest(form, memories),
    close: later.forget,
  };
}

/** Offers what was seen in memories, where one types. */
function suggest(form, memories) {
  const seen = {
    agent: memories.map((memory) => memory.agent_id),
    session: memories.map((memory) => memory.session_id),
    event: memories.map((memory) => memory.event_type),
    tags: memories.flatMap((memory) => memory.tags ?? []),
  };
  for (const [name, found] of Object.entries(seen)) {
    const list = form.querySelector(`#known-${name}`);
    const known = new Set([...list.options].map((option) => option.value));
    for (const value of new Set(found))
      if (value && !known.has(value) && known.size < 200) list.append(el("option", { value }));
  }
}
