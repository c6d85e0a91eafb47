// What ETM holds of the directory: searched, listed, and one asset in full beside what it was made of.

import { get } from "./api.js";
import { fact } from "./connection.js";
import { el, given, json, number, problem, put, time } from "./dom.js";
import { moreList } from "./list.js";
import { ruleOf, target } from "./mapping.js";
import { withToken } from "./token.js";
import { whyPanel } from "./why.js";

/** As the ETM console names them. */
const KINDS = [
  ["", "All", null],
  ["user", "Identity › User", "users"],
  ["group", "Identity › Group", "groups"],
  ["role", "Identity › Role", "roles"],
  ["computer", "Inventory › Computers", "computers"],
];
/** Typing is over when nothing came for this many milliseconds. */
const TYPED = 250;

/** The view of a connection's inventory; `address(guid)` is where one asset is shown. */
export function inventoryView(name, address, connection) {
  let kind = "";
  let typed;
  const field = el("input", { id: "search", type: "search", maxlength: 256, autocomplete: "off", spellcheck: "false", placeholder: "Name, mail, SID, GUID, DN" });
  const list = moreList({
    page: (after, signal) => get(name, ["inventory"], { q: field.value.trim(), kind, limit: 50, after }, signal),
    show: (item) => el("li", { "data-key": item.vendorAssetId }, row(item, address(item.vendorAssetId))),
    empty: "Nothing in ETM matches.",
  });
  const counts = KINDS.map(() => el("small", {}));
  const choices = KINDS.map(([value, label], at) => el("label", {},
    el("input", { type: "radio", name: "kind", value, checked: value === "", change: () => { kind = value; list.restart(); } }),
    el("span", {}, label, " ", counts[at])));
  const why = whyPanel(name, field);
  const search = (event) => {
    event.preventDefault();
    clearTimeout(typed);
    list.restart();
  };
  field.addEventListener("input", () => {
    why.clear();
    clearTimeout(typed);
    typed = setTimeout(() => list.restart(), TYPED);
  });
  const element = el("section", { class: "card", "aria-labelledby": "inventory-title" },
    el("h2", { id: "inventory-title" }, "Inventory"),
    el("form", { class: "search", role: "search", submit: search },
      el("label", { for: "search" }, "Search"), field,
      el("fieldset", { class: "kinds" }, el("legend", { class: "unseen" }, "Kind"), choices),
      el("button", { type: "button", "data-action": "why", title: "Asks the directory and the state for this one object, also where ETM has none of it", click: why.ask }, "Why is it in ETM, or not?")),
    why.element,
    list.element);
  const update = (now) => KINDS.forEach(([, , plural], at) => {
    const known = plural === null
      ? Object.values(now.counts).reduce((sum, counted) => sum + counted.accepted, 0)
      : now.counts[plural]?.accepted ?? 0;
    put(counts[at], number(known));
  });
  update(connection);
  list.reload();
  return { element, update, refresh: () => list.reload(), close: () => { clearTimeout(typed); why.close(); list.close(); } };
}

function row(item, address) {
  return el("a", { class: "asset", href: address },
    el("span", { class: "kind", "data-kind": item.kind }, item.kind),
    el("span", { class: "who" },
      given(item.name ?? item.dn, { class: "name" }),
      item.displayName && item.displayName !== item.name ? [" ", given(item.displayName)] : null),
    given(item.mail ?? "", { class: "mail" }),
    given(item.externalAssetId, { class: "sid" }));
}

/** The view of one asset. */
export function assetView(name, guid, back) {
  const stop = new AbortController();
  const body = el("div", {}, el("p", { class: "quiet" }, "Loading …"));
  const element = el("section", { class: "card", "aria-label": "Asset" }, el("p", {}, el("a", { href: back }, "← Inventory")), body);
  const show = async () => {
    try {
      const [asset, mapping] = await Promise.all([
        get(name, ["inventory", guid], {}, stop.signal),
        get(name, ["mapping"], {}, stop.signal),
      ]);
      put(body, ...full(name, asset, mapping));
    } catch (error) {
      if (!stop.signal.aborted) put(body, el("h2", {}, "Not there"), problem(error));
    }
  };
  show();
  return { element, update() {}, refresh() {}, close: () => stop.abort() };
}

