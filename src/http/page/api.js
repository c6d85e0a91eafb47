// The way to the service: answers, changes, events. The token stays in this tab (sessionStorage) and goes nowhere else.

const KEY = "ad-connector.token";

/** What the service refused, and what to do about it. */
export class ApiError extends Error {
  constructor(status, { error = "", reason = "", remedy = null, fields = [] } = {}) {
    super(reason || `the service answered ${status}`);
    this.status = status;
    this.error = error;
    this.reason = this.message;
    this.remedy = remedy;
    /** Mistakes by the key of what was sent: `[{key, reason, remedy}]`. */
    this.fields = fields;
  }
}

/** The service did not answer at all. */
export class Unreachable extends Error {
  constructor() {
    super("the service does not answer");
    this.reason = this.message;
    this.remedy = "see whether it still runs, and what its log says";
  }
}

/** The token with which what is shown was asked for. */
let inForce = sessionStorage.getItem(KEY);

/** The event `token` says that this tab has another one; `rights` that the service shows more, or less, from now on. */
export const token = {
  get: () => sessionStorage.getItem(KEY),
  set(value) {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
    document.dispatchEvent(new Event("token"));
    if (!value) nowInForce(null);
  },
};

function nowInForce(value) {
  if (value === inForce) return;
  inForce = value;
  document.dispatchEvent(new Event("rights"));
}

async function ask(path, { method = "GET", body, signal, accept = "application/json", tag } = {}) {
  const headers = { Accept: accept };
  if (tag) headers["If-Match"] = tag;
  const shown = token.get();
  if (shown) headers.Authorization = `Bearer ${shown}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    // A whole address: where the page's own holds a password, as a bookmark may, nothing relative to it can be asked for.
    answer = await fetch(location.origin + path, { method, headers, signal, cache: "no-store", body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Unreachable();
  }
  if (answer.status === 401 && shown && method === "GET") {
    // Another token is in force than this tab has kept. What is open stays open without one.
    token.set(null);
    return ask(path, { method, body, signal, accept });
  }
  if (!answer.ok) throw new ApiError(answer.status, await answer.json().catch(() => ({})));
  if (shown) nowInForce(shown);
  return answer;
}

const root = "/api/v1/connections";

function path(connection, ...rest) {
  return [root, connection, ...rest].map((part, at) => (at === 0 ? part : encodeURIComponent(part))).join("/");
}

function query(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

/** All connections. */
export async function connections() {
  return (await (await ask(root)).json()).items;
}

/** One of a connection's answers: `get("name", ["inventory"], {q: "x"})`. */
export async function get(connection, rest, parameters = {}, signal = undefined) {
  return (await ask(path(connection, ...rest) + query(parameters), { signal })).json();
}

/** Asks for a change. */
export async function post(connection, rest, body) {
  return (await ask(path(connection, ...rest), { method: "POST", body })).json();
}

/** Milliseconds until a call is made again that was refused because another reads the directory, and how often. */
const BUSY = 400;
const TRIES = 25;

let before = Promise.resolve();

/** Makes calls that read a directory one after the other: the service admits one at a time. */
function inTurn(act, signal) {
  const mine = before.then(async () => {
    for (let tries = 1; ; tries += 1) {
      signal?.throwIfAborted();
      try {
        return await act();
      } catch (error) {
        if (error.status !== 429 || tries === TRIES) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, BUSY));
    }
  });
  before = mine.catch(() => {});
  return mine;
}

/** Asks about a connection that is no more than typed: `schedule`, `mapping`. */
export async function typed(what, body, signal = undefined) {
  return (await ask(path(what), { method: "POST", body, signal })).json();
}

/** The same for what reads the directory: `browse`, `preview`. */
export function looked(what, body, signal = undefined) {
  return inTurn(() => typed(what, body, signal), signal);
}

/** A connection, its configuration as it would be sent (null without a token), and the tag of its revision. */
export async function stored(name) {
  const answer = await ask(path(name));
  const connection = await answer.json();
  const { configuration, disabled } = connection;
  return { connection, configuration: configuration && { ...configuration, disabled }, tag: answer.headers.get("ETag") };
}

/** Creates a connection; gives it as it is stored. */
export async function create(body) {
  return (await ask(root, { method: "POST", body })).json();
}

/** Replaces the configuration of a connection that still has this tag. */
export async function replace(connection, body, tag) {
  return (await ask(path(connection), { method: "PUT", body, tag })).json();
}

/** Deletes a connection that still has this tag; `purge` deletes what is known of its objects as well. */
export async function remove(connection, tag, purge) {
  await ask(path(connection) + query({ purge: purge ? "true" : null }), { method: "DELETE", tag });
}

/** Calls `seen(step)` for each step of a test as it ends; `connection` is the stored one that `body` would replace, or null. */
export function test(connection, body, seen, signal) {
  return inTurn(() => tested(connection === null ? path("test") : path(connection, "test"), body, seen, signal), signal);
}

async function tested(path, body, seen, signal) {
  const answer = await ask(path, { method: "POST", body, signal, accept: "application/x-ndjson" });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      throw signal.aborted ? error : new Unreachable();
    });
    const lines = (rest + (value ?? "")).split("\n");
    rest = done ? "" : lines.pop();
    for (const line of lines) if (line.trim() !== "") seen(JSON.parse(line));
    if (done) return;
  }
}

/**
 * Calls `seen(event, data)` for each of a connection's events until the stream ends, which it does by an error. With
 * fetch and not with EventSource, which cannot carry a token.
 */
export async function events(connection, seen, signal) {
  const answer = await ask(path(connection, "events"), { signal, accept: "text/event-stream" });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      throw signal.aborted ? error : new Unreachable();
    });
    if (done) throw new Unreachable();
    const blocks = (rest + value).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = { event: "message", data: [] };
      for (const line of block.split(/\r?\n/)) {
        const [, name, text] = line.match(/^([^:]*):? ?(.*)$/s);
        if (name === "event") fields.event = text;
        if (name === "data") fields.data.push(text);
      }
      if (fields.data.length > 0) seen(fields.event, JSON.parse(fields.data.join("\n")));
    }
  }
}

/** One of the answers about the last review: `review(["users"], {code: "gone"})`. */
export async function review(rest, parameters = {}, signal = undefined) {
  return (await ask(["/api/v1/review", ...rest.map(encodeURIComponent)].join("/") + query(parameters), { signal })).json();
}
