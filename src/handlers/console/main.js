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
let close = () => {};

async function start() {
  const key = readKey();
  if (!key) return knock();
  try {
    await open(key);
  } catch (problem) {
    if (problem.kind !== "refused" && problem.kind !== "forbidden") return wait(problem);
    forgetKey();
    ask(problem);
  }
}

/** A server without authentication opens by itself, unless somebody was quicker. */
async function knock() {
  const door = ask();
  try {
    const me = await new Api("").get("me");
    if (door.isWaiting()) enter("", me);
  } catch {
    // then it wants a key, or will say what is wrong to one
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
  keepKey(key);
  enter(key, me);
}

function enter(key, me) {
  const frame = shell({ api: new Api(key, signOut), me, signOut: key ? () => signOut() : null });
  show(frame);
  frame.go();
}

function ask(problem = null) {
  const door = signIn({ open, problem });
  show(door);
  return door;
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
