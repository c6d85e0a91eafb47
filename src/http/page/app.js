// The page: which connection and view the address names, and what the service says meanwhile.
//
// Addresses are `#/CONNECTION/VIEW`, `#/CONNECTION/overview/RUN`, `#/CONNECTION/inventory/GUID` and `#/CONNECTION/attention/LIST`;
// `#/new` makes a connection, `#/CONNECTION/edit` changes one; any other is the list, where there are several. One stream of
// events is open, that of the connection shown; a browser grants a site six connections.

import { ApiError, connections, events, token } from "./api.js";
import { attentionView, needed } from "./attention.js";
import { Head } from "./connection.js";
import { NoConnection, Several, standing } from "./connections.js";
import { announce, el, given, number, problem, put, tick, zone } from "./dom.js";
import { editView, newView } from "./edit.js";
import { assetView, inventoryView } from "./inventory.js";
import { mappingView } from "./mapping.js";
import { reviewView } from "./review.js";
import { runsView } from "./runs.js";
import { askForToken, namesView, takeToken, tokenButton } from "./token.js";

/** Milliseconds until the service is asked again after it was away, and between looks at the connections not shown. */
const AGAIN = 2000;
const OTHERS = 15000;

const VIEWS = { overview: "Overview", inventory: "Inventory", attention: "Attention", mapping: "Mapping", review: "Qualys accounts" };

const main = document.getElementById("main");
const live = document.getElementById("live");
const known = new Map();
/** Forms that were left with something typed in them, by key: whoever comes back finds it. */
const kept = new Map();
let shown = null;
let loaded = false;

function address(name, ...rest) {
  // `#/new` is another page, whatever connections are called.
  const whole = name === "new" && rest.length === 0 ? [name, "overview"] : [name, ...rest];
  return `#/${whole.map(encodeURIComponent).join("/")}`;
}

/** The parts of the address; one that cannot be decoded names nothing. */
function parts() {
  try {
    return location.hash.split("/").slice(1).map((part) => decodeURIComponent(part));
  } catch {
    return [];
  }
}

/** What the address names: a page by its key, and on that of a connection the view and an object. */
function place() {
  const [name, view, object] = parts();
  if (name === "new" && view === undefined) return { key: "new" };
  if (known.size === 0) return { key: "none" };
  if (known.has(name) && view === "edit") return { key: `edit/${name}`, name };
  const one = known.has(name) ? name : known.size === 1 ? known.keys().next().value : null;
  return one === null ? { key: "" } : { key: `of/${one}`, name: one, view: view in VIEWS ? view : "overview", object };
}

function status(state, text) {
  if (live.dataset.live === state) return;
  live.dataset.live = state;
  live.textContent = text;
}

/** The part of the page that is about one connection. */
class Shown {
  #view = null;
  #at = "";
  #stop = new AbortController();

  constructor(name) {
    this.name = name;
    this.key = `of/${name}`;
    this.head = new Head(name, address);
    this.tabs = el("nav", { class: "views", "aria-label": "Views" });
    this.body = el("div", { class: "view" });
    this.element = el("article", { "aria-label": name }, this.head.element, this.tabs, this.body);
    document.title = `${name} · ad-connector`;
    this.#update(known.get(name));
    this.#follow();
  }

  /** Shows what the address names. */
  go({ view, object }) {
    const at = `${view}/${object ?? ""}`;
    if (at === this.#at) return;
    this.#at = at;
    this.#view?.close();
    const now = known.get(this.name);
    const named = (build) => namesView(this.name, build, now);
    if (view === "inventory" && object) this.#view = named(() => assetView(this.name, object, address(this.name, "inventory")));
    else if (view === "inventory") this.#view = named((now) => inventoryView(this.name, (guid) => address(this.name, "inventory", guid), now));
    else if (view === "attention") this.#view = named((now) => attentionView(this.name, now, object));
    else if (view === "review") this.#view = named(() => reviewView());
    else if (view === "mapping") this.#view = mappingView(this.name);
    else this.#view = runsView(this.name, object);
    this.body.replaceChildren(this.#view.element);
    this.head.full(view === "overview");
    this.#links();
  }

  close() {
    this.#stop.abort();
    this.#view?.close();
  }

  /** Ends the stream of events. A page that the browser keeps for the way back would hold one of its six connections. */
  pause() {
    this.#stop.abort();
  }

  /** Asks again for everything: with another token, sentences come with other names or without. */
  restart() {
    this.#stop.abort();
    this.#stop = new AbortController();
    this.#follow();
    if (this.#view?.reopen) this.#view.reopen();
    else this.#view?.refresh?.();
  }

  #links() {
    const now = known.get(this.name);
    const counts = {
      inventory: Object.values(now.counts).reduce((sum, kind) => sum + kind.accepted, 0),
      attention: needed(now),
    };
    const current = this.#at.split("/")[0];
    const links = Object.entries(VIEWS).map(([view, title]) => el("a", { href: address(this.name, view), "aria-current": view === current && "page" },
      title, view in counts && counts[view] > 0 ? el("small", { "data-tone": view === "attention" && "warn" }, number(counts[view])) : null));
    // A link that has the focus keeps it.
    if (this.tabs.childElementCount === 0) put(this.tabs, links);
    else links.forEach((link, at) => {
      const there = this.tabs.children[at];
      put(there, ...link.childNodes);
      if (link.hasAttribute("aria-current")) there.setAttribute("aria-current", "page");
      else there.removeAttribute("aria-current");
    });
  }

  #update(connection) {
    known.set(this.name, connection);
    put(document.getElementById("version"), connection.version);
    this.head.update(connection);
    this.#links();
    this.#view?.update?.(connection);
  }

  async #follow() {
    const { signal } = this.#stop;
    const seen = (event, data) => {
      // What happened while nobody listened.
      if (live.dataset.live === "away") this.#view?.refresh?.();
      status("live", "Live");
      if (event === "progress") this.head.progress(data);
      if (event === "connection") {
        this.#update(data);
        others();
      }
      if (event === "run") {
        announce(`Run ${data.run}: ${data.outcome}`);
        this.#view?.refresh?.();
      }
    };
    while (!signal.aborted) {
      try {
        await events(this.name, seen, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ApiError) status("refused", error.reason);
        else status("away", "The service does not answer. Trying again …");
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN));
    }
  }
}

