// What cannot be read whole at this width: a list of sentences. An expression; its value is the list.
(() => {
  const wrong = [];
  const shown = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getBoundingClientRect().width > 1;
  const name = (element) => `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") ?? ""}"> “${element.textContent.trim().slice(0, 60)}”`;
  const lines = (range) => new Set([...range.getClientRects()].filter((box) => box.width > 0.5).map((box) => Math.round(box.top / 4))).size;

  // No word of a button, a head or a badge breaks in the middle, and none is cut off.
  let looked = 0;
  for (const element of document.querySelectorAll("button, th, .badge, .views a, .connections a, a.button, .kinds span, h1, h2, h3, dt, label, legend, summary, .rows td[data-label]")) {
    if (!shown(element) || element.matches(".unseen")) continue;
    looked += 1;
    const { left, right } = element.getBoundingClientRect();
    if (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== "inline") wrong.push(`cut off: ${name(element)}`);
    const card = element.closest(".card")?.getBoundingClientRect();
    if (card && (left < card.left || right > card.right - 8)) wrong.push(`over the edge of its card: ${name(element)}`);
    if (left < -0.5 || right > document.documentElement.clientWidth + 0.5) wrong.push(`beside the screen: ${name(element)}`);
    // Values and names may be longer than a line; what is chosen from a list is not.
    if (element.matches("h1, h2, td:not([data-label=Form], [data-label=Rule])")) continue;
    const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      if (texts.currentNode.parentElement.closest(".code")) continue;
      for (const word of texts.currentNode.data.matchAll(/\S+/g)) {
        const range = document.createRange();
        range.setStart(texts.currentNode, word.index);
        range.setEnd(texts.currentNode, word.index + word[0].length);
        if (lines(range) > 1) wrong.push(`“${word[0]}” breaks in ${name(element)}`);
      }
    }
  }
  if (looked < 4) wrong.push(`only ${looked} elements were looked at`);

  // A column's head stands above its cells.
  for (const table of document.querySelectorAll("table")) {
    const heads = [...table.querySelectorAll("thead > tr > *")];
    const cells = [...(table.querySelector("tbody > tr")?.children ?? [])];
    if (!heads.every(shown) || !cells.every(shown) || getComputedStyle(cells[0]).display !== "table-cell") continue;
    heads.forEach((head, at) => {
      const [above, below] = [head, cells[at]].map((element) => element.getBoundingClientRect());
      if (Math.abs(above.left - below.left) > 1 || Math.abs(above.right - below.right) > 1) wrong.push(`not above its column: ${name(head)}`);
    });
  }

  // The last digits of a SID tell objects apart: nothing hides them.
  for (const element of document.querySelectorAll(".sid, .plain .code")) {
    if (!shown(element)) continue;
    const range = document.createRange();
    range.selectNodeContents(element);
    const box = element.parentElement.getBoundingClientRect();
    for (const { right, bottom } of range.getClientRects()) {
      if (right > box.right + 1 || bottom > box.bottom + 1) wrong.push(`ends out of sight: ${name(element)}`);
    }
    if (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX !== "visible") wrong.push(`cut off: ${name(element)}`);
  }
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) wrong.push(`${scrollWidth} pixels wide on a screen of ${clientWidth}`);
  return wrong;
})()
