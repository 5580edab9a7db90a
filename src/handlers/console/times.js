// Times and numbers as people read them, in the reader's own zone.

import { el } from "./dom.js";

const DAY = new Intl.DateTimeFormat(undefined, {
  weekday: "long",
  day: "numeric",
  month: "long",
  year: "numeric",
});
const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const NUMBER = new Intl.NumberFormat();
const UNITS = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
  ["s", 1],
];

/** The day, the same for all its moments. */
export function dayOf(moment) {
  return new Date(moment).toDateString();
}

/** "Today", "Yesterday", or the date; in elements with `data-day` kept true by `refreshAges`. */
export function dayName(moment) {
  const now = new Date();
  // Not so many hours before: days may have 23 or 25.
  const before = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  if (dayOf(moment) === dayOf(now)) return "Today";
  return dayOf(moment) === dayOf(before) ? "Yesterday" : DAY.format(new Date(moment));
}

/** The time of day, its whole date on asking. */
export function clock(moment) {
  return el("time", { datetime: moment, title: whole(moment) }, CLOCK.format(new Date(moment)));
}

/** How long ago; kept true by `refreshAges`. */
export function age(moment) {
  return el("time", { datetime: moment, title: whole(moment), data: { age: "" } }, ago(moment));
}

export function whole(moment) {
  return FULL.format(new Date(moment));
}

export function refreshAges() {
  for (const node of document.querySelectorAll("time[data-age]")) node.textContent = ago(node.dateTime);
  for (const node of document.querySelectorAll("[data-day]")) node.textContent = dayName(node.dataset.day);
}

/** Seconds as "3 min", the largest unit alone. */
export function lasting(seconds) {
  const [unit, size] = UNITS.find(([, length]) => seconds >= length) ?? UNITS.at(-1);
  return `${number(Math.floor(seconds / size))} ${unit}`;
}

export function number(value) {
  return NUMBER.format(value);
}

/** "1 memory", "2 memories". */
export function counted(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

export function bytes(value) {
  const power = Math.min(3, Math.floor(Math.log2(Math.max(1, value)) / 10));
  const shown = value / 1024 ** power;
  return `${shown < 10 && power ? shown.toFixed(1) : Math.round(shown)} ${["B", "KB", "MB", "GB"][power]}`;
}

function ago(moment) {
  const seconds = (Date.now() - Date.parse(moment)) / 1000;
  if (seconds < 1.5) return "just now";
  return `${lasting(seconds)} ago`;
}
