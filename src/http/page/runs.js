// The history: a chart of the last fifty runs, and each run with its details.

import { get } from "./api.js";
import { controller, countsTable, fact, outcome, OUTCOMES, total } from "./connection.js";
import { counted, duration, el, given, number, problem, put, svg, time } from "./dom.js";
import { moreList } from "./list.js";

/** Runs in the chart. */
const SHOWN = 50;
/** Heights in the drawing, in pixels: the bars of objects, of seconds, the space between, the marks of failures below. */
const OBJECTS = 72;
const SECONDS = 40;
const GAP = 14;
const MARKS = 14;
const HEIGHT = OBJECTS + GAP + SECONDS + MARKS;

/** The height of a bar. A baseline reads a thousand times what a delta reads, so the scale is logarithmic. */
function height(value, most, whole) {
  return value > 0 ? Math.max(2, (Math.log1p(value) / Math.log1p(most)) * whole) : 0;
}

function told(run) {
  const [word] = OUTCOMES[run.outcome] ?? ["Running"];
  return `Run ${run.run}: ${run.mode}, ${word.toLowerCase()}, ${counted(total(run.counts, "read"), "object")} read, ${number(total(run.counts, "accepted"))} accepted, ${duration(run.seconds)}`;
}

function chart(runs, width) {
  const slot = width / SHOWN;
  const inset = Math.min(3, slot / 6);
  const readout = el("p", { class: "readout quiet" }, "The newest run is on the right. Point at a bar to read it.");
  const mostObjects = Math.max(1, ...runs.map((run) => total(run.counts, "read")));
  const mostSeconds = Math.max(0.1, ...runs.map((run) => run.seconds ?? 0));
  const failures = runs.filter((run) => OUTCOMES[run.outcome]?.[1] === "bad").length;
  const slots = runs.map((run, at) => {
    const x = width - (at + 1) * slot;
    const middle = x + slot / 2;
    const tone = OUTCOMES[run.outcome]?.[1] ?? "busy";
    const bar = (value, most, whole, bottom, name) => {
      const tall = height(value, most, whole);
      return svg("rect", { class: name, x: x + inset, y: bottom - tall, width: slot - 2 * inset, height: tall, rx: 1.5 });
    };
    const y = HEIGHT - 5;
    return svg("g", { class: "run", "data-tone": tone, pointerenter: () => put(readout, told(run), ", ", time(run.started)) },
      svg("title", {}, told(run)),
      svg("rect", { class: "slot", x, y: 0, width: slot, height: HEIGHT }),
      bar(total(run.counts, "read"), mostObjects, OBJECTS, OBJECTS, "objects"),
      bar(total(run.counts, "accepted"), mostObjects, OBJECTS, OBJECTS, "accepted"),
      bar(run.seconds ?? 0, mostSeconds, SECONDS, OBJECTS + GAP + SECONDS, "seconds"),
      tone === "bad" ? svg("path", { class: "mark", d: `M${middle - 3} ${y - 3}l6 6m0-6l-6 6` }) : null,
      tone === "warn" ? svg("circle", { class: "mark", cx: middle, cy: y, r: 2.5 }) : null);
  });
  const summary = `${counted(runs.length, "run")}, ${counted(failures, "failure")}; at most ${counted(mostObjects, "object")} and ${duration(mostSeconds)}`;
  return el("figure", { class: "chart" },
    el("figcaption", {},
      el("span", { class: "key", "data-key": "objects" }, `objects read (at most ${number(mostObjects)})`),
      el("span", { class: "key", "data-key": "accepted" }, "of them accepted"),
      el("span", { class: "key", "data-key": "seconds" }, `seconds (at most ${duration(mostSeconds)})`),
      el("span", { class: "key", "data-key": "bad" }, counted(failures, "failure"))),
    svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": `The last ${summary}` },
      svg("line", { class: "axis", x1: 0, x2: width, y1: OBJECTS + 0.5, y2: OBJECTS + 0.5 }),
      svg("line", { class: "axis", x1: 0, x2: width, y1: OBJECTS + GAP + SECONDS + 0.5, y2: OBJECTS + GAP + SECONDS + 0.5 }),
      slots),
    readout);
}

function details(run) {
  const phases = Object.entries(run.phases ?? {}).map(([phase, seconds]) => `${phase} ${duration(seconds)}`).join(", ");
  return el("li", { "data-key": run.run }, el("details", { class: "run" },
    el("summary", {},
      el("span", { class: "id" }, `#${run.run}`),
      outcome(run),
      el("span", { class: "mode" }, run.mode),
      el("span", { class: "at" }, time(run.started)),
      el("span", { class: "did" }, `${number(total(run.counts, "read"))} read, ${number(total(run.counts, "accepted"))} accepted`),
      el("span", { class: "took" }, duration(run.seconds))),
    el("div", { class: "split" },
      el("div", {},
        run.error && problem({ reason: run.error, remedy: run.remedy }),
        el("dl", { class: "plain" },
          fact("Why", given(run.reason)),
          fact("Asked by", given(run.askedBy)),
          phases && fact("Phases", phases),
          fact("To ETM", `${counted(run.requests, "request")}, ${counted(run.retries ?? 0, "retry", "retries")}`),
          fact("Directory", `${counted(run.pages, "page")}, ${counted(run.referrals, "referral")}`),
          run.controllerHost && fact("Controller", given(controller(run)), el("small", {}, given(run.controllerChoice))),
          run.watermarkAfter && fact("Watermark", `${run.watermarkBefore ?? "none"} → ${run.watermarkAfter}`))),
      countsTable(run.counts, `What run ${run.run} did`))));
}

/** The view of a connection's runs; `opened` is the run that is open. */
export function runsView(name, opened = undefined) {
  const picture = el("div", { class: "chart-place" });
  let runs = null;
  // Drawn for the width there is, so that nothing is stretched.
  const draw = () => runs && runs.length > 0 && picture.clientWidth > 0 && put(picture, chart(runs, picture.clientWidth));
  const resized = new ResizeObserver(draw);
  resized.observe(picture);
  const list = moreList({
    page: (after, signal) => get(name, ["runs"], { limit: SHOWN, after }, signal),
    show: details,
    empty: "No run yet.",
    seen: (answer) => {
      runs = answer.items;
      picture.hidden = runs.length === 0;
      draw();
    },
  });
  const element = el("section", { class: "card", "aria-labelledby": "runs-title" },
    el("h2", { id: "runs-title" }, "Runs"), picture, list.element);
  list.reload().then(() => {
    const wanted = element.querySelector(`[data-key="${CSS.escape(opened ?? "")}"] details`);
    if (!wanted) return;
    wanted.open = true;
    wanted.scrollIntoView();
  });
  return { element, refresh: () => list.reload(), close: () => { resized.disconnect(); list.close(); } };
}
