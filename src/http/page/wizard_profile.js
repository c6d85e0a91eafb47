// Profile: which part of the directory is read, checked and counted by the service while it is typed.

import { looked } from "./api.js";
import { counted, el, given, problem, put } from "./dom.js";
import { choice, labelled, line, lines, select, settled, tick, ticked } from "./field.js";
import { containerTree } from "./tree.js";

const SCOPES = [["subtree", "Everything below it"], ["onelevel", "What is right below it"], ["base", "This object alone"]];
const KINDS = [["users", "Users"], ["groups", "Groups"], ["computers", "Computers"], ["roles", "Roles"]];
const FILTERS = { users: ["profile.userFilter", "User filter"], groups: ["profile.groupFilter", "Group filter"], computers: ["profile.computerFilter", "Computer filter"], roles: ["profile.roleFilter", "Role filter"] };
const NARROWS = { hint: "LDAP filter that narrows what is read." };
const SELECTS = { required: true, hint: "LDAP filter for the groups that are sent as roles, instead of as groups." };
const SINGULAR = { users: "user", groups: "group", computers: "computer", roles: "role" };
const DELTAS = [["", "By USN (default)"], ["usn", "By USN"], ["dirsync", "By DirSync"], ["off", "Off: every run reads everything"]];
const REMOVALS = [["", "Report them (default)"], ["report", "Report them"], ["send", "Report them, and tell ETM"]];

/** A group a line: names are DNs, which hold commas. */
function linesOf(text) {
  return text.split("\n").map((part) => part.trim()).filter((part) => part !== "");
}

/** The step. */
export function profileStep({ draft, name, refused, changed: told }) {
  const counts = el("div", { class: "reads", role: "status" });
  const check = settled(async (signal) => {
    put(counts, el("p", { class: "quiet" }, "Counting …"));
    try {
      const answer = await looked("browse", { connection: draft.body, of: name, dn: draft.get("profile.baseContext") }, signal);
      for (const field of fields) field.mark(null);
      put(counts, reads(answer.counts));
    } catch (error) {
      if (signal.aborted) return;
      for (const field of fields) field.mark(null);
      const elsewhere = refused(error, { quietly: true });
      put(counts, error.fields?.length > 0 && !elsewhere ? el("p", { class: "quiet" }, "Not counted: something here needs a correction.") : problem(error, "Not counted"));
    }
  }, 600);
  const set = (key, read = (value) => value) => (value) => {
    draft.set(key, read(value));
    told();
    check.soon();
  };
  const number = (value) => (/^\d+$/.test(value) ? Number(value) : value);
  const text = (key, label, options, attributes) => labelled(key, label, line(draft.get(key), set(key), attributes), options);

  const base = text("profile.baseContext", "Base context", { hint: "The DN below which is read. Without one, the whole domain." }, { class: "code", placeholder: "OU=Staff,DC=corp,DC=example" });
  const tree = containerTree("Containers of the directory", {
    // Of the whole domain, whatever is typed as the base.
    below: (dn, signal) => looked("browse", { connection: { ...draft.body, profile: { ...draft.body.profile, baseContext: null } }, of: name, dn }, signal),
    chosen(dn) {
      base.control.value = dn;
      set("profile.baseContext")(dn);
    },
  });
  const choose = el("button", { type: "button", "data-action": "browse", "aria-expanded": "false", click: () => {
    const open = choose.getAttribute("aria-expanded") !== "true";
    choose.setAttribute("aria-expanded", String(open));
    tree.element.hidden = !open;
    if (open) tree.load();
  } }, "Choose from the tree");
  tree.element.hidden = true;

  const wanted = () => draft.get("profile.assets") ?? ["users", "groups"];
  const kinds = KINDS.map(([kind, label]) => {
    const box = tick(wanted().includes(kind), (checked) => {
      const now = new Set(wanted());
      if (checked) now.add(kind);
      else now.delete(kind);
      set("profile.assets")(KINDS.map(([each]) => each).filter((each) => now.has(each)));
      filters();
    });
    box.id = `kind-${kind}`;
    return el("div", { class: "radio" }, box, el("label", { for: box.id }, label));
  });
  const assets = choice("profile.assets", "Assets", [], null, () => {});
  assets.element.querySelector("legend").after(...kinds);
  assets.focus = () => kinds[0].querySelector("input").focus();
  const filterFields = Object.entries(FILTERS).map(([kind, [key, label]]) => [kind, text(key, label, kind === "roles" ? SELECTS : NARROWS, { class: "code", placeholder: kind === "roles" ? "(cn=Role*)" : "(department=IT)" })]);
  function filters() {
    for (const [kind, field] of filterFields) field.element.hidden = !wanted().includes(kind);
  }
  const members = labelled("profile.membersOf", "Members of groups", lines((draft.get("profile.membersOf") ?? []).join("\n"), set("profile.membersOf", linesOf), { rows: 2, class: "code", placeholder: "CN=Employees,OU=Groups,DC=corp,DC=example" }), {
    hint: "DNs of groups, one a line: only their members are read, those of groups within them too. Every run then reads everything.",
  });
  const fields = [
    base,
    labelled("profile.searchScope", "Search scope", select(SCOPES, draft.get("profile.searchScope") ?? "subtree", set("profile.searchScope")), { required: true }),
    assets, ...filterFields.map(([, field]) => field), members,
    labelled("profile.delta", "Changes since the last run", select(DELTAS, draft.get("profile.delta"), set("profile.delta"))),
    labelled("profile.pageSize", "Objects a page", line(draft.get("profile.pageSize"), set("profile.pageSize", number), { inputmode: "numeric", placeholder: "1000" })),
    labelled("removals.objects", "Objects that are gone", select(REMOVALS, draft.get("removals.objects"), set("removals.objects"))),
    labelled("removals.maxCount", "Removals held back above", line(draft.get("removals.maxCount"), set("removals.maxCount", number), { inputmode: "numeric", placeholder: "500" })),
    labelled("removals.maxPercent", "Or above this share, per cent", line(draft.get("removals.maxPercent"), set("removals.maxPercent", number), { inputmode: "numeric", placeholder: "10" })),
    labelled("removals.lag", "Time until a missed object counts as gone", line(draft.get("removals.lag"), set("removals.lag"), { placeholder: "24h" })),
  ];
  const [, scope] = fields;
  const rest = fields.slice(fields.indexOf(members) + 1);
  const more = el("details", { class: "more" }, el("summary", {}, "Reading and removals"), el("div", { class: "fields two" }, rest.map((field) => field.element)));
  const element = el("div", { class: "stack" },
    el("section", { class: "group", "aria-label": "Where" }, el("h3", {}, "Where"), base.element, choose, tree.element, scope.element),
    el("section", { class: "group", "aria-label": "What" }, el("h3", {}, "What"), assets.element, filterFields.map(([, field]) => field.element), members.element),
    more,
    el("section", { class: "group", "aria-labelledby": "reads-title" }, el("h3", { id: "reads-title" }, "What it would read"), counts));
  filters();
  return {
    title: "Profile",
    element,
    fields,
    shown: () => check.now(),
    left: () => check.stop(),
    close() {
      check.stop();
      tree.close();
    },
  };
}

/** The counts by kind. */
function reads(kinds) {
  if (kinds.length === 0) return el("p", { class: "quiet" }, "Nothing.");
  return el("ul", { class: "kind-counts" }, kinds.map(({ kind, count, isComplete, reason }) => el("li", {},
    counted(count, SINGULAR[kind] ?? kind, kind), isComplete ? null : " or more", reason && [": ", given(reason, { class: "quiet" })])));
}

