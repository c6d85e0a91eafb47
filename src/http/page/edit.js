// The pages that make and change connections: the wizard for those that are made here, and for all others why not.

import { stored } from "./api.js";
import { el, given, problem } from "./dom.js";
import { changesView } from "./token.js";
import { wizard } from "./wizard.js";
import { described } from "./wizard_review.js";

/** Where a connection that is not made here is changed. */
const ELSEWHERE = {
  environment: ["It is defined by the variables of the service.", "change the `AD_…` variables, in `.env` or the environment, and restart the service"],
  file: ["It is defined in the file of connections.", "change `connections.toml`, and restart the service"],
};

/** The view that edits a stored connection, or says why it is not edited here. */
export function editView(name, { finished, address }) {
  const body = el("div", { class: "stack" }, el("p", { class: "empty" }, "Loading …"));
  let inside = null;
  const shown = { element: body, get unsaved() { return inside?.unsaved ?? false; }, restart: () => (inside ? inside.restart() : open()), close: () => inside?.close() };
  const open = async () => {
    try {
      const { connection, configuration } = await stored(name);
      if (connection.origin === "api") {
        inside = changesView("Editing a connection needs the token.", async () => {
          const { configuration, tag } = await stored(name);
          return wizard({ name, configuration, tag, finished });
        });
        return body.replaceChildren(inside.element);
      }
      const [reason, remedy] = ELSEWHERE[connection.origin] ?? ["It cannot be edited here.", null];
      const why = problem({ reason, remedy }, "It is not edited on this page");
      why.dataset.tone = "warn";
      return body.replaceChildren(
        el("h1", {}, "Settings of ", given(name)),
        el("section", { class: "card stack", "aria-labelledby": "settings-title" },
          el("h2", { id: "settings-title" }, "Settings"),
          why,
          configuration ? described(configuration) : el("p", { class: "quiet" }, "The settings themselves need the token."),
          el("p", {}, el("a", { href: address(name) }, "Back to the connection"))));
    } catch (error) {
      return body.replaceChildren(el("h1", {}, "Edit ", given(name)), el("section", { class: "card" }, problem(error)));
    }
  };
  open();
  return shown;
}

/** The view that makes a connection. */
export function newView(finished) {
  return changesView("Making a connection needs the token.", () => wizard({ finished }));
}
