// The head of a connection, the same above every view: where it stands, what it does, what went wrong, what can be asked of it.

import { post } from "./api.js";
import { announce, counted, distance, duration, el, given, number, problem, put, time } from "./dom.js";
import { manageLine } from "./manage.js";
import { withToken } from "./token.js";

const STATES = ["Registered", "Scheduled", "Processing", "Processed"];
const PHASES = { connecting: "Connecting", reading: "Reading", examining: "Examining", delivering: "Delivering" };
const KINDS = { users: "Users", groups: "Groups", computers: "Computers", roles: "Roles" };
const COUNTS = {
  read: "Read",
  unchanged: "Unchanged",
  changed: "Changed",
  sent: "Sent to ETM",
  accepted: "Accepted by ETM",
  rejected: "Rejected by ETM",
  unmapped: "Not mapped",
  removed: "Removed",
  held: "Held back",
};
/** Rows of the table that are shown when nothing was counted in them as well. */
const ALWAYS = ["read", "unchanged", "accepted"];

export const OUTCOMES = {
  processed: ["Processed", "good"],
  partial: ["Some rejected", "warn"],
  failed: ["Failed", "bad"],
  stopped: ["Stopped", "idle"],
  interrupted: ["Interrupted", "bad"],
};

/** A word for how a run ended. */
export function outcome(run) {
  const [ended, tone] = OUTCOMES[run.outcome] ?? ["Running", "busy"];
  const word = run.outcome === "partial" && total(run.counts, "held") > 0 ? "Held back" : ended;
  return el("span", { class: "badge", "data-tone": tone }, word);
}

/** Counts of a run by kind: a column a kind, a row for each outcome that occurred. */
export function countsTable(counts, caption) {
  const kinds = Object.keys(KINDS).filter((kind) => counts[kind]);
  if (kinds.length === 0) return el("p", { class: "quiet" }, "No object was read.");
  const rows = Object.entries(COUNTS).filter(([key]) => ALWAYS.includes(key) || kinds.some((kind) => counts[kind][key] > 0));
  return el("table", { class: "counts" },
    el("caption", { class: "unseen" }, caption),
    el("thead", {}, el("tr", {}, el("td", {}), kinds.map((kind) => el("th", { scope: "col" }, KINDS[kind])))),
    el("tbody", {}, rows.map(([key, label]) => el("tr", {},
      el("th", { scope: "row" }, label),
      kinds.map((kind) => el("td", { "data-zero": !counts[kind][key] }, number(counts[kind][key] ?? 0)))))));
}

/** Sum of one count over all kinds. */
export function total(counts, key) {
  return Object.values(counts ?? {}).reduce((sum, kind) => sum + (kind[key] ?? 0), 0);
}

/** The controller that was read, with the sites of both sides where they are known. */
export function controller(run) {
  if (run.controllerSite === null || run.clientSite === null) return run.controllerHost;
  if (run.clientSite === "") return `${run.controllerHost}, site ${run.controllerSite}; no subnet of the directory holds the connector’s address`;
  return `${run.controllerHost}, site ${run.controllerSite}; the connector is in site ${run.clientSite}`;
}

/** A name and its value. */
export function fact(name, ...value) {
  return el("div", {}, el("dt", {}, name), el("dd", {}, value));
}

/** The way to what an error is about: the objects that it counts, or the run that failed. */
export function leads(connection, address) {
  const to = (text, ...rest) => el("a", { href: address(connection.name, ...rest) }, text);
  const [held, rejected] = ["held", "rejected"].map((key) => total(connection.counts, key));
  const run = connection.lastRun;
  const ways = [
    held > 0 && to(`${counted(held, "removal")} held back`, "attention", "held"),
    rejected > 0 && to(`${counted(rejected, "rejected object")}`, "attention", "rejected"),
    run?.error && to(`Run ${number(run.run)}`, "overview", run.run),
  ].filter(Boolean);
  return el("p", { class: "leads" }, ways.map((way, at) => [at > 0 && " · ", way]));
}

export class Head {
  #name;
  #address;
  #last = null;
  #progress = null;
  #begun = null;
  #manage;
  #parts = {};

