// Text fields of the editor: line ends survive, Tab indents code without holding the keyboard captive.

const ROWS = 18;
const COLUMNS = 70;

/** Make an element with a class and a text. */
export function element(tag, name = "", text = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text) made.textContent = text;
  return made;
}

/** Make a button with a text and, for screen readers, a longer name that holds the text. */
export function button(text, label, act) {
  const made = element("button", "hitl-edit-button", text);
  made.type = "button";
  if (label) made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
}

/** A button that stands beside every row. */
export function quietButton(text, label, act) {
  const made = button(text, label, act);
  made.classList.add("is-quiet");
  return made;
}

/** A textarea that grows with its text; browsers that cannot do that get about as many rows. */
export function textArea(name, text) {
  const area = element("textarea", `hitl-edit-input ${name}`);
  const fit = () => {
    let rows = 0;
    for (const line of area.value.slice(0, 10_000).split("\n")) rows += 1 + Math.floor(line.length / COLUMNS);
    area.rows = Math.min(rows, ROWS);
  };
  area.value = text;
  fit();
  area.addEventListener("input", fit);
  return area;
}

/** Whatever a person writes is no prose to be corrected: code, JSON, names. */
export function plainTyping(field) {
  field.spellcheck = false;
  for (const name of ["autocorrect", "autocapitalize", "autocomplete"]) field.setAttribute(name, "off");
}

/**
 * The text of a textarea with the line ends that it was given: a textarea makes \n of \r\n and \r.
 *
 * @param {string} before the text that the textarea was given.
 * @param {string} now its value.
 */
export function keepLineEnds(before, now) {
  if (!before.includes("\r")) return now;
  const units = before.match(/\r\n|[^]/g) ?? [];
  const same = (unit, sign) => unit === sign || ((unit === "\r\n" || unit === "\r") && sign === "\n");
  let start = 0;
  while (start < units.length && start < now.length && same(units[start], now[start])) start += 1;
  let end = 0;
  const most = Math.min(units.length, now.length) - start;
  while (end < most && same(units[units.length - 1 - end], now[now.length - 1 - end])) end += 1;
  const typed = now.slice(start, now.length - end);
  const middle = before.includes("\r\n") ? typed.replaceAll("\n", "\r\n") : typed;
  return units.slice(0, start).join("") + middle + units.slice(units.length - end).join("");
}

/** Tab indents, Shift+Tab takes the indentation away; after Escape the next Tab leaves the field. */
export function indentWithTab(area) {
  const unit = /^\t/m.test(area.value) ? "\t" : " ".repeat(indentation(area.value));
  let leaves = false;
  area.addEventListener("blur", () => (leaves = false));
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      leaves = true;
      event.stopPropagation();
    }
    if (event.key !== "Tab") {
      if (!["Escape", "Shift"].includes(event.key)) leaves = false;
      return;
    }
    if (leaves || event.altKey || event.ctrlKey || event.metaKey || area.readOnly) return;
    event.preventDefault();
    shift(area, unit, event.shiftKey);
  });
}

function indentation(text) {
  const found = [...text.matchAll(/^( +)\S/gm)].slice(0, 500).map(([, spaces]) => spaces.length);
  return found.some((width) => width % 4 === 2) ? 2 : 4;
}

function shift(area, unit, back) {
  const { selectionStart: from, selectionEnd: to, value } = area;
  if (!back && !value.slice(from, to).includes("\n")) {
    insert(area, unit);
    return;
  }
  const start = value.lastIndexOf("\n", from - 1) + 1;
  const end = to > from && value[to - 1] === "\n" ? to - 1 : to;
  const lines = value.slice(start, end).split("\n");
  const opening = new RegExp(`^(?:\t| {1,${Math.max(unit.length, 2)}})`);
  const moved = lines.map((line) => (back ? line.replace(opening, "") : line && unit + line));
  const text = moved.join("\n");
  if (text === lines.join("\n")) return;
  area.setSelectionRange(start, end);
  insert(area, text);
  const first = moved[0].length - lines[0].length;
  area.setSelectionRange(Math.max(start, from + first), to + text.length - (end - start));
}

/** As if it were typed, so that the browser can undo it. */
function insert(area, text) {
  if (document.execCommand(text ? "insertText" : "delete", false, text)) return;
  area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
}
