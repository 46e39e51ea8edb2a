// Lists of a typed form: one control each, a table of flat objects, or a group each. Long ones are drawn in parts.
import { button, element, quietButton } from "./edit_text.js";
import { GroupField, MemberPlace, labelOf } from "./form_groups.js";
import { itemSchema, suits } from "./json_schema.js";

const BATCH = 100;
const MOST_COLUMNS = 12;
const MOST_OPEN = 3; // items; longer lists of groups are folded
const IN_CELLS = ["text", "number", "integer", "boolean", "choice"];

export class ListField extends GroupField {
  rows = [];

  fill() {
    const node = this.place.value;
    this.columns = columnsOf(this.form, this.shape, node);
    const first = this.form.schemas.shape(itemSchema(this.shape, 0));
    this.isPlain = !this.columns && (IN_CELLS.includes(first.kind) || first.kind === "any");
    this.word = this.columns ? "row" : "item";
    this.list = this.columns ? element("tbody") : element("div", this.isPlain ? "hitl-edit-items is-plain" : "hitl-edit-items");
    if (this.columns) this.body.append(this.#table());
    else this.body.append(this.list);
    this.more = button(`Show ${BATCH} more`, `Show ${BATCH} more of ${this.names.label}`, () => this.#showMore());
    this.add = button(`Add ${this.word}`, `Add ${this.word} to ${this.names.label}`, () => this.#add());
    this.add.hidden = this.shape.isFixed;
    this.back = button("Put it back", "", () => this.#putBack());
    this.back.hidden = true;
    this.status = element("span", "hitl-edit-status");
    this.status.setAttribute("role", "status");
    const bar = element("div", "hitl-edit-bar");
    bar.append(this.more, this.add, this.back, this.status);
    this.body.append(bar);
    this.#draw(BATCH);
  }

  find(path) {
    const at = path[0];
    if (typeof at !== "number" || at < 0 || at >= this.place.value.items.length) return { field: this, rest: path };
    this.ready();
    this.#draw(at + 1);
    const row = this.rows[at];
    if (row.details) this.#open(row);
    if (!this.columns) return row.field.find(path.slice(1));
    const cell = row.cells.get(path[1]);
    return cell ? cell.find(path.slice(2)) : { field: row.cells.values().next().value, rest: path.slice(1) };
  }

  // --- rows

  #table() {
    this.table = element("table", "hitl-edit-table");
    this.table.setAttribute("aria-label", this.names.label);
    const head = element("tr");
    head.append(element("th", "hitl-edit-count", "#"));
    for (const { label, description, kind } of this.columns) {
      const heading = element("th", isNumeric(kind) ? "is-number" : "", label);
      if (description) heading.title = description;
      head.append(heading);
    }
    const last = element("td", "hitl-edit-last");
    head.append(last);
    for (const heading of head.querySelectorAll("th")) heading.scope = "col";
    const top = element("thead");
    top.append(head);
    this.table.append(top, this.list);
    const scroll = element("div", "hitl-edit-scroll");
    scroll.append(this.table);
    return scroll;
  }

  #draw(most) {
    const { items } = this.place.value;
    for (let at = this.rows.length; at < Math.min(most, items.length); at += 1) this.#insert(at);
    this.#tell();
  }

  #insert(at) {
    const item = this.place.value.items[at];
    const row = { item, remove: quietButton("Remove", "", () => this.#remove(row)) };
    row.remove.hidden = this.shape.isFixed;
    if (this.columns) this.#fillRow(row);
    else this.#fillItem(row, at);
    this.list.insertBefore(row.root, this.rows[at]?.root ?? null);
    this.rows.splice(at, 0, row);
    this.#number(row, at);
    return row;
  }

  #fillRow(row) {
    row.root = element("tr");
    row.count = element("td", "hitl-edit-count");
    row.root.append(row.count);
    row.cells = new Map();
    const order = this.columns.map(({ name }) => name);
    for (const { name, schema, label } of this.columns) {
      const field = this.form.make(schema, new MemberPlace(row.item.value, name, order), { label, inCell: true, depth: 0 });
      const cell = element("td", isNumeric(field.shape.kind) ? "is-number" : "");
      cell.dataset.label = label;
      cell.append(field.root);
      row.cells.set(name, field);
      row.root.append(cell);
    }
    const last = element("td", "hitl-edit-last");
    last.append(row.remove);
    row.root.append(last);
  }

  #fillItem(row, at) {
    row.root = element("div", "hitl-edit-item");
    const make = () => {
      const names = { label: "", depth: this.names.depth + 1, isBare: true, inCell: this.isPlain, isInner: true };
      row.field = this.form.make(itemSchema(this.shape, at), row.item, names);
      return row.field.root;
    };
    if (this.isPlain) {
      row.root.append(make(), row.remove);
      return;
    }
    row.details = element("details", "hitl-edit-card");
    row.heading = element("summary", "hitl-edit-legend");
    row.details.append(row.heading);
    row.details.addEventListener("toggle", () => {
      if (row.details.open) this.#open(row);
      else this.#number(row, this.rows.indexOf(row));
    });
    row.open = () => {
      row.details.append(make());
      this.#number(row, this.rows.indexOf(row));
    };
    row.root.append(row.details, row.remove);
    if (this.place.value.items.length <= MOST_OPEN) row.details.open = true;
  }

  #open(row) {
    if (!row.field) row.open();
    row.details.open = true;
  }