  /** `address(name, view, object)` is where a view is shown. */
  constructor(name, address) {
    this.#name = name;
    this.#address = address;
    this.#manage = manageLine(address);
    const part = (key, element) => (this.#parts[key] = element);
    const action = (mode, label, why, attributes) => part(mode, el("button", {
      type: "button", "data-action": mode, title: why, click: () => this.#ask(mode, label), ...attributes,
    }, label));
    this.element = el("div", { class: "head" },
      el("div", { class: "title" },
        el("div", {}, el("h1", {}, given(name), " ", part("off", el("span", { class: "badge", hidden: true }, "Disabled"))), part("about", el("p", { class: "quiet" })), this.#manage.element),
        el("div", { class: "actions" },
          action("delta", "Sync now", "Reads what changed since the last run", { class: "primary" }),
          action("baseline", "Baseline", "Reads everything, and sends what differs"))),
      part("asked", el("div", { class: "asked" })),
      el("section", { class: "card", "aria-label": "State" },
        part("states", el("ol", { class: "states" })),
        part("facts", el("dl", { class: "facts" })),
        part("standing", el("p", { class: "standing quiet" }))),
      part("restored", el("section", { class: "card error", "aria-label": "Restored state file", hidden: true })),
      part("error", el("section", { class: "card error", "aria-label": "Last error", hidden: true })),
      part("activity", el("section", { class: "card activity", "aria-label": "Activity" })));
  }

  /** Shows a connection as it is now. */
  update(connection) {
    if (this.#last && this.#last.state !== connection.state) announce(`${this.#name}: ${connection.state}`);
    this.#last = connection;
    this.#progress = connection.progress;
    if (this.#begun && connection.lastRun?.run >= this.#begun.run) {
      put(this.#parts.asked, el("p", { class: "quiet" }, `${this.#begun.label}: run ${this.#begun.run} has ended`));
      this.#begun = null;
    }
    this.#show();
  }

  /** With what the last run did and what the present one does, or without. */
  full(full) {
    this.#parts.activity.hidden = !full;
  }

  /** Shows how far the run is. */
  progress(progress) {
    if (this.#progress?.phase !== progress.phase) announce(PHASES[progress.phase] ?? progress.phase);
    this.#progress = progress;
    this.#activity();
  }

  #show() {
    const now = this.#last;
    this.#manage.update(now);
    this.#parts.off.hidden = !now.disabled;
    put(this.#parts.about,
      now.description ? [given(now.description), " · "] : null,
      given(now.directory), " → ", given(now.upstream));
    put(this.#parts.states, STATES.map((state) => {
      const present = state === now.state;
      return el("li", { "aria-current": present && "step", "data-state": state },
        el("span", { class: "name" }, state),
        el("span", { class: "since" }, present ? ["since ", time(now.stateSince)] : time(now.states?.[state])));
    }));
    const never = now.lastSynced === null ? "no run yet" : distance(now.lastSynced);
    put(this.#parts.facts,
      fact("Last run", time(now.lastSynced), el("small", {}, never)),
      fact("Last success", time(now.lastSuccessfulSync), el("small", {}, distance(now.lastSuccessfulSync) || "–")),
      fact("Last complete baseline", time(now.lastCompleteBaseline), el("small", {}, distance(now.lastCompleteBaseline) || "–")),
      fact("Next run", time(now.nextSync), el("small", {}, distance(now.nextSync), now.runFrequency ? [now.nextSync && " · ", el("code", {}, now.runFrequency)] : "only by hand")),
      fact(now.baselineDue ? "Baseline due since" : "Next baseline", time(now.nextBaseline), el("small", {}, distance(now.nextBaseline), now.baselineFrequency ? [" · ", el("code", {}, now.baselineFrequency)] : "off")),
      ...(now.heldBy ? [fact("Held by", now.heldBy, el("small", {}, "instance"))] : []));
    put(this.#parts.standing, standing(now));
    this.#parts.error.hidden = !now.lastError;
    if (now.lastError) put(this.#parts.error,
      el("h2", {}, "The last run did not succeed"),
      problem({ reason: now.lastError, remedy: now.lastErrorRemedy }),
      leads(now, this.#address));
    this.#parts.restored.hidden = !now.restoredAt;
    if (now.restoredAt) put(this.#parts.restored,
      el("h2", {}, "The state file was restored from an older copy"), problem({
        reason: "ETM may hold other versions than it records",
        remedy: "run `ad-connector sync --baseline --resend`, which sends everything",
      }));
    for (const mode of ["delta", "baseline"]) {
      const button = this.#parts[mode];
      // Not `disabled`, which would take the keyboard's place on the page away.
      button.setAttribute("aria-disabled", String(!now.changesAllowed || now.disabled === true || now.state === "Processing"));
    }
    if (!now.changesAllowed) put(this.#parts.asked, el("p", { class: "quiet" }, "Changes are off: set ", el("code", {}, "HTTP_TOKEN"), " to allow them."));
    this.#activity();
  }

  #activity() {
    const now = this.#last;
    if (now.state === "Processing") put(this.#parts.activity, this.#running());
    else if (now.lastRun) put(this.#parts.activity, ended(now.lastRun));
    else put(this.#parts.activity, el("h2", {}, "No run yet"), el("p", { class: "quiet" }, now.nextSync ? ["The first one is due ", distance(now.nextSync)] : "None is scheduled."));
  }

  #running() {
    const progress = this.#progress;
    if (!progress) return [el("h2", {}, "A run goes on"), el("p", { class: "quiet" }, "Another process executes it, such as ", el("code", {}, "ad-connector sync"), "; it shows its progress there.")];
    const known = total(this.#last.counts, "accepted");
    const expected = progress.mode === "baseline" && known >= progress.read ? known : null;
    const done = progress.phase === "delivering" || progress.phase === "examining";
    return [
      el("div", { class: "line" },
        el("h2", {}, `Run ${progress.run}: ${progress.mode}`),
        el("p", { class: "quiet" }, "asked by ", given(progress.askedBy), ", ", duration(progress.elapsedSeconds))),
      el("ol", { class: "phases", "aria-label": "Phase" }, Object.entries(PHASES).map(([phase, word]) =>
        el("li", { "aria-current": phase === progress.phase && "step" }, word))),
      bar("Read from the directory", progress.read, done ? progress.read : expected, done),
      bar("Accepted by ETM", progress.accepted, progress.staged, done && progress.accepted === progress.staged),
      el("p", { class: "quiet" }, progress.rejected > 0 ? `${counted(progress.rejected, "object")} rejected so far` : "Nothing rejected so far"),
    ];
  }

  async #ask(mode, label) {
    const now = this.#last;
    if (!now?.changesAllowed || now.disabled || now.state === "Processing") return;
    try {
      const started = await withToken(`${label} needs the token.`, () => post(this.#name, ["sync"], { mode }));
      const told = started ? `${label}: run ${started.run} has begun` : `${label}: not started, it needs the token`;
      this.#begun = started && { run: started.run, label };
      put(this.#parts.asked, el("p", { class: "quiet" }, told));
      announce(told);
    } catch (error) {
      put(this.#parts.asked, problem(error, `${label}: not started`));
      announce(`${label}: ${error.reason ?? error.message}`);
    }
  }
}

/** What of the directory is where, in one line. */
function standing(now) {
  const kinds = Object.keys(KINDS).filter((kind) => now.counts[kind]);
  const held = kinds.map((kind) => `${number(now.counts[kind].accepted)} ${KINDS[kind].toLowerCase()}`).join(", ");
  const [pending, rejected, back, removed] = ["pending", "rejected", "held", "removed"].map((key) => total(now.counts, key));
  const told = [
    `In ETM: ${held || "nothing yet"}`,
    pending > 0 && ["waiting: ", number(pending), now.oldestPending && [", the oldest since ", time(now.oldestPending)], now.backlogThrough && [", through at about ", time(now.backlogThrough)]],
    rejected > 0 && `rejected: ${number(rejected)}`,
    back > 0 && `held back: ${number(back)}`,
    removed > 0 && `removed: ${number(removed)}`,
    now.skippedTicks > 0 && `${counted(now.skippedTicks, "tick")} of the schedule fell into a run`,
  ].filter(Boolean);
  return told.map((part, at) => [at > 0 && " · ", part]);
}

function bar(label, value, most, full) {
  const known = most !== null && most !== undefined;
  return el("div", { class: "bar" },
    el("span", {}, label),
    el("progress", { "aria-label": label, max: known ? Math.max(most, 1) : 1, value: known ? (full ? Math.max(most, 1) : value) : false }),
    el("span", { class: "of" }, number(value), known && most !== value ? ` of ${number(most)}` : null));
}

function ended(run) {
  return [
    el("div", { class: "line" }, el("h2", {}, `Last run: ${run.mode}`), outcome(run)),
    el("div", { class: "split" },
      el("div", {},
        el("p", {}, given(run.reason)),
        el("p", { class: "quiet" }, `Run ${run.run}, asked by `, given(run.askedBy), ", ", time(run.started), `, took ${duration(run.seconds)}; `,
          `${counted(run.requests, "request")} to ETM, ${counted(run.pages, "page")} of the directory`,
          run.referrals > 0 ? `, ${counted(run.referrals, "referral")} not followed` : null, "."),
        run.controllerHost && el("p", { class: "quiet" }, "Controller ", given(controller(run)), ": ", given(run.controllerChoice), ".")),
      countsTable(run.counts, "What the last run did")),
  ];
}
