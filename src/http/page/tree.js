// A tree of containers, opened level by level: the pattern of the WAI-ARIA Authoring Practices, for keyboard and screen reader.

import { el, given, problem, put } from "./dom.js";

/** Typed letters are one search when they follow each other within these milliseconds. */
const SEARCHING = 700;

const KINDS = { domain: "domain", organizationalUnit: "OU", container: "container" };

/** The first name of a DN, for those that come without one. */
function leaf(dn) {
  return dn.replace(/,(?:DC|OU|CN)=.*$/i, "").replace(/^[^=]*=/, "");
}

/**
 * `below(dn, signal)` gives `{dn, containers, isComplete}` below a DN, where null is the root; `chosen(dn)` is told what was
 * chosen. Only one item of the tree is in the order of Tab; the arrows go from item to item.
 */
export function containerTree(label, { below, chosen }) {
  const stop = new AbortController();
  const items = el("ul", { role: "tree", "aria-label": label, class: "tree", keydown: key });
  const note = el("div", { class: "note" });
  const element = el("div", { class: "tree-place" }, items, note);
  let typed = "";
  let typedAt = 0;

  function item({ dn, name, kind }, level) {
    const text = el("span", { class: "label" }, given(name || leaf(dn)), kind && KINDS[kind] ? el("small", {}, ` ${KINDS[kind]}`) : null);
    const node = el("li", { role: "treeitem", "aria-level": level, "aria-expanded": "false", "aria-selected": "false", tabindex: -1, "aria-label": `${name || leaf(dn)}${KINDS[kind] ? `, ${KINDS[kind]}` : ""}` },
      el("div", { class: "row", click: (event) => pressed(event, node) }, el("span", { class: "twist", "aria-hidden": "true" }), text));
    node.dn = dn;
    return node;
  }
  const visible = () => [...items.querySelectorAll("[role=treeitem]")].filter((node) => !node.parentElement.closest("[aria-expanded=false]"));
  const expanded = (node) => node.getAttribute("aria-expanded") === "true";

  function focus(node) {
    if (!node) return;
    items.querySelector("[tabindex='0']")?.setAttribute("tabindex", "-1");
    node.setAttribute("tabindex", "0");
    node.focus();
  }
  function choose(node) {
    for (const other of items.querySelectorAll("[aria-selected=true]")) other.setAttribute("aria-selected", "false");
    node.setAttribute("aria-selected", "true");
    chosen(node.dn);
  }
  function pressed(event, node) {
    focus(node);
    if (event.target.closest(".twist")) toggle(node);
    else choose(node);
  }
  function toggle(node) {
    if (expanded(node)) node.setAttribute("aria-expanded", "false");
    else if (node.hasAttribute("aria-expanded")) open(node);
  }
  async function open(node) {
    if (node.querySelector(":scope > [role=group]")) return node.setAttribute("aria-expanded", "true");
    if (node.hasAttribute("aria-busy")) return undefined;
    node.setAttribute("aria-busy", "true");
    try {
      const { containers, isComplete } = await below(node.dn, stop.signal);
      if (containers.length === 0) return node.removeAttribute("aria-expanded");
      const level = Number(node.getAttribute("aria-level")) + 1;
      node.append(el("ul", { role: "group" }, containers.map((each) => item(each, level))));
      node.setAttribute("aria-expanded", "true");
      put(note, isComplete ? null : el("p", { class: "quiet" }, "There are more containers than are shown; type the DN of one that is missing."));
    } catch (error) {
      if (!stop.signal.aborted) put(note, problem(error, "The containers cannot be read"));
    } finally {
      node.removeAttribute("aria-busy");
    }
    return undefined;
  }
  function search(letter, shown, at) {
    const now = Date.now();
    typed = now - typedAt < SEARCHING ? typed + letter : letter;
    typedAt = now;
    // A single letter goes on to the next that begins with it.
    const order = [...shown.slice(at + (typed.length === 1 ? 1 : 0)), ...shown.slice(0, at + 1)];
    focus(order.find((node) => node.getAttribute("aria-label").toLowerCase().startsWith(typed.toLowerCase())));
  }
  function key(event) {
    const node = event.target.closest("[role=treeitem]");
    if (!node || event.ctrlKey || event.altKey || event.metaKey) return;
    const shown = visible();
    const at = shown.indexOf(node);
    const ways = {
      ArrowDown: () => focus(shown[at + 1]),
      ArrowUp: () => focus(shown[at - 1]),
      Home: () => focus(shown[0]),
      End: () => focus(shown.at(-1)),
      ArrowRight: () => (expanded(node) ? focus(node.querySelector("[role=treeitem]")) : toggle(node)),
      ArrowLeft: () => (expanded(node) ? toggle(node) : focus(node.parentElement.closest("[role=treeitem]"))),
      Enter: () => choose(node),
      " ": () => choose(node),
    };
    const way = ways[event.key] ?? (event.key.length === 1 && /\S/.test(event.key) ? () => search(event.key, shown, at) : null);
    if (!way) return;
    event.preventDefault();
    event.stopPropagation();
    way();
  }

  return {
    element,
    /** Reads the root and what is right below it. */
    async load() {
      put(note, el("p", { class: "quiet" }, "Reading the directory …"));
      try {
        const answer = await below(null, stop.signal);
        const root = item({ dn: answer.dn, name: answer.dn, kind: "domain" }, 1);
        root.append(el("ul", { role: "group" }, answer.containers.map((each) => item(each, 2))));
        root.setAttribute("aria-expanded", "true");
        root.setAttribute("tabindex", "0");
        items.replaceChildren(root);
        put(note, answer.isComplete ? null : el("p", { class: "quiet" }, "There are more containers than are shown; type the DN of one that is missing."));
        root.focus();
      } catch (error) {
        if (!stop.signal.aborted) put(note, problem(error, "The directory was not read"));
      }
    },
    close: () => stop.abort(),
  };
}
