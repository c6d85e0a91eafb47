// The last review of Qualys accounts: people with their partners, asset groups with owner and
// impact, who reaches a group and why, and what is new since the review before.

import { review } from "./api.js";
import { announce, counted, el, given, number, problem, put, time } from "./dom.js";
import { moreList } from "./list.js";

/** Kinds of findings in words, the gravest first. */
const CODES = {
  gone: "gone",
  disabled: "disabled",
  unmanaged_asset_group: "unmanaged asset group",
  role_without_group: "role without group",
  too_many_managers: "too many Managers",
  shared: "shared",
  never_used: "never used",
  dormant: "dormant",
  group_without_account: "group without account",
  out_of_scope: "out of scope",
  incomplete: "incomplete",
};

const REASONS = {
  "role-sees-all": "the role reaches every asset group",
  owner: "owns the group",
  assigned: "is assigned the group",
  "business-unit": "the group belongs to its business unit",
  "all-of-business-unit": "is assigned All of its business unit",
  "all-without-business-unit": "is assigned All without a business unit: those of the account owner",
};

const LISTS = { users: "Accounts", findings: "Findings", "asset-groups": "Asset groups", roles: "Roles" };

function code(name) {
  return el("small", { "data-tone": name === "gone" || name === "disabled" ? "bad" : "warn" }, CODES[name] ?? name);
}

function fact(name, value) {
  return value === null || value === undefined || value === "" ? null : [el("dt", {}, name), el("dd", {}, value)];
}

/** The partner of an account in one line. */
function partner({ state, dn, connection, by, enabled, expiresAt, candidates, reason }) {
  if (state === "found") {
    return [given(dn), enabled === false && " (disabled)", expiresAt && [" (expires ", time(expiresAt), ")"], el("span", { class: "quiet" }, ` ${connection}, by ${by}`)];
  }
  if (state === "ambiguous") return ["several: ", given(candidates.join(" | "))];
  if (state === "notFound") return "in no directory";
  return ["not known: ", given(reason)];
}

/** A moment, or the word that stands in its place. */
function login(last) {
  return /^\d/.test(last) ? time(last) : given(last);
}

function account(user) {
  return el("li", { "data-key": user.login ?? user.id ?? user.email }, el("details", {},
    el("summary", {}, given(user.login ?? user.name ?? "(not shown)"), " ", user.findings.map((name) => [code(name), " "]),
      el("span", { class: "quiet" }, [user.name, user.role, user.businessUnit].filter(Boolean).join(" · "))),
    el("dl", { class: "plain" },
      fact("Partner", partner(user.partner)),
      fact("Status", given(user.status)),
      fact("Role", user.role && given(user.role)),
      fact("Business unit", user.businessUnit && given(user.businessUnit)),
      fact("Last login", login(user.lastLogin)),
      fact("Created", user.createdAt && time(user.createdAt)),
      fact("E-mail", user.email && given(user.email)),
      fact("External id", user.externalId && given(user.externalId)),
      fact("Title", user.title && given(user.title)),
      fact("Extended permissions", user.extendedPermissions.length > 0 && given(user.extendedPermissions.join(", "))),
      fact("Never reported", user.allowed && "listed in REVIEW_ALLOW"),
      fact("Reaches", user.login && access({ login: user.login }, "assetGroup")))));
}

function finding(found) {
  const about = found.login ?? found.name ?? "";
  return el("li", { "data-key": `${found.code}/${about}/${found.reason}` }, el("details", {},
    el("summary", {}, code(found.code), " ", given(about), " ", el("span", { class: "quiet" }, given(found.reason))),
    el("dl", { class: "plain" }, found.evidence.map((one) => fact(`${one.source}: ${one.field}`, given(one.value))))));
}

function group(one) {
  return el("li", { "data-key": one.id ?? one.name }, el("details", {},
    el("summary", {}, given(one.name ?? one.id ?? "(not shown)"), " ",
      el("span", { class: "quiet" }, [one.ownerUserName ?? one.ownerUserId, one.businessImpact].filter(Boolean).join(" · "))),
    el("dl", { class: "plain" },
      fact("Owner", given(one.ownerUserName ?? one.ownerUserId ?? "not shown")),
      fact("Business impact", one.businessImpact && given(one.businessImpact)),
      fact("Hosts", one.hosts !== null && number(one.hosts)),
      fact("Updated", one.updatedAt && time(one.updatedAt)),
      fact("Who reaches it", one.name && access({ assetGroup: one.name }, "login")))));
}

