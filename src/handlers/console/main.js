// Starts the console: asks for a key, or shows where the address points.

import { Api } from "./api.js";
import { el, fill } from "./dom.js";
import { forgetKey, keepKey, readKey } from "./key.js";
import { mark } from "./mark.js";
import { closeSheet } from "./memory.js";
import { shell } from "./shell.js";
import { signIn } from "./sign-in.js";
import { refreshAges } from "./times.js";
import { trouble } from "./trouble.js";

const app = document.getElementById("app");
const AGES = 20_000;
const IS_OPEN = document.body.hasAttribute("data-open"); // so says a server that wants no key
let close = () => {};

async function start() {
  const key = readKey();
  if (!key && !IS_OPEN) return ask();
  try {
    await open(key);
  } catch (problem) {
    if (problem.kind !== "refused" && problem.kind !== "forbidden") return wait(problem);
    forgetKey();
    ask(problem);
  }
}

/** The key may well be good: it is kept, and tried again. */
function wait(problem) {
  const inside = el("div", { class: "sign-in" }, mark(), trouble(problem, start));
  show({ node: el("main", { class: "door" }, inside), close() {} });
}

/** Raises the Problem when the key does not open. */
async function open(key) {
  const me = await new Api(key).get("me");
  if (key) keepKey(key);
  const frame = shell({ api: new Api(key, signOut), me, signOut: key ? () => signOut() : null });
  show(frame);
  frame.go();
}

function ask(problem = null) {
  show(signIn({ open, problem }));
}

function signOut(problem = null) {
  forgetKey();
  history.replaceState(null, "", location.pathname);
  ask(problem);
}

function show(view) {
  close();
  closeSheet();
  close = view.close;
  fill(app, view.node);
  view.focus?.();
}

setInterval(refreshAges, AGES);
start();
