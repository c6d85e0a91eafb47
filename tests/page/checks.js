// What is wrong with the page as it is shown: a list of sentences. An expression; its value is the list.
(async () => {
  const wrong = [];
  const shown = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getBoundingClientRect().width > 1;
  const name = (element) => `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") ?? ""}"> “${element.textContent.trim().slice(0, 30)}”`;

  // Contrast of every text with what is behind it: 4.5, WCAG 2.2 success criterion 1.4.3.
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = (colour) => channels(colour).slice(0, 3)
    .map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      const alpha = channels(colour)[3];
      if (alpha === undefined || alpha === 1) return colour;
      if (alpha !== 0) wrong.push(`${name(at)} is half transparent`);
    }
    return "rgb(255, 255, 255)";
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let compared = 0;
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (texts.currentNode.data.trim() === "" || !shown(element) || element.closest("svg, .unseen, .skip, noscript")) continue;
    const [light, dark] = [luminance(getComputedStyle(element).color), luminance(behind(element))].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    compared += 1;
    if (contrast < 4.5) wrong.push(`contrast ${contrast.toFixed(2)}: ${name(element)}`);
  }
  if (compared < 20) wrong.push(`only ${compared} texts were looked at`);

  // What is pointed at is 24 pixels high (2.5.8); links in a sentence are excepted.
  for (const target of document.querySelectorAll("button, summary, input, nav a, a.asset")) {
    const { height } = target.getBoundingClientRect();
    if (shown(target) && height < 24) wrong.push(`${height} pixels high: ${name(target)}`);
  }

  // One title, no level of headings left out, labels and identifiers that are unique.
  const levels = [...document.querySelectorAll("h1, h2, h3")].filter(shown).map((heading) => Number(heading.tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1) wrong.push("not exactly one h1");
  levels.forEach((level, at) => { if (at > 0 && level > levels[at - 1] + 1) wrong.push(`h${level} after h${levels[at - 1]}`); });
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  ids.filter((id, at) => ids.indexOf(id) !== at).forEach((id) => wrong.push(`the identifier ${id} stands twice`));
  for (const element of document.querySelectorAll("[aria-labelledby], [aria-describedby]")) {
    for (const id of `${element.getAttribute("aria-labelledby") ?? ""} ${element.getAttribute("aria-describedby") ?? ""}`.split(" ")) {
      if (id !== "" && !document.getElementById(id)) wrong.push(`nothing has the identifier ${id}`);
    }
  }

  // Nothing is wider than the screen.
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) wrong.push(`${scrollWidth} pixels wide on a screen of ${clientWidth}`);

  // Nothing jumps while the page comes: 0.1 is the limit of web.dev/articles/cls.
  const shifts = await new Promise((resolve) => {
    new PerformanceObserver((seen) => resolve(seen.getEntries())).observe({ type: "layout-shift", buffered: true });
    // Nothing is told where nothing moved.
    setTimeout(() => resolve([]), 300);
  });
  const moved = shifts.filter((shift) => !shift.hadRecentInput).reduce((sum, shift) => sum + shift.value, 0);
  if (moved >= 0.1) wrong.push(`the layout shifted by ${moved.toFixed(3)}`);

  if (document.documentElement.lang === "") wrong.push("no language");
  if (document.querySelector("[style]")) wrong.push("a style attribute");
  return wrong;
})()
