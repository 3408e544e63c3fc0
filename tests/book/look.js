// What a careful reader would complain about on the page that is open; run by test_page.py. Gives a list of sentences.
async () => {
  const complaints = [];
  const short = (element) => element.outerHTML.slice(0, 110);

  // Pictures further down are loaded only when they come into view.
  const images = [...document.images];
  images.forEach((image) => { image.loading = "eager"; });
  const vector = (image) => image.src.startsWith("data:image/svg"); // it is there or it is not: drawing it takes long
  const loaded = (image) => image.complete || new Promise((done) => { image.onload = image.onerror = done; });
  await Promise.all(images.map((image) => (vector(image) ? loaded(image) : image.decode().catch(() => 0))));
  for (const image of images) {
    // Beside the text of its own link an image says nothing new: there alt="" is right.
    const told = image.closest("a")?.textContent.trim();
    if (!image.alt.trim() && !told) complaints.push(`no alt text: ${short(image)}`);
    if (!image.naturalWidth) complaints.push(`not shown: ${short(image)}`);
  }

  await window.MathJax?.startup?.promise;
  const formulas = document.querySelectorAll(".math").length;
  const typeset = document.querySelectorAll("mjx-container").length;
  if (typeset < formulas) complaints.push(`${formulas - typeset} of ${formulas} formulas were not typeset`);
  for (const error of document.querySelectorAll("mjx-merror, [data-mml-node=merror]")) {
    complaints.push(`a formula is wrong: ${short(error)}`);
  }
  // Dollars in running text are formulas that nobody has recognised.
  for (const element of document.querySelectorAll("article p, article li, article td, article figcaption")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join(" ");
    if (/\$[^$\d][^$]*\$/.test(text)) complaints.push(`a formula is shown as it was written: ${text.slice(0, 80)}`);
  }

  // Not innerWidth: a phone zooms out until a page that is too wide fits.
  const beyond = document.documentElement.scrollWidth - screen.width;
  if (beyond > 0) complaints.push(`the page is ${beyond} pixels wider than the screen`);
  const scrolls = (element) =>
    element && (/auto|scroll/.test(getComputedStyle(element).overflowX) || scrolls(element.parentElement));
  for (const element of document.querySelectorAll("article :is(table, pre, img, mjx-container)")) {
    const out = element.getBoundingClientRect().right > screen.width + 1;
    if (out && !scrolls(element)) complaints.push(`cut off at the right: ${short(element)}`);
  }

  // WCAG 2's contrast of every piece of text with the first opaque background behind it.
  const rgba = (colour) => { const n = colour.match(/[\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const bright = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = rgba(getComputedStyle(element).backgroundColor);
      if (colour[3] > 0.5) return colour;
    }
    return [255, 255, 255, 1];
  };
  const walk = document.createTreeWalker(document.querySelector("article"), NodeFilter.SHOW_TEXT);
  const faint = new Set();
  while (walk.nextNode()) {
    const text = walk.currentNode.data.trim();
    const element = walk.currentNode.parentElement;
    if (!text || !element.checkVisibility() || element.closest("mjx-container, script, style, .headerlink")) continue;
    const [low, high] = [bright(rgba(getComputedStyle(element).color)), bright(behind(element))].sort((a, b) => a - b);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5) {
      faint.add(`too faint (${contrast.toFixed(1)}): ${element.tagName}.${element.className} ${text.slice(0, 30)}`);
    }
  }
  return [...complaints, ...faint];
};
