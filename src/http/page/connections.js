// All connections, one below the other: where each stands, and why one does not.

import { leads } from "./connection.js";
import { distance, el, given, problem, put, time } from "./dom.js";

/** Word and tone for where a connection stands. */
export function standing(connection) {
  if (connection.state === "Processing") return ["Processing", "busy"];
  if (connection.disabled) return ["Disabled", "idle"];
  if (connection.lastError) return ["failed", "bad"];
  return [connection.state, connection.state === "Processed" ? "good" : "idle"];
}

/** The page of a service without any connection. */
export class NoConnection {
  name = null;
  key = "none";

  constructor() {
    this.element = el("article", { class: "card stack first", "aria-label": "Connections" },
      el("h1", {}, "No connection yet"),
      el("p", {}, "A connection is one directory, read on a schedule and sent to Qualys ETM."),
      el("p", {}, "The wizard asks for:"),
      el("ul", { class: "bullets" }, [
        "the host name of a domain controller, or the domain",
        "an account that may read users and groups, with its password",
        "the certificate of the authority that issued the controller’s, for LDAPS",
        "the connector’s UUID from the Qualys console",
      ].map((need) => el("li", {}, need))),
      el("p", {}, el("a", { href: "#/new", class: "button primary", "data-action": "new" }, "New connection")),
      el("p", { class: "quiet" }, "It can also be written down: in ", el("code", {}, ".env"), " or, for several, in ", el("code", {}, "connections.toml"), "."));
    document.title = "ad-connector";
  }

  go() {}

  close() {}
}

/** The list; `address(name)` is where a connection is shown. */
export class Several {
  /** No connection is shown by itself. */
  name = null;
  key = "";
  #known;
  #address;
  #items = el("ul", { class: "stack several" });

  constructor(known, address) {
    this.#known = known;
    this.#address = address;
    this.element = el("article", { "aria-label": "Connections" }, el("h1", {}, "Connections"), this.#items);
    document.title = "Connections · ad-connector";
  }

  /** Shows every connection as it is known now. */
  go() {
    put(this.#items, [...this.#known.values()].map((connection) => this.#one(connection)));
  }

  close() {}

  #one(now) {
    const [word, tone] = standing(now);
    return el("li", { class: "card", "data-connection": now.name },
      el("div", { class: "line" },
        el("h2", {}, el("a", { href: this.#address(now.name) }, given(now.name))),
        el("span", { class: "badge", "data-tone": tone }, word)),
      el("p", { class: "quiet" }, now.description ? [given(now.description), " · "] : null, given(now.directory), " → ", given(now.upstream)),
      el("p", {}, "Last success ", time(now.lastSuccessfulSync), ", next run ", time(now.nextSync), " ", el("span", { class: "quiet" }, distance(now.nextSync))),
      now.lastError ? [problem({ reason: now.lastError, remedy: now.lastErrorRemedy }), leads(now, this.#address)] : null);
  }
}
