// Schedule: the four forms, or by hand alone; the next runs in the zone of the viewer and in that of the schedule.

import { typed } from "./api.js";
import { el, problem, prose, put, zone } from "./dom.js";
import { choice, labelled, line, settled, tick } from "./field.js";

const FORMS = [
  ["runFrequency", "Every so often", "hours and minutes between two runs"],
  ["recurrence", "Daily or weekly", "at a time of day"],
  ["once", "Once", "at a date and time"],
  ["cron", "Cron expression", "5, 6 or 7 fields"],
  ["none", "Only by hand"],
];
const DAYS = [["MON", "Monday"], ["TUE", "Tuesday"], ["WED", "Wednesday"], ["THU", "Thursday"], ["FRI", "Friday"], ["SAT", "Saturday"], ["SUN", "Sunday"]];

/** The names of the zones that the browser knows. */
const ZONES = Intl.supportedValuesOf?.("timeZone") ?? [];

/** The form of a schedule. */
function formOf(schedule) {
  if (schedule === null || schedule === undefined) return "none";
  return ["runFrequency", "recurrence", "once"].find((form) => form in schedule) ?? "cron";
}

/** A date as the field has it (`2026-12-01`), of one as the service has it (`12/01/2026`), and back. */
export function fieldDate(date) {
  const [, month, day, year] = date?.match(/^(\d\d?)\/(\d\d?)\/(\d{4})$/) ?? [];
  return year ? `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}` : "";
}
export function sentDate(date) {
  const [, year, month, day] = date.match(/^(\d{4})-(\d\d)-(\d\d)$/) ?? [];
  return year ? `${month}/${day}/${year}` : null;
}

/** Today, where the viewer is. */
function today() {
  const now = new Date();
  return new Date(now.getTime() - now.getTimezoneOffset() * 60000).toISOString().slice(0, 10);
}

/** A moment in a zone; where the browser does not know the zone, as it is. */
function moment(text, timeZone) {
  try {
    return new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short", timeZone }).format(new Date(text));
  } catch {
    return text;
  }
}

