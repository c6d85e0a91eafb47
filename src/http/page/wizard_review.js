// Review and Confirm: everything that was typed, step by step, with the way back to each.

import { el, given } from "./dom.js";
import { inWords } from "./draft.js";
import { fieldDate } from "./wizard_schedule.js";

/** What is shown of each step: title, its index, and the keys with their names. */
const PARTS = [
  ["Basic Details", 0, [
    ["name", "Name"], ["description", "Description"], ["directory.host", "Host"], ["directory.domain", "Domain"], ["directory.site", "Site"],
    ["directory.transport", "Transport"], ["directory.port", "Port"], ["directory.auth", "Authentication"], ["directory.bindDn", "Bind DN"],
    ["directory.password", "Password"], ["directory.certificate", "CA certificate"], ["directory.certificateSha256", "Pinned certificates"],
    ["directory.serverName", "Name in the certificate"], ["upstream.connectorUuid", "Connector UUID"], ["upstream.source", "Source"],
  ]],
  ["Profile", 1, [
    ["profile.baseContext", "Base context"], ["profile.searchScope", "Search scope"], ["profile.assets", "Assets"], ["profile.userFilter", "User filter"],
    ["profile.groupFilter", "Group filter"], ["profile.computerFilter", "Computer filter"], ["profile.roleFilter", "Role filter"], ["profile.membersOf", "Members of"], ["profile.delta", "Changes"],
    ["profile.pageSize", "Objects a page"], ["removals.objects", "Removed objects"], ["removals.maxCount", "Removals held back above"],
    ["removals.maxPercent", "Or above, per cent"], ["removals.lag", "Gone after"],
  ]],
  ["Mapping", 2, [["mapping", "Table"]]],
  ["Schedule", 3, [["schedule", "Runs"], ["baseline", "Baseline"]]],
];
/** Keys that are shown although nothing was typed for them. */
const ALWAYS = ["profile.baseContext", "mapping", "schedule", "baseline"];
const NOTHING = { "profile.baseContext": "the whole domain", mapping: "built-in table", schedule: "only by hand", baseline: "default" };

const STANDINGS = {
  tested: "The connection is tested as it stands here.",
  stored: "Address and account are as they are stored.",
  untested: "The connection was not tested as it stands here.",
};

/** A schedule in words. */
export function scheduleInWords(schedule) {
  if (!schedule) return "only by hand";
  const { cron, runFrequency, recurrence, daysOfWeek = [], once, startDate, startTime, timezone } = schedule;
  const when = [startDate && `from ${fieldDate(startDate)}`, startTime && `at ${startTime}`, timezone].filter(Boolean).join(" ");
  if (cron) return `cron ${cron} ${timezone ?? ""}`.trim();
  if (runFrequency) return `every ${runFrequency.hours ?? 0} h ${runFrequency.minutes ?? 0} min ${when}`.trim();
  if (once) return `once ${[fieldDate(startDate), startTime, timezone].filter(Boolean).join(" ")}`;
  return `${(recurrence ?? "").toLowerCase()}${daysOfWeek.length > 0 ? ` on ${daysOfWeek.join(", ")}` : ""} ${when}`.trim();
}

function value(body, key) {
  const found = key.split(".").reduce((value, part) => value?.[part], body);
  const empty = found === null || found === undefined || found === "" || (Array.isArray(found) && found.length === 0);
  if (key === "baseline" && found === null) return "off";
  if (key === "schedule" && found === undefined) return "default";
  if (empty) return ALWAYS.includes(key) ? el("span", { class: "quiet" }, NOTHING[key]) : null;
  if (key === "schedule" || key === "baseline") return given(scheduleInWords(found));
  return given(inWords(key, found));
}

/** A configuration in full; `link(index)` is what leads to a step, if anything does. */
export function described(body, link = () => null) {
  return PARTS.map(([title, index, keys]) => el("section", { class: "group", "aria-label": title },
    el("div", { class: "line" }, el("h3", {}, title), link(index, title)),
    el("dl", { class: "plain wide" }, keys.map(([key, label]) => [label, value(body, key)]).filter(([, shown]) => shown !== null)
      .map(([label, shown]) => el("div", {}, el("dt", {}, label), el("dd", {}, shown))))));
}

/** The step. */
export function reviewStep({ draft, name, go, standing }) {
  const element = el("div", { class: "stack" });
  return {
    title: "Review and Confirm",
    element,
    fields: [],
    shown() {
      const link = (index, title) => el("button", { type: "button", class: "quiet", "data-change": index, "aria-label": `Change ${title}`, click: () => go(index) }, "Change");
      element.replaceChildren(
        el("p", { class: "hint", "data-standing": standing() }, STANDINGS[standing()]),
        ...described(draft.body, link),
        el("p", { class: "hint" }, name === null
          ? "“Create” registers the connection. It then waits for its schedule; “Sync now” on its page begins the first run at once."
          : "“Save” replaces the configuration. A run that goes on ends first, with what it began."));
    },
  };
}
