// Labelled controls of a form, their hints and mistakes. A mistake that the service finds goes to the control of its key.

import { announce, el, given, prose, put } from "./dom.js";

let made = 0;

/** An identifier that no other element has. */
export function unique(prefix) {
  made += 1;
  return `${prefix}-${made}`;
}

/** Describes the control by its hint and its mistake, both of which a screen reader tells with it. */
function described(control, hint) {
  const said = el("p", { id: unique("mistake"), class: "mistake", hidden: true });
  const help = hint && el("p", { id: unique("hint"), class: "hint" }, hint);
  control.setAttribute("aria-describedby", help ? `${help.id} ${said.id}` : said.id);
  return { said, help };
}

/** Shows a mistake below a control, or takes it away. It goes as soon as something else is typed or chosen. */
function marker(element, control, said) {
  const mark = (mistake) => {
    said.hidden = !mistake;
    put(said, mistake ? [prose(mistake.reason), mistake.remedy ? ["; ", prose(mistake.remedy)] : null] : null);
    if (mistake) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  };
  // Before the listeners of the control itself, which may find another mistake.
  for (const kind of ["input", "change"]) element.addEventListener(kind, () => mark(null), { capture: true });
  return mark;
}

/** A control with its label; `key` is its name in what is sent. */
export function labelled(key, label, control, { hint = null, required = false, after = null } = {}) {
  control.id ||= unique("field");
  const { said, help } = described(control, hint);
  if (required) control.setAttribute("aria-required", "true");
  const element = el("div", { class: "field", "data-key": key },
    el("label", { for: control.id }, label, required ? null : el("small", {}, " optional")),
    control, after, help, said);
  return { key, label, element, control, mark: marker(element, control, said), focus: () => control.focus() };
}

/** A tick with its label beside it. */
export function ticked(key, label, control, { hint = null } = {}) {
  control.id ||= unique("field");
  const { said, help } = described(control, hint);
  const element = el("div", { class: "field tick", "data-key": key }, control, el("label", { for: control.id }, label), help, said);
  return { key, label, element, control, mark: marker(element, control, said), focus: () => control.focus() };
}

/** One of several: `choices` are `[value, label, hint]`; `chosen(value)` is told of a change. */
export function choice(key, legend, choices, value, chosen, { hint = null } = {}) {
  const name = unique("choice");
  const group = el("fieldset", { class: "field choice", "data-key": key });
  const { said, help } = described(group, hint);
  const radios = choices.map(([each, label, about]) => {
    const radio = el("input", { type: "radio", name, value: each, id: unique("radio"), checked: each === value, change: () => chosen(each) });
    const note = about && el("small", { id: unique("about") }, about);
    if (note) radio.setAttribute("aria-describedby", note.id);
    return el("div", { class: "radio" }, radio, el("label", { for: radio.id }, label), note);
  });
  group.append(el("legend", {}, legend), ...radios, ...(help ? [help] : []), said);
  const current = () => group.querySelector("input:checked") ?? group.querySelector("input");
  return { key, label: legend, element: group, control: group, mark: marker(group, group, said), focus: () => current().focus() };
}

/** A line of text. What is typed is told at once, with blanks at its ends taken off. */
export function line(value, seen, attributes = {}) {
  const field = el("input", { type: "text", autocomplete: "off", spellcheck: "false", maxlength: 1024, ...attributes, input: () => seen(field.value.trim()) });
  field.value = value ?? "";
  return field;
}

/** Several lines of text. */
export function lines(value, seen, attributes = {}) {
  const field = el("textarea", { rows: 4, autocomplete: "off", spellcheck: "false", ...attributes, input: () => seen(field.value) });
  field.value = value ?? "";
  return field;
}

/** A choice from a list; `choices` are `[value, label]`. */
export function select(choices, value, chosen, attributes = {}) {
  const field = el("select", { ...attributes, change: () => chosen(field.value) },
    choices.map(([each, label]) => el("option", { value: each, selected: each === (value ?? "") }, label)));
  return field;
}

/** A tick by itself. */
export function tick(checked, changed) {
  const field = el("input", { type: "checkbox", checked, change: () => changed(field.checked) });
  return field;
}

/** Texts that are separated by commas or lines. */
export function separated(text) {
  return text.split(/[,\n]/).map((part) => part.trim()).filter((part) => part !== "");
}

/** Calls `act` once nothing was typed for this many milliseconds; a call that is over is told by its signal. */
export function settled(act, wait = 400) {
  let timer;
  let running = new AbortController();
  const go = () => {
    running.abort();
    running = new AbortController();
    act(running.signal);
  };
  return {
    soon() {
      clearTimeout(timer);
      running.abort();
      timer = setTimeout(go, wait);
    },
    now() {
      clearTimeout(timer);
      go();
    },
    stop() {
      clearTimeout(timer);
      running.abort();
    },
  };
}

/** The field that a key of the service belongs to: itself, one that holds it, or the first inside it. */
export function fieldFor(fields, key) {
  const plain = key.replace(/\[\d+\]|\.\d+(?=\.|$)/g, "");
  const inside = (outer, inner) => inner.startsWith(`${outer}.`);
  return fields.find((field) => field.key === plain)
    ?? fields.find((field) => inside(field.key, plain))
    ?? fields.find((field) => inside(plain, field.key));
}

/** Mistakes at the top of a form; each leads to its field by `lead(mistake)`, which is null where there is none. */
export function summary(mistakes, lead) {
  const heading = mistakes.length === 1 ? "One thing needs a correction" : `${mistakes.length} things need a correction`;
  announce(heading);
  return el("div", { class: "problem", role: "group", "aria-label": heading },
    el("p", { class: "heading" }, heading),
    el("ul", { class: "mistakes" }, mistakes.map((mistake) => {
      const go = lead(mistake);
      return el("li", {},
        go ? el("button", { type: "button", class: "link", click: go.act }, go.label) : el("code", {}, given(mistake.key)), ": ",
        prose(mistake.reason), mistake.remedy ? ["; ", prose(mistake.remedy)] : null);
    })));
}
