// A configuration that someone else replaced while it was edited here: what differs, and the two ways on. Nothing typed is lost.

import { el, given } from "./dom.js";
import { Draft, inWords, same } from "./draft.js";

/** `theirs` is stored now; `keep()` is for saving what was changed here over it, `discard()` for beginning anew from it. */
export function conflict({ draft, theirs, keep, discard }) {
  const changes = Draft.differences(draft.original, theirs);
  const mine = (key) => key.split(".").reduce((value, part) => value?.[part], draft.body);
  const heads = ["Setting", "When you began", "Stored now", "Yours"];
  const cells = ({ key, left, right }) => [el("code", {}, key), ...[left, right].map((value) => given(inWords(key, value))), same(mine(key), left) ? el("span", { class: "quiet" }, "not changed") : given(inWords(key, mine(key)))];
  return el("div", { class: "problem", role: "group", "aria-label": "Changed meanwhile" },
    el("p", { class: "heading" }, "The connection was changed meanwhile"),
    el("p", {}, "Someone else saved it after you began. What you typed is still here, and nothing of it is stored."),
    changes.length > 0 && el("table", { class: "rows" },
      el("caption", { class: "unseen" }, "What was changed meanwhile"),
      el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, changes.map((change) => el("tr", {}, cells(change).map((cell, at) => el("td", { "data-label": heads[at] }, cell)))))),
    el("p", {}, el("strong", {}, "What to do: "), "keep what you changed, which takes all else from what is stored now; or give it up and begin anew."),
    el("div", { class: "buttons" },
      el("button", { type: "button", "data-action": "keep-mine", click: keep }, "Keep mine"),
      el("button", { type: "button", class: "danger", "data-action": "discard", click: discard }, "Give mine up")));
}
