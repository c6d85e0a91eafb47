// The mapping table as it is in force.

import { get } from "./api.js";
import { el, given, problem, put } from "./dom.js";

const TITLES = { user: "Users", group: "Groups", computer: "Computers", role: "Roles" };

/** What a row takes its value from. */
export function ruleOf(row) {
  if (row.sources.length === 0) return [el("span", { class: "quiet" }, "constant "), given(JSON.stringify(row.constant), { class: "code" })];
  return row.sources.map((source, at) => [at > 0 ? ", else " : null, el("span", { class: "code" }, source.attribute)]);
}

/** A path of the asset, which may break after its dots. */
export function target(path) {
  return el("span", { class: "code" }, path.split(/(?<=\.)/).map((key, at) => [at > 0 && el("wbr"), key]));
}

function table(kind) {
  const heads = ["Source", "Form", "Target", "Rule"];
  const cells = (row) => [
    ruleOf(row),
    [...new Set(row.sources.map((source) => source.form))].join(", ") || "–",
    target(row.target),
    [row.required ? "required" : "optional", row.default !== null && [", default ", given(JSON.stringify(row.default), { class: "code" })]],
  ];
  return el("section", { "aria-label": TITLES[kind.kind] },
    el("h3", {}, TITLES[kind.kind], kind.synced ? null : el("small", {}, " not read: not in AD_ASSETS")),
    el("table", { class: "rows" },
      el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, kind.rows.map((row) => el("tr", {}, cells(row).map((cell, at) => el("td", { "data-label": heads[at] }, cell)))))));
}

/** The view of a connection's mapping. */
export function mappingView(name) {
  const stop = new AbortController();
  const body = el("div", { class: "stack" });
  const element = el("section", { class: "card", "aria-labelledby": "mapping-title" }, el("h2", { id: "mapping-title" }, "Mapping"), body);
  const refresh = async () => {
    try {
      const mapping = await get(name, ["mapping"], {}, stop.signal);
      put(body,
        el("p", { class: "quiet" }, "In force: ", given(mapping.source)),
        mapping.kinds.filter((kind) => kind.rows.length > 0).map(table),
        mapping.removed.length > 0 && el("section", { "aria-label": "Removed objects" },
          el("h3", {}, "Removed objects"),
          el("p", { class: "quiet" }, "With REMOVED_OBJECTS=send, added to the last asset."),
          el("dl", { class: "plain" }, mapping.removed.map((row) => el("div", {}, el("dt", { class: "code" }, row.target), el("dd", {}, given(JSON.stringify(row.value))))))));
    } catch (error) {
      if (!stop.signal.aborted) put(body, problem(error));
    }
  };
  refresh();
  return { element, update() {}, refresh() {}, close: () => stop.abort() };
}
