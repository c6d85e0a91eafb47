// The test of a connection that is typed: every step with its result as it ends. The way on is open after a good test, or by an
// explicit choice to save without one.

import { test } from "./api.js";
import { announce, el, given, problem, prose, put } from "./dom.js";
import { tick, ticked } from "./field.js";
import { withToken } from "./token.js";

/** Lines of a good step that are shown at once. */
const FEW = 3;

const RESULTS = { ok: ["✓", "good"], failed: ["✗", "failed"] };

function step({ step: name, result, message, details = [], remedy = null }) {
  const [mark, word] = RESULTS[result] ?? ["–", result];
  const lines = details.map((detail) => el("p", { class: "quiet" }, given(detail)));
  return el("li", { "data-result": result },
    el("span", { class: "mark", "aria-hidden": "true" }, mark),
    el("span", { class: "step" }, given(name), el("span", { class: "unseen" }, `, ${word}`)),
    el("div", {},
      el("p", {}, prose(message ?? "")),
      remedy && el("p", { class: "remedy" }, el("strong", {}, "What to do: "), prose(remedy)),
      result === "ok" && details.length > FEW ? el("details", {}, el("summary", { "aria-label": `Details of ${name}` }, "Details"), lines) : lines));
}

/** The panel; `named()` asks for the name of the connection where there is none, `refused(error)` shows the mistakes of what was typed at their fields, `unmark()` takes them away. */
export function testPanel({ draft, name, named, refused, unmark }) {
  /** What was tested with a good result. A stored connection that is not changed needs no test. */
  let good = draft.original === null ? null : draft.tested;
  let running = null;
  const list = el("ol", { class: "steps" });
  const end = el("div", { class: "end", role: "status" });
  const button = el("button", { type: "button", "data-action": "test", click: () => (running ? running.abort() : go()) }, "Test");
  const untested = ticked(null, "Save untested", tick(false, () => {}), { hint: "Goes on without a good test." });
  const element = el("section", { class: "group test", "aria-labelledby": "test-title" },
    el("div", { class: "line" }, el("h3", { id: "test-title" }, "Test"), button),
    el("p", { class: "hint" }, "Connects, logs in and reads a little; nothing is stored, and no object is sent."),
    list, end, untested.element);

  async function go() {
    if (!named()) return;
    const stop = (running = new AbortController());
    const tested = draft.tested;
    unmark();
    put(button, "Stop");
    put(end, el("p", { class: "quiet" }, "Testing …"));
    list.replaceChildren();
    let last = null;
    const seen = (line) => {
      if (line.end) last = line;
      else list.append(step(line));
      if (line.result === "failed" && !line.end) announce(`${line.step} failed: ${line.message}`);
    };
    try {
      const asked = await withToken("Testing needs the token.", async () => {
        await test(name, draft.body, seen, stop.signal);
        return true;
      });
      if (!asked) put(end);
      else if (last?.result === "ok") {
        good = tested;
        untested.element.hidden = good === draft.tested;
        put(end, el("p", { class: "verdict", "data-tone": "good" }, "The test is good."));
      } else if (last) {
        put(end, el("p", { class: "verdict", "data-tone": "bad" }, `The test failed: ${last.failed.join(", ")}.`));
      } else put(end, problem({ reason: "the test ended before its last step", remedy: "try again" }));
      if (last) announce(end.textContent);
    } catch (error) {
      if (stop.signal.aborted) put(end, el("p", { class: "quiet" }, "Stopped."));
      else {
        put(end, error.fields?.length > 0 ? el("p", { class: "quiet" }, "Not tested: something needs a correction.") : problem(error, "There was no test"));
        refused(error);
      }
    } finally {
      running = null;
      put(button, "Test");
    }
  }

  return {
    element,
    changed() {
      const is = good === draft.tested;
      untested.element.hidden = is;
      if (!is && good !== null && list.childElementCount === 0 && !running) put(end, el("p", { class: "quiet" }, "Changed since it was stored: test it again."));
      else if (!is && good !== null && !running) put(end, el("p", { class: "quiet" }, "Changed since the test: test it again."));
    },
    missing() {
      if (good === draft.tested || untested.control.checked) return null;
      return { text: "Test the connection first, or choose “Save untested”.", focus: () => button.focus() };
    },
    /** `tested`, `stored` where nothing that is tested was changed, or `untested`. */
    standing: () => (good !== draft.tested ? "untested" : list.childElementCount > 0 ? "tested" : "stored"),
    close: () => running?.abort(),
  };
}
