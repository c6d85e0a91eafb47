// The wizard: a connection is typed step by step, tested, reviewed, and created or replaced. Nothing is stored before that.

import { create, replace, stored } from "./api.js";
import { announce, el, given, problem, put } from "./dom.js";
import { Draft } from "./draft.js";
import { fieldFor, summary } from "./field.js";
import { withToken } from "./token.js";
import { basicStep } from "./wizard_basic.js";
import { conflict } from "./wizard_conflict.js";
import { mappingStep } from "./wizard_mapping.js";
import { profileStep } from "./wizard_profile.js";
import { reviewStep } from "./wizard_review.js";
import { scheduleStep } from "./wizard_schedule.js";

const STEPS = [basicStep, profileStep, mappingStep, scheduleStep, reviewStep];
const TITLES = ["Basic Details", "Profile", "Mapping", "Schedule", "Review and Confirm"];

/**
 * The wizard for a new connection, or for the one called `name` as it is stored with `tag`. `finished(name)` is told what the
 * connection is called when it is stored.
 */
export function wizard({ name = null, configuration = null, tag = null, finished }) {
  const draft = new Draft(configuration);
  const steps = [];
  let at = 0;
  /** The furthest step that was reached: from there back, the steps can be gone to in any order. */
  let reached = name === null ? 0 : STEPS.length - 1;
  let revision = tag;
  let saving = false;
  /** Nothing is asked any more when the wizard leaves the page. */
  let over = false;
  const top = el("div", { class: "top-of-form" });
  const heading = el("h2", { tabindex: -1 });
  const place = el("div", {});
  const nav = el("ol", { class: "wizard-steps" });
  const note = el("p", { class: "mistake", role: "status" });
  const back = el("button", { type: "button", "data-action": "back", click: () => go(at - 1) }, "Back");
  const next = el("button", { type: "submit", class: "primary", "data-action": "next" }, "Next");
  const form = el("form", { class: "card wizard", novalidate: true, "aria-label": name === null ? "New connection" : `Edit ${name}`, submit: (event) => {
    event.preventDefault();
    if (at < STEPS.length - 1) forward();
    else save();
  } }, nav, top, heading, place, note, el("div", { class: "buttons" }, back, next));
  const element = el("article", { "aria-label": name === null ? "New connection" : "Edit connection" },
    el("h1", {}, name === null ? "New connection" : ["Edit ", given(name)]), form);
  const context = { draft, name, refused, unmark, changed, go, standing: () => step(0).standing() };
  const step = (index) => (steps[index] ??= STEPS[index](context));

  function changed() {
    put(note);
  }
  function links() {
    put(nav, TITLES.map((title, index) => el("li", { "aria-current": index === at && "step", "data-done": index < reached },
      index <= reached && index !== at
        ? el("button", { type: "button", class: "link", "data-step": index, click: () => go(index) }, title)
        : el("span", {}, title))));
  }
  /** Shows a step; `focus` is told to take the place of the heading. */
  function go(index, focus = () => heading.focus()) {
    steps[at]?.left?.();
    at = index;
    reached = Math.max(reached, index);
    const shown = step(index);
    put(heading, `${index + 1}. ${shown.title}`);
    place.replaceChildren(shown.element);
    put(note);
    links();
    back.hidden = index === 0;
    put(next, nextWord());
    shown.shown?.();
    focus();
    announce(`Step ${index + 1} of ${STEPS.length}: ${shown.title}`);
  }
  function nextWord() {
    if (at < STEPS.length - 1) return "Next";
    return name === null ? "Create" : "Save";
  }
  function forward() {
    const missing = step(at).missing?.();
    if (missing) {
      put(note, missing.text);
      missing.focus();
      return;
    }
    put(top);
    go(at + 1);
  }
  /** The step and the field that a key belongs to. */
  function placeOf(key) {
    const fields = STEPS.slice(0, -1).map((_, index) => step(index).fields);
    const field = fieldFor(fields.flat().filter((each) => each.key), key);
    return field && { field, index: fields.findIndex((each) => each.includes(field)) };
  }
  function lead(mistake) {
    const found = placeOf(mistake.key);
    if (!found) return null;
    return { label: found.field.label, act: () => show(found) };
  }
  function show({ field, index }) {
    const focus = () => {
      for (let details = field.element.closest("details"); details; details = details.parentElement.closest("details")) details.open = true;
      field.focus();
    };
    if (field.key === "mapping") step(index).reveal?.();
    if (index === at) focus();
    else go(index, focus);
  }
  /**
   * Shows what the service does not accept of what is typed: each mistake at its field, all at the top, the focus in the first.
   * `quietly` moves nothing, while someone types; gives whether a mistake is on another step.
   */
  function refused(error, { quietly = false } = {}) {
    const mistakes = mistakesOf(error);
    const places = mistakes.map((mistake) => placeOf(mistake.key));
    mistakes.forEach((mistake, index) => places[index]?.field.mark(mistake));
    if (mistakes.length === 0 || over) return false;
    if (!quietly) {
      put(top, summary(mistakes, lead));
      const first = places.filter(Boolean).sort((one, other) => one.index - other.index)[0];
      if (first) show(first);
    }
    return places.some((found) => found?.index !== at);
  }
  function unmark() {
    steps.slice(0, -1).forEach((each) => each?.fields.forEach((field) => field.mark(null)));
    put(top);
  }
  async function save() {
    if (saving) return;
    saving = true;
    next.setAttribute("aria-disabled", "true");
    put(next, name === null ? "Creating …" : "Saving …");
    unmark();
    const why = name === null ? "Creating a connection needs the token." : "Changing a connection needs the token.";
    try {
      const made = await withToken(why, () => (name === null ? create(draft.body) : replace(name, draft.body, revision)));
      if (!made) return;
      over = true;
      announce(name === null ? `${made.name} is created` : `${made.name} is saved`);
      finished(made.name);
    } catch (error) {
      if (error.status === 412) await changedMeanwhile();
      else if (mistakesOf(error).length > 0) refused(error);
      else {
        put(top, problem(error, name === null ? "Not created" : "Not saved"));
        top.scrollIntoView({ block: "nearest" });
        announce(error.reason ?? error.message);
      }
    } finally {
      saving = false;
      next.removeAttribute("aria-disabled");
      put(next, nextWord());
    }
  }
  async function changedMeanwhile() {
    try {
      const now = await stored(name);
      put(top, conflict({
        draft, theirs: now.configuration,
        keep() {
          revision = now.tag;
          draft.rebase(now.configuration);
          steps.forEach((each) => each?.close?.());
          steps.length = 0;
          put(top, el("p", { class: "quiet" }, "What you changed is saved with the next “Save”; all else is as it is stored now."));
          go(STEPS.length - 1, () => next.focus());
        },
        discard: () => finished(null),
      }));
      top.querySelector("button").focus();
    } catch (error) {
      put(top, problem(error, "It was changed meanwhile"));
    }
  }

  const leaving = (event) => {
    if (!over && draft.changed) event.preventDefault();
  };
  window.addEventListener("beforeunload", leaving);
  go(0, () => {});
  return {
    element,
    get unsaved() {
      return !over && draft.changed;
    },
    close() {
      over = true;
      window.removeEventListener("beforeunload", leaving);
      steps.forEach((each) => each?.close?.());
    },
  };
}

/** The mistakes that a refusal names, those without a list of keys too. */
function mistakesOf(error) {
  const { reason, remedy } = error;
  if (error.fields?.length > 0) return error.fields;
  if (error.error === "secret_required") return [{ key: "directory.password", reason, remedy }];
  if (error.error === "name_taken") return [{ key: "name", reason, remedy }];
  return [];
}
