"use strict";
// Sorts tables by a click on a heading, copies paths by a click, filters lists by kind, opens all that is folded
// for the printer. Without it everything stands there all the same.
const number = text => {
  const match = text.replace(/[,\u2009]/g, "").replace("\u2212", "-").match(/^\s*[+-]?\d+(\.\d+)?/);
  return match ? Number(match[0]) : NaN;
};
for (const table of document.querySelectorAll("table.sort")) {
  const body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach((heading, column) => {
    if (!heading.textContent.trim() || body.rows.length < 2) return;
    const button = document.createElement("button");
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const direction = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
      const texts = new Map(Array.from(body.rows, row => [row, row.cells[column] ? row.cells[column].textContent.trim() : ""]));
      const isNumeric = heading.classList.contains("num");
      const compare = (a, b) => {
        if (!isNumeric) return direction * texts.get(a).localeCompare(texts.get(b), "en", { numeric: true });
        const [x, y] = [number(texts.get(a)), number(texts.get(b))];
        return isNaN(x) || isNaN(y) ? isNaN(x) - isNaN(y) : direction * (x - y);  // what is no number comes last
      };
      body.append(...Array.from(body.rows).sort(compare));
    });
  });
}
const copied = document.querySelector("#copied");
for (const path of document.querySelectorAll("code.path")) {
  path.title = "Click to copy";
  path.addEventListener("click", async () => {
    const text = path.textContent;
    getSelection().selectAllChildren(path);
    try { await navigator.clipboard.writeText(text); } catch { document.execCommand("copy"); }
    copied.textContent = `Copied ${text}`;
    setTimeout(() => { copied.textContent = ""; }, 2000);
  });
}
for (const list of document.querySelectorAll("[data-filter]")) {
  const items = Array.from(list.querySelectorAll("[data-kind]"));
  const kinds = Array.from(new Set(items.map(item => item.dataset.kind)));
  if (kinds.length < 2) continue;
  const bar = document.createElement("p");
  bar.className = "filter";
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "Show only");
  for (const kind of ["all", ...kinds]) {
    const button = document.createElement("button");
    button.textContent = kind;
    button.setAttribute("aria-pressed", kind === "all");
    button.addEventListener("click", () => {
      for (const other of bar.children) other.setAttribute("aria-pressed", other === button);
      for (const item of items) item.hidden = kind !== "all" && item.dataset.kind !== kind;
    });
    bar.append(button);
  }
  list.before(bar);
}
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
