"use strict";
(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  // Foreign text becomes text nodes and nothing else.
  const make = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const theme = one("#theme");
  const themes = ["auto", "light", "dark"];
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const next = themes[(themes.indexOf(theme.dataset.is) + 1) % themes.length];
    theme.dataset.is = next;
    theme.textContent = "Theme: " + next;
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
  });

  const table = one("#cells");
  if (!table) return;
  const data = JSON.parse(one("#data").textContent);
  const body = one("tbody", table);
  const rows = all("tr.row", body).map((row, place) => ({
    row,
    place,
    at: Number(row.dataset.at),
    find: row.dataset.find,
    is: row.dataset.is.split(" "),
    tags: JSON.parse(row.dataset.tags),
    lifts: JSON.parse(row.dataset.lifts),
  }));
  const byCase = new Map(rows.map((entry) => [entry.at, entry]));
  const [find, is, tag, sort, count] = ["#find", "#is", "#tag", "#sort", "#count"].map((id) => one(id));
  one(".filter").hidden = false;

  const filter = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const entry of rows) {
      const fits =
        words.every((word) => entry.find.includes(word)) &&
        (!is.value || entry.is.includes(is.value)) &&
        (!tag || !tag.value || entry.tags.includes(tag.value));
      entry.row.hidden = !fits;
      if (!fits) close(entry);
      if (fits) shown += 1;
    }
    count.textContent = shown === rows.length ? shown + " cases" : shown + " of " + rows.length + " cases";
  };

  const order = () => {
    const [how, which] = sort.value.split(":");
    const lift = (entry) => entry.lifts[Number(which)];
    const by = {
      plan: (a, b) => a.place - b.place,
      // Cases without a lift come last, whichever way it is sorted.
      gain: (a, b) => (lift(b) ?? -9) - (lift(a) ?? -9) || a.place - b.place,
      loss: (a, b) => (lift(a) ?? 9) - (lift(b) ?? 9) || a.place - b.place,
    }[how];
    const sorted = [...rows].sort(by);
    const parts = document.createDocumentFragment();
    for (const entry of sorted) {
      parts.append(entry.row);
      if (entry.detail) parts.append(entry.detail);
    }
    body.append(parts);
  };

  const text = (place) => {
    const held = data.texts[place];
    if (!held) return make("p", "facts", "No text.");
    if (held.is !== undefined) {
      const shown = make("pre", "", held.is);
      shown.tabIndex = 0;
      return shown;
    }
    return make("p", "facts", "This page does not hold the text; the run directory does: sha256 " + held.left);
  };

  const folded = (name, places) => {
    const details = make("details");
    details.append(make("summary", "", name));
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) details.append(...places.map(text));
    });
    return details;
  };

  const cell = (held) => {
    const block = make("div", "cell");
    block.id = "cell-" + held.index;
    block.dataset.trial = held.trial;
    block.append(make("h4", "", "Trial " + held.trial));
    block.firstChild.style.cssText = "margin:0;font-size:13px";
    if (held.missing) block.append(make("p", "away", "Missing: " + held.missing));
    for (const score of held.scores) {
      const line = make("p");
      const word = score.passed === true ? "passed" : score.passed === false ? "failed" : "";
      const value = score.value === null ? "missing" : score.value;
      line.append(make("b", "", score.name + " "));
      const way = score.passed === true ? "yes" : score.passed === false ? "nay" : score.value === null ? "away" : "";
      line.append(make("span", way, [value, word].filter(Boolean).join(", ")));
      const more = [score.why, ...score.parts].filter(Boolean).join("; ");
      if (more) line.append(make("span", "facts", ": " + more));
      block.append(line);
      if (score.prompts.length) block.append(folded("What the judge of " + score.name + " was sent", score.prompts));
      if (score.replies.length) block.append(folded("What the judge of " + score.name + " said", score.replies));
    }
    if (held.output !== null) block.append(text(held.output));
    if (held.prompts.length) block.append(folded(held.prompts.length === 1 ? "Prompt" : held.prompts.length + " prompts", held.prompts));
    const facts = make("p", "facts", held.facts);
    if (held.log) {
      const link = make("a", "", "raw transcript");
      link.href = held.log;
      facts.append(" · ", link);
    }
    block.append(facts);
    return block;
  };

  const open = (entry) => {
    if (entry.detail) return;
    const detail = make("tr", "detail");
    const inside = make("td");
    inside.colSpan = data.arms.length + 1;
    const grid = make("div");
    data.arms.forEach((arm, place) => {
      const column = make("div");
      column.append(make("h3", "key a" + entry.row.dataset.inks.split(" ")[place].slice(1), arm));
      const cells = (data.cases[entry.at] || []).filter((held) => held.arm === place);
      if (!cells.length) column.append(make("p", "facts", "No cell has ended."));
      column.append(...cells.map(cell));
      grid.append(column);
    });
    inside.append(grid);
    detail.append(inside);
    entry.row.after(detail);
    entry.detail = detail;
    one("button", entry.row).setAttribute("aria-expanded", "true");
  };
  const close = (entry) => {
    if (!entry.detail) return;
    entry.detail.remove();
    entry.detail = null;
    one("button", entry.row).setAttribute("aria-expanded", "false");
  };
  const show = (at) => {
    const entry = byCase.get(at);
    if (!entry) return null;
    if (entry.row.hidden) {
      find.value = is.value = "";
      if (tag) tag.value = "";
      filter();
    }
    open(entry);
    return entry;
  };

  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr.row");
    if (!row) return;
    const entry = byCase.get(Number(row.dataset.at));
    const mark = event.target.closest(".marks i");
    if (mark) {
      open(entry);
      const arm = all("td[data-arm]", row).indexOf(mark.closest("td"));
      const trial = [...mark.parentNode.children].indexOf(mark) + 1;
      const column = one("td > div", entry.detail).children[arm];
      const block = one('.cell[data-trial="' + trial + '"]', column);
      all(".cell.hit").forEach((hit) => hit.classList.remove("hit"));
      if (block) {
        block.classList.add("hit");
        block.scrollIntoView({ block: "nearest" });
      }
    } else if (event.target.closest("button.open")) {
      if (entry.detail) close(entry);
      else open(entry);
    }
  });
  document.addEventListener("click", (event) => {
    const drawn = event.target.closest("svg [data-case]");
    if (!drawn) return;
    const entry = show(Number(drawn.dataset.case));
    if (entry) entry.row.scrollIntoView({ block: "center" });
  });
  for (const control of [find, is, tag]) if (control) control.addEventListener("input", filter);
  sort.addEventListener("input", order);
  filter();

  const wanted = /^#case-(\d+)$/.exec(location.hash);
  if (wanted) {
    const entry = show(Number(wanted[1]));
    if (entry) entry.row.scrollIntoView({ block: "center" });
  }
})();
