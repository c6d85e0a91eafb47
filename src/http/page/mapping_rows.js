// The mapping table as rows that are added, changed and removed. One row is open at a time.

import { announce, el, given, put } from "./dom.js";
import { labelled, line, select, separated, tick, ticked } from "./field.js";
import { emptyRow, textOfValue, valueOf } from "./mapping_text.js";

export const TITLES = { user: "Users", group: "Groups", computer: "Computers", role: "Roles" };
const HEADS = ["Source", "Target", "Row"];
const FORMS = [
  ["", "natural form"], ["text", "text"], ["integer", "integer"], ["boolean", "boolean"], ["sid", "sid"], ["guid", "guid"],
  ["iso8601", "iso8601: moment as text"], ["epoch_ms", "epoch_ms: moment as number"], ["group_type", "group_type"],
  ["account_enabled", "account_enabled"], ["account_status", "account_status"], ["uac_flags", "uac_flags"], ["dn_name", "dn_name"], ["list", "list"],
];

/** A path, which may break after its dots. */
function path(text) {
  return el("span", { class: "code" }, text.split(/(?<=\.)/).map((key, at) => [at > 0 && el("wbr"), given(key)]));
}

/** The editor with the rows; `changed(table)` is told of every change as it is typed. `table` is changed in place. */
export function rowEditor(table, changed) {
  const element = el("div", { class: "stack" });
  /** The value that the open row gives for the object of the preview. */
  const result = el("p", { class: "result", role: "status" });
  /** The row that is open, and as it was before. */
  let open = null;
  let before = null;

  function cells(row) {
    const fixed = row.constant !== null;
    return [
      el("div", {}, fixed ? given(JSON.stringify(row.constant), { class: "code" }) : row.sources.map((source, at) => [at > 0 ? ", else " : null, given(source, { class: "code" })]),
        el("small", {}, fixed ? "constant" : row.form ?? "natural form")),
      el("div", {}, path(row.target),
        el("small", {}, row.required ? "required" : "optional", row.fallback !== null && [", default ", given(JSON.stringify(row.fallback), { class: "code" })])),
    ];
  }
  function shown(kind, row, at) {
    const name = `${row.constant !== null ? "constant" : row.sources.join(", ")} to ${row.target}`;
    const buttons = el("div", { class: "row-buttons" },
      el("button", { type: "button", class: "quiet", "data-action": "change-row", "aria-label": `Change ${name}`, click: () => begin(row) }, "Change"),
      el("button", { type: "button", class: "quiet", "data-action": "remove-row", "aria-label": `Remove ${name}`, click: () => drop(kind, row, at) }, "Remove"));
    return el("tr", { "data-target": row.target }, [...cells(row), buttons].map((cell, column) => el("td", { "data-label": HEADS[column] }, cell)));
  }
  function editor(kind, row) {
    const update = (act) => (value) => {
      act(value);
      changed(table);
    };
    const constant = ticked(null, "A constant, the same for every object", tick(row.constant !== null, update((on) => {
      row.constant = on ? valueOf(source.control.value.trim()) : null;
      form.element.hidden = on;
      if (!on) row.sources = separated(source.control.value);
    })));
    const source = labelled(null, "Source", line(row.constant !== null ? textOfValue(row.constant) : row.sources.join(", "), update((text) => {
      if (constant.control.checked) row.constant = valueOf(text);
      else row.sources = separated(text);
    }), { class: "code", "data-part": "source", placeholder: "mail, userPrincipalName" }), { required: true, hint: "Attributes, of which the first that has a value counts." });
    const form = labelled(null, "Form", select(FORMS, row.form, update((value) => { row.form = value || null; }), { "data-part": "form" }), { required: true });
    const target = labelled(null, "Target", line(row.target, update((text) => { row.target = text; }), { class: "code", "data-part": "target" }), { required: true, hint: "Keys joined by dots, beginning with asset." });
    const fallback = labelled(null, "Default", line(textOfValue(row.fallback), update((text) => { row.fallback = text === "" ? null : valueOf(text); }), { "data-part": "default" }), { hint: "true, false and whole numbers are taken as such; “\"42\"” is a text." });
    const required = ticked(null, "Required: an object without it is rejected", tick(row.required, update((on) => { row.required = on; })));
    form.element.hidden = row.constant !== null;
    const inside = el("fieldset", { class: "row-editor", keydown: (event) => { if (event.key === "Escape") undo(kind); } },
      el("legend", {}, before === null ? "New row" : "Change the row"),
      el("div", { class: "fields two" }, source.element, target.element, form.element, fallback.element), constant.element, required.element, result,
      el("div", { class: "buttons" },
        el("button", { type: "button", "data-action": "undo-row", click: () => undo(kind) }, before === null ? "Remove it" : "Undo"),
        el("button", { type: "button", "data-action": "done-row", click: done }, "Done")));
    return el("tr", { "data-open": true }, el("td", { colspan: HEADS.length }, inside));
  }
  function show() {
    element.replaceChildren(...table.kinds.map(({ kind, rows }) => el("section", { "aria-label": TITLES[kind] ?? kind, "data-kind": kind },
      el("h3", {}, TITLES[kind] ?? kind),
      el("table", { class: "rows" },
        el("thead", {}, el("tr", {}, HEADS.map((head) => el("th", { scope: "col" }, head === "Row" ? el("span", { class: "unseen" }, "Change or remove") : head)))),
        el("tbody", {}, rows.map((row, at) => (row === open ? editor(kind, row) : shown(kind, row, at))))),
      el("button", { type: "button", class: "quiet", "data-action": "add-row", click: () => add(kind) }, `Add a row for ${(TITLES[kind] ?? kind).toLowerCase()}`))));
  }
  function begin(row) {
    put(result);
    open = row;
    before = structuredClone(row);
    show();
    element.querySelector("[data-part=source]").focus();
  }
  function add(kind) {
    const row = emptyRow(kind);
    table.kinds.find((each) => each.kind === kind).rows.push(row);
    put(result);
    open = row;
    before = null;
    show();
    element.querySelector("[data-part=source]").focus();
  }
  function close(row) {
    open = null;
    show();
    // The place on the page stays where the row is.
    const again = row && [...element.querySelectorAll("tr[data-target]")].find((each) => each.dataset.target === row.target);
    (again?.querySelector("button") ?? element.querySelector("button"))?.focus();
  }
  function done() {
    close(open);
    changed(table);
  }
  function undo(kind) {
    const row = open;
    const { rows } = table.kinds.find((each) => each.kind === kind);
    if (before === null) rows.splice(rows.indexOf(row), 1);
    else Object.assign(row, before);
    close(before === null ? null : row);
    changed(table);
  }
  function drop(kind, row, at) {
    const { rows } = table.kinds.find((each) => each.kind === kind);
    rows.splice(rows.indexOf(row), 1);
    show();
    announce(`Removed the row of ${row.target}`);
    const left = [...element.querySelectorAll(`[data-kind=${kind}] tr[data-target]`)];
    (left[Math.min(at, left.length - 1)]?.querySelector("[data-action=remove-row]") ?? element.querySelector(`[data-kind=${kind}] [data-action=add-row]`)).focus();
    changed(table);
  }
  show();
  return {
    element,
    /** Shows what the open row gives, in a preview. */
    previewed({ rows }) {
      const found = rows.find((each) => each.target === open?.target);
      if (!found) return put(result);
      return put(result, "Gives ", found.value === null ? el("span", { class: "quiet" }, found.outcome === "absent" ? "nothing, so that the key is left out" : found.outcome)
        : given(typeof found.value === "string" ? found.value : JSON.stringify(found.value), { class: "code" }));
    },
    /** Opens a row, which the service found a mistake in. */
    open(kind, at) {
      const row = table.kinds.find((each) => each.kind === kind)?.rows[at];
      if (row && row !== open) begin(row);
      else element.querySelector("[data-part=source]")?.focus();
    },
  };
}
