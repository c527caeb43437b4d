// Sorting and filtering. The page can be read without.
"use strict";
(() => {
  const table = document.getElementById("list");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const field = (name) => document.getElementById(name);
  const choices = ["kind", "grade", "rule", "state"];
  const texts = new Map();
  const textOf = (row) => {
    if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
    return texts.get(row);
  };

  const filter = () => {
    const words = field("text").value.toLowerCase().split(/\s+/).filter(Boolean);
    const [kind, grade, rule, state] = choices.map((name) => field(name).value);
    let shown = 0;
    for (const row of rows) {
      const fits =
        (!kind || row.dataset.w === kind) &&
        (!grade || row.cells[0].textContent.trim() === grade) &&
        (!rule || row.dataset.r.split(" ").includes(rule)) &&
        (!state || row.dataset.s === state) &&
        words.every((word) => textOf(row).includes(word));
      row.hidden = !fits;
      shown += fits;
    }
    field("shown").textContent = `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")} shown`;
  };

  const keys = {
    g: (row) => Number(row.dataset.g),
    d: (row) => (row.dataset.d === "" ? Infinity : Number(row.dataset.d)),
    n: (row) => row.cells[1].textContent.trim().toLowerCase(),
    o: (row) => row.cells[4].textContent.trim().toLowerCase(),
  };
  const sort = (head) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.querySelectorAll("[data-by]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const pairs = rows.map((row) => [keys[head.dataset.by](row), row]);
    pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1));
    body.append(...pairs.map(([, row]) => row));
  };

  const press = (cell, act) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...cell.childNodes);
    button.addEventListener("click", act);
    cell.append(button);
  };
  for (const head of table.querySelectorAll("[data-by]")) press(head, () => sort(head));
  for (const option of field("kind").options) {
    const cell = option.value && document.querySelector(`[data-kind="${option.value}"]`);
    if (!cell) continue;
    press(cell, () => {
      field("kind").value = option.value;
      filter();
      field("all").scrollIntoView();
    });
  }
  let waiting = 0;
  field("text").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 120);
  });
  for (const name of choices) field(name).addEventListener("change", filter);
  field("filters").addEventListener("submit", (event) => event.preventDefault());
  field("filters").hidden = false;
  filter();
})();
