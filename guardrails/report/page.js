// Search, filters, groups, sorting, pages of the list, copying. The page can be read without. Texts are strangers': they
// become text nodes, never markup; addresses begin with the portal's, which is ours.
"use strict";
(() => {
  const field = (id) => document.getElementById(id);
  const SIZE = Number(field("list").dataset.first); // rows at once
  const PRINTED = 1000; // rows on paper, at most
  const body = field("list").tBodies[0];
  const heads = Array.from(document.querySelectorAll("[data-sort]"));
  const choices = ["grade", "state", "rule", "kind"];

  // What there is: read once, when the browser has nothing else to do, or when it is asked for.
  let read;
  const all = () => {
    if (read) return read;
    read = JSON.parse(field("data").textContent);
    const { columns, found, rules, texts } = read;
    read.rows = Array.from(columns.name, (_, row) => row);
    read.order = read.rows;
    const findings = found.map((some) => some.map(([rule, , text]) => `${rules[rule][0]} ${rules[rule][1]} ${texts[text]}`).join("\n"));
    const searched = ["shown", "detail", "place", "owner", "ticket", "approved", "written", "excluded", "weakened"].map((name) => columns[name]);
    read.said = read.rows.map((row) => {
      const parts = [idOf(read, row), texts[columns.name[row]], findings[columns.found[row]]];
      for (const column of searched) if (column[row]) parts.push(texts[column[row]]);
      return parts.join("\n").toLowerCase();
    });
    return read;
  };
  const idOf = (data, row) => {
    const before = data.texts[data.columns.before[row]];
    return data.kinds[data.columns.kind[row]][0] === "exemption" ? before + data.texts[data.columns.name[row]] : before;
  };

  // Which rows are wanted.
  let group = null; // [name of the grouping, place of the group in it]
  let matching = null; // numbers of rows, in the order of the list; null: all, as the page came
  let at = 0; // the first row that is shown, in `matching`

  const tests = (data) => {
    const { columns } = data;
    const [grade, state, rule, kind] = choices.map((name) => field(name).value);
    const wanted = [];
    const equals = (column, value) => (row) => column[row] === value;
    if (grade) wanted.push(equals(columns.grade, data.grades.indexOf(grade)));
    if (state) wanted.push(equals(columns.state, data.states.findIndex(([one]) => one === state)));
    if (kind) wanted.push(equals(columns.kind, data.kinds.findIndex(([one]) => one === kind)));
    if (group) wanted.push(equals(data.places[group[0]], group[1]));
    if (rule) {
      const broken = data.found.map((some) => some.some(([one]) => data.rules[one][0] === rule));
      wanted.push((row) => broken[columns.found[row]]);
    }
    const words = field("text").value.toLowerCase().split(/\s+/).filter(Boolean);
    return [...wanted, ...words.map((word) => (row) => data.said[row].includes(word))];
  };

  // Rows, as the page has them without the script.
  const el = (tag, classes, ...inside) => {
    const made = document.createElement(tag);
    if (classes) made.className = classes;
    made.append(...inside.filter((one) => one !== ""));
    return made;
  };
  const number = (value) => value.toLocaleString("en-US");
  const quoted = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
  const link = (address, text) => {
    const made = el("a", "", text);
    made.href = address;
    made.target = "_blank";
    made.rel = "noopener";
    return made;
  };
  const isId = (text) => /^\/(subscriptions|providers)\//i.test(text);
  const short = (address) => (address.length <= 2000 ? address : "");
  const scopePage = (data, scope) =>
    isId(scope) ? short(`${data.links.portal}/#@${quoted(data.links.tenant)}/resource/${scope.replace(/^\/+|\/+$/g, "").split("/").map(quoted).join("/")}`) : "";
  const assignmentPage = (data, id) =>
    isId(id) ? short(`${data.links.portal}/#blade/Microsoft_Azure_Policy/EditAssignmentBlade/id/${quoted(id)}`) : "";
  const ofId = (label, address, id) => el("p", "id", address ? link(address, label) : el("span", "", label), " ", el("code", "s", id));
  const finding = (data, [rule, grade, text]) => {
    const unknown = data.grades[grade] === "unknown" ? " (unknown)" : "";
    return el("li", "", el("span", `dot f-${data.grades[grade]}`), el("span", "code", data.rules[rule][0]), ` ${data.texts[text]}${unknown}`);
  };
  const explained = (data, [rule, , , ...pairs]) => {
    const [code, name, remediation, linked] = data.rules[rule];
    const title = el("b", "", `${code} ${name}`);
    const about = el("p", "", linked ? el("a", "", title) : title);
    if (linked) about.firstChild.setAttribute("href", `#${code}`);
    for (let pair = 0; pair < pairs.length; pair += 2) {
      about.append(`${pair ? ", " : ": "}${data.texts[pairs[pair]]} `, el("q", "s", data.texts[pairs[pair + 1]]));
    }
    about.append(el("br"), `Fix: ${remediation}`);
    return about;
  };
  const unfolded = new WeakMap(); // what details hold once they are opened
  const rowOf = (data, row) => {
    const { columns } = data;
    const text = (name) => data.texts[columns[name][row]];
    const span = (classes, shown) => (shown ? el("span", classes, shown) : "");
    const grade = data.grades[columns.grade[row]];
    const [kind, kindName] = data.kinds[columns.kind[row]];
    const found = data.found[columns.found[row]];
    const exemption = kind === "exemption";
    const scope = exemption ? text("before").replace(/\/providers\/Microsoft\.Authorization\/policyExemptions\/$/i, "") : text("before");
    const excluded = text("excluded");
    const details = el("details", "", el("summary", "", "Details"));
    unfolded.set(details, () => [
      ...found.map((one) => explained(data, one)),
      el("p", "", "Criteria weakened: ", el("span", "s", text("weakened"))),
      ofId(exemption ? "Exemption" : "Scope", scopePage(data, scope), idOf(data, row)),
      text("assignment") ? ofId("Assignment", assignmentPage(data, text("assignment")), text("assignment")) : "",
    ]);
    return el(
      "tr", "",
      el("td", "", el("span", `chip c-${grade}`, grade)),
      el("td", "", el("span", "kind", kindName), el("b", "s", text("name")), span("s", text("shown")), span("s", text("detail")), el("span", "s dim", text("place"))),
      el(
        "td", "", span("s", excluded && `excluded by the ruleset: ${excluded}`),
        found.length ? el("ul", "", ...found.map((one) => finding(data, one))) : span("dim", excluded ? "" : "no violation"), details,
      ),
      el("td", "", el("span", "", data.states[columns.state[row]][1]), span("dim", text("left")), span("dim", text("ends"))),
      el("td", "", el("span", "s", text("owner") || "(no owner)"), span("s dim", text("ticket")), span("s dim", text("approved")), span("s dim", text("written"))),
    );
  };

  // What is shown.
  const draw = (from, most) => {
    const data = all();
    at = from;
    body.replaceChildren(...matching.slice(at, at + most).map((row) => rowOf(data, row)));
    count(data.rows.length, matching.length, data.unlisted);
  };
  const count = (size, fitting, unlisted) => {
    const filtered = fitting < size || unlisted ? `${number(fitting)} of the ${number(size)} listed` : `${number(size)} listed`;
    field("shown").textContent = unlisted ? `${filtered}; ${unlisted}` : filtered;
    field("pages").hidden = fitting <= SIZE;
    field("page").textContent = `${number(Math.min(at + 1, fitting))} to ${number(Math.min(at + SIZE, fitting))} of ${number(fitting)}`;
    field("back").disabled = at === 0;
    field("next").disabled = at + SIZE >= fitting;
  };
  const filter = () => {
    const data = all();
    const wanted = tests(data);
    matching = wanted.length ? data.order.filter((row) => wanted.every((fits) => fits(row))) : data.order;
    const [name, place] = group ?? [];
    field("group").hidden = !group;
    field("group").textContent = group ? `Remove filter: ${name} ${data.texts[data.groups[name][place][0]]}` : "";
    draw(0, SIZE);
  };
  const turn = (by) => {
    matching ??= all().order;
    draw(at + by, SIZE);
    field("all").scrollIntoView();
  };

  const keys = {
    grade: (data, row) => row, // the order in which they came
    days: (data, row) => data.columns.days[row] ?? Infinity,
    name: (data, row) => data.texts[data.columns.name[row]].toLowerCase(),
    owner: (data, row) => data.texts[data.columns.owner[row]].toLowerCase(),
  };
  const sort = (head) => {
    const data = all();
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = data.rows.map((row) => keys[head.dataset.sort](data, row));
    const sign = down ? -1 : 1;
    data.order = [...data.rows].sort((a, b) => sign * (key[a] < key[b] ? -1 : key[a] > key[b] ? 1 : 0));
    filter();
  };

  // Buttons, which only the script has.
  const button = (act, ...inside) => {
    const made = el("button", "", ...inside);
    made.type = "button";
    made.addEventListener("click", act);
    return made;
  };
  const press = (cell, act) => cell.append(button(act, ...cell.childNodes));
  const show = (name, value) => {
    field(name).value = value;
    filter();
    field("all").scrollIntoView();
  };
  for (const head of heads) {
    const sorting = button(() => sort(head));
    sorting.setAttribute("aria-label", `Sort by ${head.textContent}`);
    head.append(sorting);
  }
  for (const option of field("kind").options) {
    const cell = option.value && document.querySelector(`[data-kind="${option.value}"]`);
    if (cell) press(cell, () => show("kind", option.value));
  }
  for (const more of document.querySelectorAll("[data-state]")) press(more, () => show("state", more.dataset.state));
  for (const cell of document.querySelectorAll(".rules .code")) press(cell, () => show("rule", cell.textContent));

  // Groups.
  const choose = (name, place) => {
    group = name ? [name, place] : null;
    filter();
    if (name) field("all").scrollIntoView();
  };
  const tables = Array.from(document.querySelectorAll(".group"));
  const prepare = (part) => {
    const name = part.dataset.by;
    const rows = part.querySelector("tbody");
    for (const [place, row] of Array.from(rows.rows).entries()) press(row.cells[0], () => choose(name, place));
    const more = part.querySelector(".more");
    if (!more) return;
    press(more, () => {
      const data = all();
      for (const [offset, [label, ...counts]] of data.groups[name].slice(rows.rows.length).entries()) {
        const place = offset + shown;
        const head = el("th", "", button(() => choose(name, place), el("span", "s", data.texts[label])));
        head.scope = "row";
        rows.append(el("tr", "", head, ...counts.map((one) => el("td", "", number(one)))));
      }
      more.remove();
    });
    const shown = rows.rows.length;
  };
  const by = field("by");
  const pick = () => {
    for (const part of tables) part.hidden = part.dataset.by !== by.value;
  };
  if (by) {
    tables.forEach(prepare);
    by.parentElement.hidden = false;
    by.addEventListener("change", pick);
    pick();
  }

  // Ids to copy.
  const copy = async (code, pressed) => {
    getSelection().selectAllChildren(code);
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      document.execCommand("copy");
    }
    pressed.textContent = "Copied";
  };
  body.addEventListener(
    "toggle",
    ({ target }) => {
      target.append(...(unfolded.get(target)?.() ?? []).filter((one) => one !== ""));
      unfolded.delete(target);
      for (const line of target.querySelectorAll(".id")) {
        const code = line.querySelector("code");
        if (!line.querySelector("button")) line.append(" ", button((event) => copy(code, event.target), "Copy"));
      }
    },
    true,
  );

  // Paper has more rows than the screen, and nothing unfolded.
  addEventListener("beforeprint", () => {
    matching ??= all().order;
    const kept = at;
    const open = Array.from(document.querySelectorAll("details[open]"));
    for (const one of open) one.open = false;
    draw(0, PRINTED);
    addEventListener("afterprint", () => {
      draw(kept, SIZE);
      for (const one of open) one.open = true;
    }, { once: true });
  });

  field("text").addEventListener("input", filter);
  for (const name of choices) field(name).addEventListener("change", filter);
  field("filters").addEventListener("submit", (event) => event.preventDefault());
  field("group").addEventListener("click", () => choose(null));
  field("back").addEventListener("click", () => turn(-SIZE));
  field("next").addEventListener("click", () => turn(SIZE));
  field("filters").hidden = false;
  const { size, unlisted } = field("list").dataset;
  count(Number(size), Number(size), unlisted);
  const later = globalThis.requestIdleCallback ?? ((act) => setTimeout(act, 200));
  later(() => all());
})();
