// The token that names of people and changes need: taken from a link that carries it, asked for when it is needed, and shown in
// the header whether this tab has one.

import { get, token, typed } from "./api.js";
import { announce, el, problem, put } from "./dom.js";

/** A browser that was let in by password (beyond loopback) sends that by itself; on loopback nobody asked yet. */
const open = /^(localhost|.*\.localhost|127\..*|\[::1\])$/.test(location.hostname);

/** The variables that hold a token with which names are read. */
const BOTH = ["HTTP_TOKEN", "HTTP_READ_TOKEN"];

/** Takes the token out of an address that carries it (`#token=…`), and leaves the rest of the address; gives whether there was one. */
export function takeToken() {
  const [, carried, rest] = location.hash.match(/^#token=([^/]*)(.*)$/) ?? [];
  if (carried === undefined) return false;
  history.replaceState(null, "", `${location.pathname}#${rest || "/"}`);
  try {
    token.set(decodeURIComponent(carried));
  } catch {
    // Cut off in the middle of a character: no token at all.
  }
  return true;
}

/** Asks for the token; gives whether there is one now. `why` says what it is needed for, `names` are the variables that hold one. */
export function askForToken(why, names = ["HTTP_TOKEN"]) {
  const field = el("input", { id: "token", type: "password", autocomplete: "off", required: true, spellcheck: "false", "aria-describedby": "token-why" });
  const dialog = el("dialog", { class: "ask", "aria-labelledby": "token-title" });
  return new Promise((resolve) => {
    const given = (event) => {
      event.preventDefault();
      token.set(field.value.trim());
      dialog.close();
    };
    const form = el("form", { submit: given },
      el("h2", { id: "token-title" }, "Token"),
      el("p", { id: "token-why" }, why, " It is the value of ", names.map((name, at) => [at > 0 && " or ", el("code", {}, name)]), ", kept in this tab until it is closed."),
      el("label", { for: "token" }, "Token"),
      field,
      el("div", { class: "buttons" },
        el("button", { type: "button", click: () => dialog.close() }, "Cancel"),
        el("button", { class: "primary" }, "Use it")));
    dialog.append(form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(Boolean(field.value && token.get()));
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * Does what needs the token: asks for it before where nobody did yet, and again when it was refused. Gives what `act`
 * gives, or undefined when the viewer has none.
 */
export async function withToken(why, act) {
  if (open && !token.get() && !(await askForToken(why))) return undefined;
  for (;;) {
    const shown = token.get() !== null;
    try {
      return await act();
    } catch (error) {
      const reads = error.error === "read_only";
      if (error.status !== 401 && !reads) throw error;
      if (!reads) token.set(null);
      const refused = reads ? "That token only reads." : "The service refused that token.";
      if (!(await askForToken(shown ? `${refused} ${why}` : why))) return undefined;
    }
  }
}

/**
 * A view with names of people: what `build` makes of the connection as soon as the service shows names, and before that the way
 * to the token.
 */
export function namesView(name, build, connection) {
  const element = el("div", { class: "stack" });
  let now = connection;
  let view = null;
  let stop = new AbortController();

  const close = () => {
    stop.abort();
    view?.close();
    view = null;
  };
  const ask = async () => {
    if (await askForToken("Names of people need the token.", BOTH)) reopen();
  };
  const without = () => el("section", { class: "card", "aria-labelledby": "names-title" },
    el("h2", { id: "names-title" }, "Names need the token"),
    el("p", { class: "quiet" }, "What is here names people, so the service shows it with the token only."),
    el("button", { type: "button", class: "primary", "data-action": "token", click: ask }, "Enter token"));
  const reopen = async () => {
    close();
    // What is sure to be refused is not asked for. Where there is perhaps no token at all, the service says so.
    if (open && !token.get() && now.changesAllowed) return put(element, without());
    const { signal } = (stop = new AbortController());
    try {
      await get(name, ["rejected"], { limit: 1 }, signal);
      if (signal.aborted) return;
      view = build(now);
      element.replaceChildren(view.element);
    } catch (error) {
      if (signal.aborted) return;
      put(element, error.status === 401 ? without() : el("section", { class: "card" }, problem(error)));
    }
  };
  reopen();
  return {
    element,
    reopen,
    update(connection) {
      now = connection;
      view?.update(connection);
    },
    refresh: () => (view ? view.refresh() : reopen()),
    close,
  };
}

/**
 * A view that changes something: what `build` makes, `{element, unsaved, close}`, as soon as the service lets this tab change
 * something, and before that the way to the token. `why` says what it is needed for.
 */
export function changesView(why, build) {
  const element = el("div", { class: "stack" });
  let view = null;
  let stop = new AbortController();
  const without = (error = null) => el("section", { class: "card stack", "aria-labelledby": "changes-title" },
    el("h1", { id: "changes-title" }, "Changes need the token"),
    error ? problem(error) : el("p", { class: "quiet" }, why),
    el("button", { type: "button", class: "primary", "data-action": "token", click: async () => { if (await askForToken(why)) reopen(); } }, "Enter token"));
  const reopen = async () => {
    const { signal } = (stop = new AbortController());
    try {
      // Any call that only the token for changes is let through to; without one too, since the service may have none.
      await typed("mapping", { mapping: null }, signal);
      if (signal.aborted || view) return undefined;
      const built = await build();
      if (signal.aborted || view) return built.close();
      view = built;
      element.replaceChildren(view.element);
    } catch (error) {
      if (signal.aborted) return undefined;
      const asks = error.status === 401 || error.error === "read_only";
      put(element, asks ? without(token.get() ? error : null) : el("section", { class: "card stack" }, el("h1", {}, "Connections cannot be changed here"), problem(error)));
    }
    return undefined;
  };
  reopen();
  return {
    element,
    get unsaved() { return view?.unsaved ?? false; },
    /** Asks again with another token; what is open stays as it is. */
    restart: () => { if (!view) reopen(); },
    close() {
      stop.abort();
      view?.close();
    },
  };
}

/** The button in the header; `check` asks the service for something, which says whether the token is one. */
export function tokenButton(button, check) {
  const show = () => {
    const has = token.get() !== null;
    put(button, has ? "Forget token" : "Enter token");
    button.title = has ? "This tab shows the token" : "Names of people and changes need the token";
  };
  button.addEventListener("click", async () => {
    if (token.get()) {
      token.set(null);
      announce("Token forgotten");
    } else if (await askForToken("Names of people and changes need the token.", BOTH)) {
      announce("Token kept in this tab");
      check();
    }
  });
  document.addEventListener("token", show);
  show();
}
