// Asks the API that serves this page. What goes wrong comes out as a Problem, with the way out.

import { missing, problemOf, unknownKey, unreachable } from "./problems.js";

const BASE = new URL("api/v1/", new URL(".", document.baseURI));
const PATIENCE = 30_000;
const IS_SENDABLE = /^[\x20-\x7e]*$/; // what a header can carry

/** The API as one key sees it, or with "" as anybody does. `onRefused` hears of a key that is no good now. */
export class Api {
  #key;
  #onRefused;

  constructor(key, onRefused = () => {}) {
    this.#key = key;
    this.#onRefused = onRefused;
  }

  /** Query parameters that are empty are left out. */
  async get(path, query = {}, signal = undefined) {
    const url = addressOf(path);
    for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
    return this.#ask(url, { method: "GET", signal });
  }

  /** For questions that are too long for a URL: nothing here writes. */
  async post(path, body, signal = undefined) {
    const headers = { "content-type": "application/json" };
    return this.#ask(addressOf(path), { method: "POST", headers, body: JSON.stringify(body), signal });
  }

  async #ask(url, { headers = {}, signal, ...rest }) {
    if (!IS_SENDABLE.test(this.#key)) throw unknownKey();
    const [response, text] = await this.#fetched(
      url,
      {
        ...rest,
        headers: this.#key ? { ...headers, "x-api-key": this.#key } : headers,
        signal: AbortSignal.any([AbortSignal.timeout(PATIENCE), ...(signal ? [signal] : [])]),
        cache: "no-store",
        credentials: "same-origin", // of a proxy that asks for more than the key
        redirect: "error",
        referrerPolicy: "no-referrer",
      },
      signal,
    );
    const body = parsed(text);
    if (response.ok && body) return body;
    const problem = problemOf(response, body ?? {});
    if (problem.kind === "refused") this.#onRefused(problem);
    throw problem;
  }

  async #fetched(url, options, signal) {
    try {
      const response = await fetch(url, options);
      return [response, await response.text()];
    } catch (error) {
      if (signal?.aborted) throw error; // nobody waits for it any more
      throw unreachable(error);
    }
  }
}

/** Raises a Problem where the path would lead elsewhere: browsers resolve dots, however they are written. */
function addressOf(path) {
  if (path.split("/").some((one) => one === "." || one === "..")) throw missing();
  return new URL(path, BASE);
}

/** The answer's object, or null. Numbers that would be rounded keep their digits, where the browser can. */
function parsed(text) {
  try {
    return JSON.parse(text, (_, value, { source } = {}) =>
      Number.isInteger(value) && !Number.isSafeInteger(value) && source && JSON.rawJSON
        ? JSON.rawJSON(source)
        : value,
    );
  } catch {
    return null;
  }
}

/** Part of a path. */
export function part(text) {
  return encodeURIComponent(text);
}
