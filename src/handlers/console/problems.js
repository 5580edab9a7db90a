// What can go wrong, in words that say the way out.

/** `kind` is one of refused, forbidden, missing, slowly, unbound, away, wrong. `wait` is in seconds. */
export class Problem extends Error {
  constructor(kind, title, says, { hint = "", wait = 0, requestId = "" } = {}) {
    super(says);
    Object.assign(this, { kind, title, says, hint, wait, requestId });
  }
}

// The API's own hint tells programs how to send a key.
const REFUSED = "It may be cut off, revoked or expired: `memtrace key list` tells.";

/** The problem that an answer tells of. */
export function problemOf(response, { error = "", hint = "", code = "", request_id: requestId = "" }) {
  const wait = Math.max(0, Number.parseInt(response.headers.get("retry-after") ?? "", 10) || 0);
  const says = error ? `${begun(error).replace(/\.$/, "")}.` : `The answer was ${response.status}.`;
  const about = { hint, wait, requestId };
  switch (response.status) {
    case 400:
      return new Problem("wrong", "That cannot be looked for", says, about);
    case 401:
      return new Problem("refused", "This key does not open anything", says, { ...about, hint: REFUSED });
    case 403:
      return new Problem("forbidden", "This key may not do that", says, about);
    case 404:
      return new Problem("missing", "Nothing here", says, about);
    case 429:
      return new Problem("slowly", "A little slower", says, { ...about, wait: wait || 1 });
    default:
      if (code === "no_arc_instance") return new Problem("unbound", "No store is bound yet", says, about);
      if (response.status >= 502)
        return new Problem("away", "The service is busy or away", says, { ...about, wait: wait || 5 });
      return new Problem("wrong", "That did not work", says, about);
  }
}

/** With a capital letter, unless it begins with the name of a field. */
function begun(text) {
  return /^\w+[_[]/.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1);
}

/** What cannot even be sent is nobody's key. */
export function unknownKey() {
  const says = "It has characters that no key has.";
  return new Problem("refused", "This key does not open anything", says, { hint: REFUSED });
}

/** A name that no address can hold. */
export function missing() {
  return new Problem("missing", "Nothing here", "No address leads to this name.");
}

/** The network, the server, or a proxy between is not there. */
export function unreachable() {
  return new Problem("away", "The server cannot be reached", "There was no answer.", {
    hint: "Look at your connection, and whether the server runs. This page tries again by itself.",
    wait: 5,
  });
}

/** Whether waiting may help. */
export function passes(problem) {
  return problem.kind === "slowly" || problem.kind === "away";
}
