// Repeats a question while somebody looks: never in a hidden tab, never twice at once, and more
// and more rarely while it fails, also for those who look away and back.

const LONGEST = 60_000;

/**
 * Calls `work(signal)` every so many milliseconds, the first time after one of them or `first`. Returns
 * how to stop. What `work` throws is its own to show; a `wait` in it (seconds) is honoured.
 */
export function poll(work, every, first = every) {
  const stopping = new AbortController();
  let timer = 0;
  let failures = 0;
  let asking = false;
  let due = 0;

  function plan(milliseconds) {
    clearTimeout(timer);
    if (!stopping.signal.aborted && !document.hidden) timer = setTimeout(turn, milliseconds);
  }

  async function turn() {
    if (asking) return;
    asking = true;
    let next = every;
    due = 0;
    try {
      await work(stopping.signal);
      failures = 0;
    } catch (error) {
      failures += 1;
      next = Math.min(LONGEST, Math.max((error.wait ?? 0) * 1000, every * 2 ** failures));
      due = Date.now() + next;
    } finally {
      asking = false;
    }
    plan(next);
  }

  const seen = () => plan(Math.max(0, due - Date.now()));
  document.addEventListener("visibilitychange", seen, { signal: stopping.signal });
  plan(first);
  return () => {
    clearTimeout(timer);
    stopping.abort();
  };
}

/** Calls only the last of calls that come quickly one after another. */
export function settled(work, milliseconds) {
  let timer = 0;
  const later = (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), milliseconds);
  };
  later.forget = () => clearTimeout(timer);
  return later;
}
