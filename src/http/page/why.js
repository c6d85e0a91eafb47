// Why one object is in ETM or is not: its whole way, step by step, and the sentence that it ends in.

import { get } from "./api.js";
import { announce, el, given, problem, prose, put, time } from "./dom.js";
import { withToken } from "./token.js";

const RESULTS = { passed: ["✓", "passed"], failed: ["✗", "stops here"], unknown: ["?", "not known"], not_reached: ["–", "not reached"] };

/** The answer about what stands in `field`; `ask()` gets it, `clear()` takes it away. */
export function whyPanel(name, field) {
  const element = el("div", { class: "why" });
  const stop = new AbortController();
  const ask = async (object = field.value.trim()) => {
    if (object === "") return put(element, el("p", { class: "quiet" }, "Enter a name, mail address, SID, GUID or DN first."));
    put(element, el("p", { class: "quiet" }, "Asking the directory and the state …"));
    try {
      const trace = await withToken("Reading an object in the directory needs the token.", () => get(name, ["why"], { object }, stop.signal));
      put(element, ...(trace ? answer(trace, ask) : []));
      if (trace) announce(trace.sentence);
    } catch (error) {
      if (!stop.signal.aborted) put(element, problem(error, "There is no answer"));
    }
    return undefined;
  };
  return { element, ask: () => ask(), clear: () => put(element), close: () => stop.abort() };
}

function answer(trace, ask) {
  return [
    el("p", { class: "sentence", "data-verdict": trace.verdict }, prose(trace.sentence)),
    trace.remedy && el("p", { class: "remedy" }, el("strong", {}, "What to do: "), prose(trace.remedy)),
    trace.steps.length > 0 && el("ol", { class: "steps" }, trace.steps.map(step)),
    trace.candidates.length > 0 && el("ul", { class: "items" }, trace.candidates.map((candidate) => one(candidate, ask))),
    trace.moreCandidates > 0 && el("p", { class: "quiet" }, `and ${trace.moreCandidates} more`),
  ];
}

function step({ step: name, result, text, details, at }) {
  const [mark, word] = RESULTS[result];
  return el("li", { "data-result": result },
    el("span", { class: "mark", "aria-hidden": "true" }, mark),
    el("span", { class: "step" }, name, el("span", { class: "unseen" }, `, ${word}`)),
    el("div", {}, given(text), at && [" ", time(at, { class: "quiet" })],
      details.map((detail) => el("p", { class: "quiet" }, given(detail)))));
}

/** An object of the name, which can be asked for by itself. */
function one(candidate, ask) {
  const exact = candidate.vendorAssetId ?? candidate.sid ?? candidate.dn;
  return el("li", {},
    el("button", { type: "button", click: () => ask(exact) }, candidate.class), " ",
    given(candidate.dn), " ", given(candidate.sid ?? "", { class: "code" }));
}
