// The API key lives in this tab alone: in its session storage, so that a reload keeps it. It never
// enters a URL, a cookie or a log, and signing out forgets it.

const NAME = "memtrace.key";
let held = "";

/** The key of this tab, or "". */
export function readKey() {
  return held || stored((storage) => storage.getItem(NAME)) || "";
}

export function keepKey(key) {
  held = key;
  stored((storage) => storage.setItem(NAME, key));
}

export function forgetKey() {
  held = "";
  stored((storage) => storage.removeItem(NAME));
}

/** Browsers may refuse storage; then the key lasts until the next reload. */
function stored(work) {
  try {
    return work(window.sessionStorage);
  } catch {
    return "";
  }
}
