// Elements, texts, numbers and times. Text becomes a text node, always: nothing that comes from a directory, a gateway or
// a person is ever parsed as markup.

const SVG = "http://www.w3.org/2000/svg";

/** Invisible characters that reorder or break text. They are shown by their number, so that no name hides what it is. */
const CONTROLS = /([\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff])/;

/** Children as they come: nested lists are taken apart, what is not there is left out. */
function parts(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...parts(children));
  return element;
}

/** An element. An attribute that is a function listens to the event of that name; null and false leave it out. */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for a drawing. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** Text from outside, kept apart from the text around it whatever its direction. */
export function given(text, attributes = {}) {
  const parts = String(text ?? "").split(CONTROLS);
  const shown = parts.map((part, at) => {
    if (at % 2 === 0) return part;
    const number = part.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    return el("span", { class: "control" }, `U+${number}`);
  });
  return el("bdi", attributes, ...shown.filter((part) => part !== ""));
}

/** JSON in lines. What its texts hold of control characters is escaped, or shown by number. */
export function json(value) {
  return JSON.stringify(value, null, 2).split("\n").map((line) => [given(line), "\n"]);
}

/** Replaces what an element holds, and leaves it alone when nothing of the text or the structure changes. */
export function put(element, ...children) {
  const next = element.cloneNode(false);
  next.append(...parts(children));
  if (!next.isEqualNode(element)) element.replaceChildren(...next.childNodes);
  return element;
}

const whole = new Intl.NumberFormat();

/** A count, grouped as the viewer is used to. */
export function number(value) {
  return whole.format(value);
}

/** `1 object`, `2 objects`. */
export function counted(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/** A duration in seconds, for people. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

/** The viewer's time zone. */
export const zone = moment.resolvedOptions().timeZone;

/** A time in the viewer's zone; of today, the time of day alone. */
export function time(text, attributes = {}) {
  if (!text) return el("span", { ...attributes }, "–");
  const at = new Date(text);
  const today = day.format(at) === day.format(new Date());
  return el("time", { datetime: text, title: exact.format(at), ...attributes }, (today ? clock : moment).format(at));
}

/** How long ago or ahead a time is; kept up to date while it is shown. */
export function distance(text) {
  if (!text) return "";
  return el("time", { datetime: text, "data-distance": true }, told(text, Date.now()));
}

function told(text, now) {
  const seconds = Math.round((new Date(text) - now) / 1000);
  const size = Math.abs(seconds);
  if (size < 60) return relative.format(seconds, "second");
  if (size < 5400) return relative.format(Math.round(seconds / 60), "minute");
  if (size < 129600) return relative.format(Math.round(seconds / 3600), "hour");
  return relative.format(Math.round(seconds / 86400), "day");
}

/** Brings all distances up to date. */
export function tick() {
  for (const shown of document.querySelectorAll("time[data-distance]")) {
    const text = told(shown.dateTime, Date.now());
    if (shown.textContent !== text) shown.textContent = text;
  }
}

/** Tells people who listen to the page instead of looking at it. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

/** A sentence of the product: what stands in backticks is shown as code. */
export function prose(text) {
  return String(text).split(/`([^`]+)`/).map((part, at) => (at % 2 ? el("code", {}, given(part)) : part === "" ? null : given(part)));
}

/** A problem with what to do about it; `error` is an `ApiError` or any other. */
export function problem(error, heading = null) {
  const { remedy } = error;
  let reason = error.reason ?? error.message;
  // Some reasons end with what to do, for those who read them in the log.
  if (remedy && reason.endsWith(remedy)) reason = reason.slice(0, -remedy.length).replace(/[;,:\s]+$/, "");
  return el("div", { class: "problem" },
    heading && el("p", { class: "heading" }, heading),
    el("p", { class: "reason" }, prose(reason)),
    remedy && el("p", { class: "remedy" }, el("strong", {}, "What to do: "), prose(remedy)));
}