  /** Say the row's number in all its names. */
  #number(row, at) {
    const { label } = this.names;
    row.remove.setAttribute("aria-label", `Remove ${this.word} ${at + 1} of ${label}`);
    if (row.count) row.count.textContent = String(at + 1);
    for (const [index, field] of [...(row.cells?.values() ?? [])].entries()) {
      field.rename(`${this.columns[index].label}, row ${at + 1} of ${label}`);
    }
    if (row.heading) row.heading.textContent = [`${at + 1}`, summaryOf(row.item.value)].filter(Boolean).join(" · ");
    row.field?.rename(`${label}, item ${at + 1}`);
  }

  // --- what a reader does

  #showMore() {
    const next = this.rows.length;
    this.#draw(next + BATCH);
    this.rows[next].root.querySelector("input, select, textarea, summary, button")?.focus();
  }

  #add() {
    const { items } = this.place.value;
    items.push({ value: this.form.schemas.initial(itemSchema(this.shape, items.length)) });
    this.back.hidden = true;
    this.#draw(items.length);
    const row = this.rows.at(-1);
    if (row.details) this.#open(row);
    const controls = row.root.querySelectorAll("input, select, textarea, button");
    ([...controls].find((control) => !row.details || row.field.root.contains(control)) ?? row.remove).focus();
    this.changed();
  }

  #remove(row) {
    const at = this.rows.indexOf(row);
    const drawn = this.rows.length;
    this.removed = { at, item: row.item };
    this.place.value.items.splice(at, 1);
    this.rows.splice(at, 1);
    row.root.remove();
    this.#draw(drawn);
    this.#numberFrom(at);
    this.back.hidden = false;
    this.back.setAttribute("aria-label", `Put ${this.word} ${at + 1} of ${this.names.label} back`);
    (this.rows[at] ?? this.rows[at - 1] ?? { remove: this.add }).remove.focus();
    this.#tell(`${this.word === "row" ? "Row" : "Item"} ${at + 1} was removed.`);
    this.changed();
  }

  #putBack() {
    const { at, item } = this.removed;
    this.place.value.items.splice(at, 0, item);
    const row = this.#insert(at);
    this.#numberFrom(at);
    this.back.hidden = true;
    row.remove.focus();
    this.#tell();
    this.changed();
  }

  #numberFrom(at) {
    for (let index = at; index < this.rows.length; index += 1) this.#number(this.rows[index], index);
  }

  #tell(words = "") {
    const all = this.place.value.items.length;
    const count = all > this.rows.length ? `${this.rows.length} of ${all} ${this.word}s are shown.` : "";
    this.status.textContent = [words, count, all === 0 && !words ? `There are no ${this.word}s.` : ""].filter(Boolean).join(" ");
    this.more.hidden = all <= this.rows.length;
    if (this.table) this.table.hidden = all === 0;
  }
}

/** The columns, if all items are objects whose members are without parts; else null. */
function columnsOf(form, shape, node) {
  if (shape.places.length) return null;
  const item = form.schemas.shape(shape.items);
  if (item.kind !== "object") return null;
  const columns = new Map();
  const add = (name, schema) => {
    const { kind, description } = form.schemas.shape(schema);
    columns.set(name, { name, schema, kind, description, label: labelOf(schema, name) });
  };
  for (const [name, schema] of item.properties) add(name, schema);
  if ([...columns.values()].some(({ kind, schema }) => !IN_CELLS.includes(kind) && Object.hasOwn(schema, "type"))) return null;
  for (const { value } of node.items) {
    if (!suits(item, value)) return null;
    for (const member of value.members) {
      if ("members" in member.value || "items" in member.value) return null;
      if (!columns.has(member.name)) add(member.name, item.extra);
    }
  }
  const kinds = [...columns.values()].map(({ kind }) => kind);
  const isFlat = kinds.every((kind) => IN_CELLS.includes(kind) || kind === "any");
  return isFlat && columns.size > 0 && columns.size <= MOST_COLUMNS ? [...columns.values()] : null;
}

function isNumeric(kind) {
  return kind === "number" || kind === "integer";
}

/** Some words that tell an item from the others. */
function summaryOf(node) {
  const text = node.kind === "object" ? node.members.find(({ value }) => value.kind === "string" && value.text)?.value.text : node.text;
  return text ? text.slice(0, 80) : "";
}
