// A list that comes page by page, and comes again without moving what the viewer looks at.

import { el, problem, put } from "./dom.js";

/**
 * `page(after, signal)` gives `{items, next, …}`; `show(item)` an element, whose `data-key` names the item; `seen(answer)` is
 * told of every first page. What is reloaded replaces the list when it is there; what was open stays open.
 */
export function moreList({ page, show, empty, seen = () => {} }) {
  const items = el("ul", { class: "items" });
  const note = el("div", { class: "note" });
  const more = el("button", { type: "button", class: "more", hidden: true, click: () => load(next) }, "More");
  const element = el("div", { class: "list" }, items, note, more);
  let next = null;
  let pages = 0;
  let running = null;

  const keyed = (key) => [...items.children].find((item) => item.dataset.key === key);

  function replace(shown) {
    const open = new Set([...items.children].filter((item) => item.querySelector("details[open]")).map((item) => item.dataset.key));
    const place = document.activeElement?.closest(".items > *")?.dataset.key;
    items.replaceChildren(...shown);
    for (const item of shown.filter((item) => open.has(item.dataset.key))) item.querySelector("details").open = true;
    if (place !== undefined && !items.contains(document.activeElement)) keyed(place)?.querySelector("a, summary")?.focus();
  }

  function first(answer, shown) {
    // Whoever asked for more keeps it; what is new comes on top.
    if (pages > 1) return items.prepend(...shown.filter((item) => !keyed(item.dataset.key)));
    replace(shown);
    next = answer.next;
    pages = 1;
  }

  function further(answer, shown) {
    const focused = document.activeElement === more;
    items.append(...shown);
    if (focused && shown.length > 0) shown[0].querySelector("a, summary")?.focus();
    next = answer.next;
    pages += 1;
  }

  async function load(after) {
    running?.abort();
    const mine = (running = new AbortController());
    more.setAttribute("aria-disabled", "true");
    element.setAttribute("aria-busy", "true");
    try {
      const answer = await page(after, mine.signal);
      if (mine.signal.aborted) return;
      const shown = answer.items.map(show);
      if (after === null) first(answer, shown);
      else further(answer, shown);
      more.hidden = next === null;
      const none = items.childElementCount === 0 && next === null;
      put(note,
        none ? el("p", { class: "empty" }, empty) : null,
        answer.truncated ? el("p", { class: "quiet" }, "The search is not through yet: “More” goes on.") : null);
      if (after === null) seen(answer);
    } catch (error) {
      if (!mine.signal.aborted) put(note, problem(error));
    } finally {
      if (running === mine) {
        more.removeAttribute("aria-disabled");
        element.removeAttribute("aria-busy");
      }
    }
  }

  return {
    element,
    /** Loads the first page again. */
    reload: () => load(null),
    /** Begins anew: what was shown is no answer to what is asked now. */
    restart() {
      pages = 0;
      return load(null);
    },
    close: () => running?.abort(),
  };
}
