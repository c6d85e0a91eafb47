// What can be done with a connection as a whole: edit, disable, enable, delete. Only those made here or by the API can be changed here.

import { post, remove, stored } from "./api.js";
import { announce, el, given, problem, put } from "./dom.js";
import { labelled, line, tick, ticked } from "./field.js";
import { withToken } from "./token.js";

/** The commands in the head of a connection; `update(connection)` shows them as they apply. */
export function manageLine(address) {
  const element = el("p", { class: "manage" });
  const said = el("div", { role: "status" });
  const toggle = async (name, act, word) => {
    try {
      const done = await withToken(`${word} needs the token.`, () => post(name, [act], {}));
      if (done) announce(`${name}: ${act}d`);
      put(said);
    } catch (error) {
      put(said, problem(error, `Not ${act}d`));
    }
  };
  return {
    element: el("div", {}, element, said),
    update({ name, origin, disabled }) {
      // A service of an older version says nothing of the origin.
      if (!origin) return put(element);
      const edit = el("a", { href: address(name, "edit"), "data-action": "edit" }, origin === "api" ? "Edit" : "Settings");
      if (origin !== "api") return put(element, edit);
      const [act, word] = disabled ? ["enable", "Enable"] : ["disable", "Disable"];
      // What has the focus keeps it while nothing changes.
      const now = [origin, disabled].join();
      if (element.dataset.now === now) return undefined;
      element.dataset.now = now;
      const focused = document.activeElement?.dataset.action;
      element.replaceChildren(edit, " ",
        el("button", { type: "button", class: "link", "data-action": act, click: () => toggle(name, act, word) }, word), " ",
        el("button", { type: "button", class: "link bad", "data-action": "delete", click: () => confirmed(name) }, "Delete …"));
      if (focused === "enable" || focused === "disable") element.querySelector(`[data-action=${act}]`).focus();
      return undefined;
    },
  };
}

/** Asks for the name of the connection before it is deleted. */
function confirmed(name) {
  const note = el("div", { role: "status" });
  let purge = false;
  const purging = ticked(null, "Also forget its history and its removed objects", tick(false, (on) => { purge = on; }), { hint: "Otherwise both stay until they are purged." });
  const typed = labelled(null, "Name of the connection", line("", () => fits(), { "data-part": "confirm" }), { required: true });
  const button = el("button", { class: "danger", "data-action": "confirm-delete", "aria-disabled": "true" }, "Delete");
  const fits = () => {
    const fit = typed.control.value.trim() === name;
    button.setAttribute("aria-disabled", String(!fit));
    return fit;
  };
  const go = async (event) => {
    event.preventDefault();
    if (!fits()) return typed.mark({ reason: "this is not its name" });
    try {
      const done = await withToken("Deleting needs the token.", async () => {
        const { tag } = await stored(name);
        await remove(name, tag, purge);
        return true;
      });
      if (!done) return undefined;
      dialog.close();
      announce(`${name} is deleted`);
      document.dispatchEvent(new CustomEvent("connections"));
      location.hash = "#/";
    } catch (error) {
      put(note, problem(error, "Not deleted"));
    }
    return undefined;
  };
  const dialog = el("dialog", { "aria-labelledby": "delete-title" }, el("form", { submit: go },
    el("h2", { id: "delete-title" }, "Delete ", given(name), "?"),
    el("p", {}, "A run that goes on ends first. ETM is told nothing: what it holds of this directory stays there until its purge rules remove it."),
    el("p", {}, "Type the name to confirm."),
    typed.element, purging.element, note,
    el("div", { class: "buttons" }, el("button", { type: "button", click: () => dialog.close() }, "Cancel"), button)));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  typed.focus();
}