function full(name, item, mapping) {
  const rows = mapping.kinds.find((kind) => kind.kind === item.kind)?.rows ?? [];
  const beside = el("div", { class: "beside" });
  const note = el("div", {});
  const asked = async () => {
    put(note, el("p", { class: "quiet" }, "Reading the directory …"));
    try {
      const preview = await withToken("Reading an object in the directory needs the token.", () => get(name, ["inventory", item.vendorAssetId, "preview"]));
      if (!preview) return put(note);
      put(beside, previewTable(preview));
      put(note, verdict(preview));
    } catch (error) {
      put(note, problem(error, "The directory was not read"));
    }
  };
  put(beside, acceptedTable(rows, item.asset));
  return [
    el("h2", { class: "long" }, given(item.name ?? item.displayName ?? item.dn)),
    el("dl", { class: "plain" },
      fact("DN", given(item.dn)),
      fact("SID", given(item.externalAssetId, { class: "code" })),
      fact("GUID", el("span", { class: "code" }, item.vendorAssetId)),
      fact("Accepted", time(item.acceptedAt), ` by run ${item.acceptedRun}`)),
    item.pending && pending(item.pending),
    el("div", { class: "split asset-split" },
      el("section", { "aria-labelledby": "rows-title" },
        el("div", { class: "line" }, el("h3", { id: "rows-title" }, "Mapping"),
          el("button", { type: "button", click: asked }, "Read it in the directory")),
        note, beside),
      el("section", { "aria-labelledby": "json-title" },
        el("h3", { id: "json-title" }, "Asset as ETM accepted it"),
        el("pre", { tabindex: 0, role: "region", "aria-labelledby": "json-title" }, json(item.asset)))),
  ];
}

function pending(pending) {
  const what = pending.removal ? "Its removal waits" : "A newer version waits";
  return el("div", { class: "problem", "data-tone": pending.reason ? "bad" : "warn" },
    el("p", { class: "heading" }, pending.reason ? "A newer version was rejected" : what),
    el("p", {}, "Staged ", time(pending.stagedAt), pending.rejectedAt && [", rejected ", time(pending.rejectedAt)], "."),
    pending.reason && el("p", { class: "reason" }, given(pending.reason)));
}

/** The value at a path of an asset, `asset.a.b`. */
function at(asset, path) {
  return path.split(".").reduce((value, key) => value?.[key], asset);
}

function value(found) {
  return found === undefined || found === null ? el("span", { class: "quiet" }, "left out") : given(typeof found === "string" ? found : JSON.stringify(found));
}

function table(rows, show) {
  return el("table", { class: "rows" },
    el("thead", {}, el("tr", {}, ["Source", "Target", "Value"].map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, show(row).map((cell, at) => el("td", { "data-label": ["Source", "Target", "Value"][at] }, cell))))));
}

function acceptedTable(rows, asset) {
  return table(rows, (row) => [ruleOf(row), target(row.target), value(at(asset, row.target))]);
}

/** The rows of the mapping with the values of an object. */
export function previewTable(preview) {
  return table(preview.rows, (row) => [
    row.sources.length === 0 ? "constant" : row.sources.map((source) => el("div", { class: "source", "data-used": source.used },
      el("span", { class: "code" }, source.attribute), " ",
      source.values.length === 0 ? el("span", { class: "quiet" }, "absent") : source.values.map((text) => given(text, { class: "raw" })))),
    [target(row.target), el("small", {}, row.form)],
    [row.value === null ? el("span", { class: "quiet" }, row.outcome === "absent" ? "left out" : row.outcome) : value(row.value),
      row.reason && el("p", { class: "reason" }, given(row.reason)),
      row.faults.map((fault) => el("p", { class: "reason" }, given(fault.attribute), ": ", given(fault.reason)))],
  ]);
}

function verdict(preview) {
  if (preview.unmappable) return problem({ reason: preview.unmappable }, "It cannot be mapped now");
  return el("p", { class: "quiet" }, preview.sameAsAccepted ? "The directory gives what ETM holds." : "The directory gives something else than ETM holds; the next run sends it.");
}
