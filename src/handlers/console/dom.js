// Makes elements. Whatever is shown comes in as text nodes: no string here ever becomes markup.

/**
 * An element with attributes and children. `on` holds listeners, `data` the data attributes;
 * `true` sets an empty attribute; false, null and undefined leave one out. Children that are no nodes
 * become text.
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") listen(node, value);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...kept(children));
  return node;
}

/** Puts these children in place of all others. */
export function fill(node, ...children) {
  node.replaceChildren(...kept(children));
  return node;
}

/** A button that submits nothing. */
export function button(text, onClick, attributes = {}) {
  return el("button", { type: "button", ...attributes, on: { click: onClick } }, text);
}

/** A sentence in which `words in backticks` are code. */
export function sentence(text) {
  return text.split("`").map((part, number) => (number % 2 ? el("code", {}, part) : part));
}

/** Tells those who listen to the page rather than look at it. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

function listen(node, listeners) {
  for (const [event, listener] of Object.entries(listeners)) node.addEventListener(event, listener);
}

function kept(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}
