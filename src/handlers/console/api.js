// Asks the API that serves this page. What goes wrong comes out as a Problem, with the way out.

import { problemOf, unreachable } from "./problems.js";

const BASE = new URL("api/v1/", new URL(".", document.baseURI));
const PATIENCE = 30_000;

/** The API as one key sees it. `onRefused` hears of a key that is no good any more. */
export class Api {
  #key;
  #onRefused;

  constructor(key, onRefused = () => {}) {
    this.#key = key;
    this.#onRefused = onRefused;
  }

  /** Query parameters that are empty are left out. */
  get(path, query = {}, signal = undefined) {
    const url = new URL(path, BASE);
    for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
    return this.#ask(url, { method: "GET", signal });
  }

  /** For questions that are too long for a URL: nothing here writes. */
  post(path, body, signal = undefined) {
    const headers = { "content-type": "application/json" };
    return this.#ask(new URL(path, BASE), { method: "POST", headers, body: JSON.stringify(body), signal });
  }

  async #ask(url, { headers = {}, signal, ...rest }) {
    const response = await this.#fetched(
      url,
      {
        ...rest,
        headers: { ...headers, "x-api-key": this.#key },
        signal: AbortSignal.any([AbortSignal.timeout(PATIENCE), ...(signal ? [signal] : [])]),
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        referrerPolicy: "no-referrer",
      },
      signal,
    );
    const body = await response.json().catch(() => null);
    if (response.ok && body) return body;
    const problem = problemOf(response, body ?? {});
    if (problem.kind === "refused") this.#onRefused(problem);
    throw problem;
  }

  async #fetched(url, options, signal) {
    try {
      return await fetch(url, options);
    } catch (error) {
      if (signal?.aborted) throw error; // nobody waits for it any more
      throw unreachable(error);
    }
  }
}

/** Part of a path. */
export function part(text) {
  return encodeURIComponent(text);
}
