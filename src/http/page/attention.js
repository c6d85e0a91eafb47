// What needs a person: removals held back by the threshold, objects that were rejected; and what is gone.

import { get, post } from "./api.js";
import { announce, counted, el, given, number, problem, put, time } from "./dom.js";
import { moreList } from "./list.js";
import { withToken } from "./token.js";

/** The side that keeps an object out of ETM. */
const ORIGINS = {
  upstream: " · rejected by ETM",
  mapping: " · cannot be mapped",
  identity: " · has the identity of another object",
};

/** How many objects of a connection need a person. */
export function needed(connection) {
  return Object.values(connection.counts).reduce((sum, counts) => sum + counts.held + counts.rejected, 0);
}

function held(connection) {
  return Object.values(connection.counts).reduce((sum, counts) => sum + counts.held, 0);
}

function object(item, when, tail = null) {
  return el("li", { "data-key": item.vendorAssetId },
    el("span", { class: "kind", "data-kind": item.kind }, item.kind),
    el("div", { class: "what" },
      el("p", { class: "dn" }, given(item.dn)),
      el("p", { class: "reason" }, given(item.reason), el("span", { class: "quiet" }, " · ", time(when), tail))));
}

function removals(name, state, tail, seen = undefined) {
  return moreList({
    page: (after, signal) => get(name, ["removed"], { state, limit: 50, after }, signal),
    show: (item) => object(item, item.at, tail(item)),
    empty: "None.",
    seen,
  });
}

/** The view of what needs attention; `list` (`held`, `rejected`) is what is shown first. */
export function attentionView(name, connection, list = undefined) {
  const close = [];
  const section = (id, title, text, list, ...more) => {
    close.push(list.close);
    return el("section", { class: "card", "aria-labelledby": id }, el("h2", { id }, title), el("p", { class: "quiet" }, text), more, list.element);
  };
  const heldList = removals(name, "held", () => null);
  const undecided = removals(name, "undecided", () => null, (answer) => (undecidedCard.hidden = answer.items.length === 0));
  const rejected = moreList({
    page: (after, signal) => get(name, ["rejected"], { limit: 50, after }, signal),
    show: (item) => object(item, item.since, ORIGINS[item.origin] ?? ""),
    empty: "None.",
  });
  const removed = removals(name, "removed", (item) => (item.sentAt ? " · sent to ETM" : null));
  const approval = el("div", { class: "approval" });
  const heldCard = section("held-title", "Held back",
    "So many objects seem to be gone that nothing at all is removed before a person has looked at them.", heldList, approval);
  const undecidedCard = section("undecided-title", "Not decided", "Missed, but not known to be gone. The next run looks them up again.", undecided);
  const element = el("div", { class: "stack" },
    heldCard,
    section("rejected-title", "Rejected", "Tried again by every run, and sent when nothing stands in the way any more.", rejected),
    undecidedCard,
    section("removed-title", "Removed", "Gone from the directory, newest first.", removed));
  undecidedCard.hidden = true;

  let now = connection;
  const update = (connection) => {
    if (connection.heldList !== now.heldList) heldList.reload();
    now = connection;
    heldCard.hidden = !now.heldList;
    put(approval, now.heldList ? [
      el("button", { type: "button", class: "danger", "data-action": "approve", click: () => approve(name, now, approval) },
        `Approve ${counted(held(now), "removal")} …`),
      el("span", { class: "quiet" }, "list ", el("code", {}, now.heldList)),
    ] : null);
  };
  const refresh = () => Promise.all([heldList, undecided, rejected, removed].map((list) => list.reload()));
  update(connection);
  // What stands above has its height by then.
  refresh().then(() => list && element.querySelector(`#${CSS.escape(list)}-title`)?.scrollIntoView());
  return { element, update, refresh, close: () => close.forEach((stop) => stop()) };
}

/** Shows the list once more, exactly, and lets it through when that is confirmed. */
function approve(name, connection, place) {
  const list = connection.heldList;
  const many = held(connection);
  const exact = removals(name, "held", () => null, (answer) => {
    if (answer.list !== list) changed();
  });
  const note = el("div", { role: "status" });
  const confirm = el("button", { type: "button", class: "danger", "data-action": "confirm", click: go }, `Let ${number(many)} be removed`);
  const dialog = el("dialog", { class: "wide", "aria-labelledby": "approve-title" },
    el("h2", { id: "approve-title" }, `Remove ${counted(many, "object")}?`),
    el("p", {}, connection.sendsRemovals
      ? "They are listed as removed, and ETM is told so."
      : "They are listed as removed. ETM is told nothing (REMOVED_OBJECTS=report); its purge rules age the assets out."),
    el("p", { class: "quiet" }, "An object that is back by then is not removed."),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Objects to be removed" }, exact.element),
    note,
    el("div", { class: "buttons" },
      el("button", { type: "button", autofocus: true, click: () => dialog.close() }, "Cancel"), confirm));

  function changed() {
    confirm.setAttribute("aria-disabled", "true");
    put(note, problem({ reason: "the list has changed meanwhile", remedy: "close this, and look at the new list" }));
  }
  async function go() {
    if (confirm.getAttribute("aria-disabled") === "true") return;
    try {
      const run = await withToken("Approving removals needs the token.", () => post(name, ["approve-removals"], { list }));
      if (!run) return;
      dialog.close();
      put(place, el("p", { role: "status" }, `Approved: run ${run.run} removes them.`));
      announce("Approved");
    } catch (error) {
      put(note, problem(error, "Nothing was approved"));
    }
  }
  dialog.addEventListener("close", () => {
    exact.close();
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
  exact.reload();
}
