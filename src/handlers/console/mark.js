// The name and its sign.

import { el } from "./dom.js";

export function mark() {
  return el("span", { class: "mark" }, el("span", { class: "sign", "aria-hidden": "true" }), "memtrace");
}
