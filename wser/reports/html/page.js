"use strict";

// Tables are sorted by a click on a heading: numbers from the highest first, words from A, and the other way at the next.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, at) => {
    if (!head.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const numeric = head.classList.contains("n");
      const before = head.getAttribute("aria-sort");
      const order = before ? (before === "ascending" ? "descending" : "ascending") : numeric && !head.classList.contains("ordinal") ? "descending" : "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const value = (row) => {
        const cell = row.cells[at];
        const text = cell.dataset.value ?? cell.textContent.trim();
        return text === "" ? null : numeric ? Number(text) : text;
      };
      const rows = [...body.rows].map((row) => [value(row), row]);
      rows.sort(([one], [other]) => {
        if (one === null || other === null) return (one === null) - (other === null);
        return sign * (numeric ? one - other : one.localeCompare(other, undefined, { numeric: true }));
      });
      body.append(...rows.map(([, row]) => row));
    });
  });
}

// A table that is wider than its box says so, since a phone shows no scroll bar.
for (const box of document.querySelectorAll(".box")) {
  const hint = document.createElement("p");
  hint.className = "hint";
  hint.textContent = "Scroll sideways to see all columns \u2192";
  hint.hidden = true;
  box.before(hint);
  new ResizeObserver(() => { hint.hidden = box.scrollWidth <= box.clientWidth + 1; }).observe(box);
}

// A table is filtered by words that all have to stand in a row.
for (const input of document.querySelectorAll("input[data-filters]")) {
  const rows = [...document.getElementById(input.dataset.filters).tBodies[0].rows];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const count = document.getElementById(input.getAttribute("aria-describedby"));
  input.closest("p").hidden = false;
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, at) => {
      row.hidden = !words.every((word) => texts[at].includes(word));
      shown += !row.hidden;
    });
    count.textContent = shown ? `${shown} of ${rows.length} shown` : `none of ${rows.length} has all these words`;
  };
  input.addEventListener("input", filter);
  if (input.value) filter();
}

// Recordings are played in the page; without this script the links open them.
let playing = null;
for (const link of document.querySelectorAll("a.play")) {
  const name = link.getAttribute("aria-label");
  const show = (mark, label) => { link.textContent = mark; link.setAttribute("aria-label", label); };
  link.setAttribute("role", "button");
  link.addEventListener("keydown", (event) => {
    if (event.key === " ") { event.preventDefault(); link.click(); }
  });
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const again = playing && playing.link === link;
    if (playing) playing.stop();
    if (again) return;
    const audio = new Audio(link.href);
    const stop = () => { audio.pause(); show("▶", name); playing = null; };
    show("■", name.replace("play", "stop"));
    playing = { link, stop };
    audio.addEventListener("ended", stop);
    audio.addEventListener("pause", () => { if (playing && playing.link === link) stop(); });
    audio.play().catch(() => { stop(); show("not found", `${name}: the recording is not found`); });
  });
}

// A link to what is folded unfolds it.
const unfold = () => document.getElementById(location.hash.slice(1))?.closest("details")?.setAttribute("open", "");
addEventListener("hashchange", unfold);
unfold();

// What is folded on the screen is printed.
addEventListener("beforeprint", () => document.querySelectorAll("details:not([open])").forEach((one) => {
  one.open = true;
  one.dataset.printed = "";
}));
addEventListener("afterprint", () => document.querySelectorAll("details[data-printed]").forEach((one) => {
  one.open = false;
  delete one.dataset.printed;
}));