/** A page with a form: what is typed there stays when it is left. */
class FormPage {
  name = null;

  constructor(key, name, build) {
    this.key = key;
    this.view = build((stored) => {
      kept.delete(key);
      this.view.close();
      if (shown === this) shown = null;
      // Not by `location.hash`, which is followed before the new connection is known.
      if (stored !== null) history.pushState(null, "", address(stored));
      load().then(() => main.focus({ preventScroll: true })).catch(() => {});
    });
    this.element = this.view.element;
  }

  go() {
    document.title = `${this.key === "new" ? "New connection" : "Edit"} · ad-connector`;
  }

  restart() {
    this.view.restart?.();
  }

  close() {
    if (this.view.unsaved) return void kept.set(this.key, this);
    kept.delete(this.key);
    return this.view.close();
  }
}

function page({ key, name }) {
  if (kept.has(key)) return kept.get(key);
  if (key === "none") return new NoConnection();
  if (key === "new") return new FormPage(key, null, (finished) => newView(finished));
  if (key === `edit/${name}`) return new FormPage(key, name, (finished) => editView(name, { finished, address }));
  return key === "" ? new Several(known, address) : new Shown(name);
}

function route() {
  if (!loaded) return;
  const at = place();
  if (shown?.key !== at.key) {
    shown?.close();
    shown = page(at);
    main.replaceChildren(shown.element);
  }
  shown.go(at);
  others();
}

/** Links to the connections, where there are several, and to the page that makes one. */
function others() {
  const nav = document.getElementById("connections");
  const several = known.size > 1 || (known.size === 1 && shown instanceof FormPage);
  const link = (connection) => {
    const [word, tone] = standing(connection);
    return el("a", { href: address(connection.name), "aria-current": connection.name === shown?.name && "page" },
      given(connection.name), el("small", { "data-tone": tone === "bad" && tone }, word));
  };
  put(nav,
    known.size > 1 && el("a", { href: "#/", "aria-current": shown?.key === "" && "page" }, "All"),
    several && [...known.values()].map(link),
    el("a", { href: "#/new", class: "new", "aria-current": shown?.key === "new" && "page" }, "New connection"));
}

async function load() {
  const now = await connections();
  const gone = new Set(known.keys());
  for (const connection of now) {
    gone.delete(connection.name);
    if (connection.name !== shown?.name) known.set(connection.name, connection);
  }
  for (const name of gone) known.delete(name);
  loaded = true;
  route();
  if (shown.name === null) {
    if (known.size > 0) put(document.getElementById("version"), known.values().next().value.version);
    status("live", "Live");
  }
}

async function start() {
  takeToken();
  put(document.getElementById("zone"), zone);
  tokenButton(document.getElementById("token-button"), () => load().catch(() => {}));
  setInterval(tick, 1000);
  window.addEventListener("hashchange", () => {
    if (takeToken()) load().catch(() => {});
    route();
    if (shown?.name === null) load().catch(() => {});
    main.focus({ preventScroll: true });
  });
  window.addEventListener("pagehide", () => shown?.pause?.());
  window.addEventListener("pageshow", (event) => { if (event.persisted) shown?.restart?.(); });
  document.addEventListener("token", () => { if (!loaded) load().catch(() => {}); });
  document.addEventListener("connections", () => load().catch(() => {}));
  document.addEventListener("rights", () => {
    shown?.restart?.();
    if (!shown?.name) load().catch(() => {});
  });
  for (;;) {
    try {
      await load();
    } catch (error) {
      if (error.status === 401 || error.status === 403) {
        if (!loaded) put(main, problem(error, "The service wants to know who asks"));
        status("refused", "Not let in");
        if (token.get() === null) await askForToken("This service shows nothing without its token.");
      } else {
        status("away", "The service does not answer. Trying again …");
        if (!loaded) put(main, problem(error));
      }
    }
    // Of the connection shown its own stream tells; the list is asked for again and again.
    const one = () => known.size > 0 && shown?.name !== null;
    for (let waited = 0; waited === 0 || (waited < OTHERS && one()); waited += AGAIN) {
      await new Promise((resolve) => setTimeout(resolve, AGAIN));
    }
  }
}

start();