function role(one) {
  return el("li", { "data-key": one.name }, given(one.name), " ",
    el("span", { class: "quiet" }, given(one.permissions ?? "a role that Qualys does not define"), ` · ${counted(one.accounts, "account")}, ${number(one.active)} active`));
}

/** Asks for the access only when it is wanted. */
function access(wanted, shown) {
  const place = el("div", {});
  const show = async () => {
    put(place, el("p", { class: "quiet" }, "Asking …"));
    try {
      const { items, total } = await review(["access"], { ...wanted, limit: 200 });
      put(place,
        items.length === 0 ? el("p", { class: "quiet" }, "None.") : el("ul", {}, items.map((one) => el("li", {},
          given(one[shown] === "*" ? "every asset group" : one[shown]), el("span", { class: "quiet" }, `: ${REASONS[one.reason] ?? one.reason}`)))),
        total > items.length && el("p", { class: "quiet" }, `and ${number(total - items.length)} more`));
    } catch (error) {
      put(place, problem(error));
    }
  };
  put(place, el("button", { type: "button", click: show }, "Show"));
  return place;
}

const SHOWS = { users: account, findings: finding, "asset-groups": group, roles: role };

function changed(title, findings) {
  if (findings.length === 0) return null;
  return el("details", {}, el("summary", {}, `${title} (${number(findings.length)})`), el("ul", { class: "items" }, findings.map(finding)));
}

function summary(standing, choose) {
  const counts = Object.entries(standing.counts).filter(([, count]) => count > 0);
  return [
    el("p", {}, "Made ", time(standing.at), `: ${counted(standing.users, "account")}, ${counted(standing.assetGroups, "asset group")}.`),
    !standing.complete && problem({ reason: "It is incomplete: what could not be seen is listed under incomplete, and nothing was concluded from it." }),
    counts.length === 0
      ? el("p", { class: "quiet" }, "Nothing found.")
      : el("p", {}, counts.map(([name, count]) => [el("button", { type: "button", class: "quiet", click: () => choose(name) }, `${CODES[name] ?? name} ${number(count)}`), " "])),
    standing.previousAt && el("p", { class: "quiet" }, "The review before was made ", time(standing.previousAt), "."),
    changed("New", standing.new),
    changed("Resolved", standing.resolved),
  ];
}

/** The view of the last review. */
export function reviewView() {
  const stop = new AbortController();
  const head = el("div", {});
  const kinds = el("select", { "aria-label": "List" }, Object.entries(LISTS).map(([name, title]) => el("option", { value: name }, title)));
  const codes = el("select", { "aria-label": "Finding" }, el("option", { value: "" }, "any finding or none"),
    Object.entries(CODES).map(([name, title]) => el("option", { value: name }, title)));
  const search = el("input", { type: "search", placeholder: "Name, role, unit, partner …", "aria-label": "Search", maxlength: 256 });
  const place = el("div", {});
  let list = null;
  const show = () => {
    list?.close();
    const kind = kinds.value;
    list = moreList({
      page: (after, signal) => review([kind], { q: search.value.trim(), code: codes.value, after }, signal),
      show: SHOWS[kind],
      empty: "Nothing here.",
      seen: (answer) => announce(`${counted(answer.total, "item")}`),
    });
    put(place, list.element);
    return list.reload();
  };
  const choose = (name) => {
    kinds.value = "findings";
    codes.value = name;
    show();
  };
  const refresh = async () => {
    try {
      put(head, ...summary(await review([], {}, stop.signal), choose));
    } catch (error) {
      if (stop.signal.aborted) return;
      put(head, problem(error));
      return;
    }
    await show();
  };
  kinds.addEventListener("change", show);
  codes.addEventListener("change", show);
  const form = el("form", { class: "search", submit: (event) => { event.preventDefault(); show(); } }, kinds, codes, search, el("button", {}, "Search"));
  const element = el("section", { class: "card", "aria-labelledby": "review-title" },
    el("h2", { id: "review-title" }, "Qualys accounts"), head, form, place);
  refresh();
  return { element, refresh, update() {}, close: () => { stop.abort(); list?.close(); } };
}