/** The step. */
export function scheduleStep({ draft, refused, changed: told }) {
  const stored = draft.get("schedule");
  let form = stored === undefined ? "cron" : formOf(stored);
  const first = { ...(stored ?? {}) };
  /** What is typed in any of the forms; only what belongs to the chosen one is sent. */
  const at = {
    cron: first.cron ?? "*/15 * * * *",
    hours: first.runFrequency?.hours ?? (form === "runFrequency" ? 0 : 1), minutes: first.runFrequency?.minutes ?? 0,
    recurrence: first.recurrence ?? "DAILY", daysOfWeek: first.daysOfWeek ?? [],
    startDate: first.startDate ?? null, startTime: first.startTime ?? null, timezone: first.timezone ?? (stored === null ? zone : "UTC"),
  };
  function schedule() {
    const { timezone } = at;
    const start = { startDate: at.startDate, startTime: at.startTime };
    if (form === "none") return null;
    if (form === "cron") return { cron: at.cron, timezone };
    if (form === "once") return { once: true, ...start, timezone };
    if (form === "recurrence") return { recurrence: at.recurrence, daysOfWeek: at.recurrence === "WEEKLY" ? at.daysOfWeek : [], ...start, timezone };
    const begins = Object.fromEntries(Object.entries(start).filter(([, value]) => value));
    return { runFrequency: { hours: at.hours, minutes: at.minutes }, ...(Object.keys(begins).length > 0 ? { ...begins, timezone } : {}) };
  }
  const runs = el("div", { role: "status" });
  const next = settled(async (signal) => {
    if (form === "none") return put(runs, el("p", { class: "quiet" }, "It runs when someone asks for it: “Sync now”, the API or the command line."));
    try {
      const answer = await typed("schedule", { schedule: schedule() }, signal);
      for (const field of fields) field.mark(null);
      put(runs, nextRuns(answer, at.timezone || "UTC"));
    } catch (error) {
      if (signal.aborted) return undefined;
      for (const field of fields) field.mark(null);
      refused(error, { quietly: true });
      put(runs, error.fields?.length > 0 ? el("p", { class: "quiet" }, "No run is known: something here needs a correction.") : problem(error, "No run is known"));
    }
    return undefined;
  });
  const set = (key, read = (value) => value) => (value) => {
    at[key] = read(value);
    changed();
  };
  function changed() {
    draft.set("schedule", schedule());
    show();
    told();
    next.soon();
  }
  const number = (value) => (/^\d+$/.test(value) ? Number(value) : value === "" ? 0 : value);
  const start = (kind, key, label, value, read, options) => labelled(`schedule.${key}`, label, line(value, set(key, read), { type: kind, maxlength: null, spellcheck: null }), options);

  const forms = choice("schedule", "When it runs", FORMS, form, (value) => {
    form = value;
    // These begin on a day, at a time.
    if (form === "recurrence" || form === "once") {
      at.startDate ??= sentDate(today());
      at.startTime ??= "02:00";
      startDate.control.value = fieldDate(at.startDate);
      startTime.control.value = at.startTime;
    }
    changed();
  });
  const cron = labelled("schedule.cron", "Cron expression", line(at.cron, set("cron"), { class: "code" }), { required: true, hint: "minute hour day month weekday; seconds before and a year behind are possible." });
  const hours = labelled("schedule.runFrequency.hours", "Hours", line(at.hours, set("hours", number), { inputmode: "numeric", maxlength: 4 }), { required: true });
  const minutes = labelled("schedule.runFrequency.minutes", "Minutes", line(at.minutes, set("minutes", number), { inputmode: "numeric", maxlength: 4 }), { required: true });
  const recurrence = choice("schedule.recurrence", "Repeats", [["DAILY", "Daily"], ["WEEKLY", "Weekly"]], at.recurrence, set("recurrence"));
  const days = choice("schedule.daysOfWeek", "Days of the week", [], null, () => {});
  const boxes = DAYS.map(([day, label]) => {
    const box = tick(at.daysOfWeek.includes(day), (checked) => set("daysOfWeek")(DAYS.map(([each]) => each).filter((each) => (each === day ? checked : at.daysOfWeek.includes(each)))));
    box.id = `day-${day}`;
    return el("div", { class: "radio" }, box, el("label", { for: box.id }, label));
  });
  days.element.querySelector("legend").after(el("div", { class: "days" }, boxes));
  days.focus = () => boxes[0].querySelector("input").focus();
  const startDate = start("date", "startDate", "Start date", fieldDate(at.startDate), sentDate, { required: true, hint: "The first day. An interval can do without date and time." });
  const startTime = start("time", "startTime", "Start time", at.startTime, (value) => value || null, { required: true });
  const zones = el("datalist", { id: "zones" }, ZONES.map((name) => el("option", { value: name })));
  const timezone = labelled("schedule.timezone", "Time zone", line(at.timezone, set("timezone"), { list: "zones", placeholder: "UTC" }), { required: true, after: zones });
  const baseline = baselineFields(draft, told);
  const fields = [forms, cron, hours, minutes, recurrence, days, startDate, startTime, timezone, ...baseline.fields];

  function show() {
    const uses = {
      cron: [cron, timezone], runFrequency: [hours, minutes, startDate, startTime, timezone],
      recurrence: [recurrence, ...(at.recurrence === "WEEKLY" ? [days] : []), startDate, startTime, timezone], once: [startDate, startTime, timezone], none: [],
    }[form];
    for (const field of [cron, hours, minutes, recurrence, days, startDate, startTime, timezone]) field.element.hidden = !uses.includes(field);
  }
  const element = el("div", { class: "stack" },
    el("section", { class: "group", "aria-label": "Runs" }, forms.element,
      cron.element, recurrence.element, days.element,
      el("div", { class: "fields two" }, hours.element, minutes.element),
      el("div", { class: "fields two" }, startDate.element, startTime.element), timezone.element),
    el("section", { class: "group", "aria-labelledby": "next-title" }, el("h3", { id: "next-title" }, "Next runs"), runs),
    baseline.element);
  show();
  return { title: "Schedule", element, fields, shown: () => next.now(), close: () => next.stop() };
}

/** The schedule of complete reads. */
function baselineFields(draft, told) {
  const stored = draft.get("baseline");
  const cron = labelled("baseline.cron", "Baseline", line(stored === null ? "off" : stored?.cron, (value) => {
    if (value === "") draft.drop("baseline");
    else draft.set("baseline", { cron: value, timezone: zones.control.value.trim() || "UTC" });
    told();
  }, { class: "code", placeholder: "0 2 * * SUN" }), { hint: "Cron expression of the runs that read everything; off means none." });
  const zones = labelled("baseline.timezone", "Time zone of the baseline", line(stored?.timezone, (value) => {
    if (cron.control.value.trim() === "") return;
    draft.set("baseline", { cron: cron.control.value.trim(), timezone: value || "UTC" });
    told();
  }, { list: "zones", placeholder: "UTC" }));
  const more = el("details", { class: "more" }, el("summary", {}, "Baseline: complete reads"), el("div", { class: "fields two" }, cron.element, zones.element));
  more.open = Boolean(stored);
  return { element: more, fields: [cron, zones] };
}

function nextRuns({ nextRuns: runs, text }, timezone) {
  if (runs.length === 0) return el("p", { class: "quiet" }, "No run is left.");
  const heads = [`Here (${zone})`, `There (${timezone})`];
  return [
    text ? el("p", {}, prose(text)) : null,
    el("table", { class: "rows next-runs" },
      el("caption", { class: "unseen" }, "Next runs in both time zones"),
      el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, runs.map((run) => el("tr", {}, [zone, timezone].map((each, at) => el("td", { "data-label": at === 0 ? "Here" : "There" }, el("time", { datetime: run }, moment(run, each)))))))),
  ];
}
