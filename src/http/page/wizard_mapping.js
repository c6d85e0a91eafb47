// Mapping: the table as rows or as TOML, its mistakes by line, and one real object beside what becomes of it.

import { looked, typed } from "./api.js";
import { announce, counted, el, given, json, problem, prose, put } from "./dom.js";
import { choice, labelled, line, lines, settled } from "./field.js";
import { previewTable } from "./inventory.js";
import { rowEditor, TITLES } from "./mapping_rows.js";
import { rowAt, textOf, typedRow } from "./mapping_text.js";

/** Every kind can have rows, also one that has none yet. */
const KINDS = ["user", "group", "computer", "role"];

/** The step. */
export function mappingStep({ draft, name, refused, changed: told }) {
  let view = "rows";
  /** The text that is in force: typed, written from the rows, or that of the built-in table. */
  let text = null;
  let mistakes = [];
  let editor = null;
  const stop = new AbortController();
  const place = el("div", {});
  const wrong = el("div", { role: "status" });
  const origin = el("p", { class: "hint" });
  const preview = el("div", { class: "preview", "aria-live": "polite" });
  const area = lines("", (value) => use(value), { rows: 24, class: "code", maxlength: 65536 });
  const toml = labelled("mapping", "TOML", area, { required: true, hint: "The form of the mapping file; comments are kept until a row is changed." });
  const views = choice(null, "Shown as", [["rows", "Rows"], ["toml", "TOML"]], "rows", (value) => {
    view = value;
    read();
  });
  const reset = el("button", { type: "button", "data-action": "built-in", click: () => {
    draft.set("mapping", null);
    told();
    read();
    announce("The built-in table is in use");
  } }, "Use the built-in table");
  const object = labelled(null, "Object", line("", () => look.soon(), { placeholder: "Name, mail, SID, GUID or DN", maxlength: 256 }), { hint: "One object of the directory, to see what the rows make of it." });

  const check = settled(async (signal) => {
    try {
      shownMistakes((await typed("mapping", { mapping: draft.get("mapping") }, signal)).mistakes);
    } catch (error) {
      if (!signal.aborted && !refused(error, { quietly: true })) put(wrong, problem(error, "The table was not checked"));
    }
  });
  const look = settled(async (signal) => {
    const wanted = object.control.value.trim();
    if (wanted === "") return put(preview);
    preview.setAttribute("aria-busy", "true");
    try {
      const answer = await looked("preview", { connection: draft.body, of: name, mapping: draft.get("mapping"), object: wanted }, signal);
      if (answer.mistakes?.length > 0) shownMistakes(answer.mistakes);
      const open = preview.querySelector("details")?.open ?? false;
      put(preview, previewed(answer));
      editor?.previewed(answer);
      preview.querySelector("details")?.toggleAttribute("open", open);
    } catch (error) {
      if (!signal.aborted) put(preview, problem(error, "No preview"));
    } finally {
      preview.removeAttribute("aria-busy");
    }
    return undefined;
  });

  function use(value) {
    text = value;
    draft.set("mapping", value);
    inForce();
    told();
    check.soon();
    look.soon();
  }
  function inForce() {
    put(origin, draft.get("mapping") === null ? "The built-in table is in use." : "A table of this connection’s own is in use.");
    reset.hidden = draft.get("mapping") === null;
  }
  function shownMistakes(found) {
    mistakes = found ?? [];
    toml.mark(null);
    put(wrong, mistakes.length === 0 ? null : el("div", { class: "problem" },
      el("p", { class: "heading" }, mistakes.length === 1 ? "The table has a mistake" : `The table has ${mistakes.length} mistakes`),
      el("ul", { class: "mistakes" }, mistakes.map((mistake) => el("li", {},
        lead(mistake), ": ", prose(mistake.reason), mistake.remedy ? ["; ", prose(mistake.remedy)] : null)))));
  }
  /** The way to the place of a mistake. */
  function lead({ line: at }) {
    if (!at) return "Table";
    const go = (label, act) => el("button", { type: "button", class: "link", click: act }, label);
    if (view === "toml") return go(`Line ${at}`, () => caret(at));
    const row = editor && rowAt(text, at);
    return row ? go(`${TITLES[row.kind] ?? row.kind}, row ${row.at + 1}`, () => editor.open(row.kind, row.at)) : `Line ${at}`;
  }
  /** Selects a line of the text. */
  function caret(at) {
    const before = area.value.split("\n").slice(0, at - 1).join("\n").length + (at > 1 ? 1 : 0);
    area.focus();
    area.setSelectionRange(before, area.value.indexOf("\n", before) < 0 ? area.value.length : area.value.indexOf("\n", before));
  }
  /** Asks for the table again, and shows it. */
  async function read() {
    check.stop();
    editor = null;
    try {
      const answer = await typed("mapping", { mapping: draft.get("mapping") }, stop.signal);
      text = answer.text;
      if (area.value !== text) area.value = text;
      inForce();
      if (view === "rows" && answer.mistakes?.length > 0 && answer.kinds.length === 0) {
        place.replaceChildren(el("p", { class: "quiet" }, "The text has mistakes, so that it has no rows to show. Correct it in the TOML."));
      } else if (view === "rows") {
        const table = {
          kinds: KINDS.map((kind) => ({ kind, rows: (answer.kinds.find((each) => each.kind === kind)?.rows ?? []).map(typedRow) })),
          removed: answer.removed ?? [],
        };
        editor = rowEditor(table, (now) => use(textOf(now)));
        place.replaceChildren(editor.element);
      } else place.replaceChildren(toml.element);
      shownMistakes(answer.mistakes);
      look.now();
    } catch (error) {
      if (!stop.signal.aborted) put(place, problem(error, "The table cannot be shown"));
    }
  }

  const element = el("div", { class: "mapping-split" },
    el("div", { class: "stack" },
      el("div", { class: "line" }, views.element, reset), origin, wrong, place),
    el("section", { class: "group beside", "aria-labelledby": "preview-title" },
      el("h3", { id: "preview-title" }, "Preview"), object.element, preview));
  inForce();
  return {
    title: "Mapping",
    element,
    fields: [toml],
    shown: () => (text === null ? read() : look.now()),
    left: () => look.stop(),
    /** A mistake of the service is about the text: it is shown as such. */
    reveal() {
      if (view === "toml") return;
      views.element.querySelector("[value=toml]").click();
      place.replaceChildren(toml.element);
    },
    missing: () => (mistakes.length > 0 ? { text: "The table has mistakes.", focus: () => element.querySelector("button.link, input, button").focus() } : null),
    close() {
      stop.abort();
      check.stop();
      look.stop();
    },
  };
}

function previewed(answer) {
  if (answer.mistakes?.length > 0) return el("p", { class: "quiet" }, "The table has mistakes, so that nothing becomes of the object.");
  return [
    el("p", { class: "dn" }, given(answer.dn)),
    answer.more > 0 ? el("p", { class: "quiet" }, `${counted(answer.more, "other object")} with this name.`) : null,
    answer.unmappable ? problem({ reason: answer.unmappable }, "It cannot be mapped") : null,
    previewTable(answer),
    answer.asset ? el("details", {}, el("summary", {}, "Asset as it would be sent"), el("pre", {}, json(answer.asset))) : null,
  ];
}
