// Where one is: `#/timeline?agent=a`, `#/session/sess_1`. All of it stays in the browser, since
// what follows a `#` is never sent.

/** {name, id, query} of the current address. */
export function here() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, id = ""] = path.split("/");
  return { name: name || "timeline", id: decoded(id), query: Object.fromEntries(new URLSearchParams(query)) };
}

/** The address of a place; empty members of the query are left out. */
export function to(name, id = "", query = {}) {
  const given = Object.entries(query).filter(([, value]) => value);
  const tail = given.length ? `?${new URLSearchParams(given)}` : "";
  return `#/${name}${id ? `/${encodeURIComponent(id)}` : ""}${tail}`;
}

/** Changes the address without going anywhere. */
export function note(name, id, query) {
  history.replaceState(null, "", to(name, id, query));
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
