// Lists of a typed form: one control each, a table of flat objects, or a group each. Long ones are drawn in parts.
import { button, element, quietButton } from "./edit_text.js";
import { GroupField, MemberPlace } from "./form_groups.js";
import { IN_CELLS, columnsOf, guessedTable, isNumeric, tableHead } from "./form_tables.js";
import { itemSchema } from "./json_schema.js";

const BATCH = 100;
const MOST_OPEN = 3; // items; longer lists of groups are folded

export class ListField extends GroupField {
  rows = [];

  fill() {
    const guessed = guessedTable(this.form, this.shape, this.place.value);
    if (guessed) this.shape = { ...this.shape, items: guessed };
    this.columns = columnsOf(this.form, this.shape, this.place.value);
    const first = this.form.schemas.shape(itemSchema(this.shape, 0));
    this.isPlain = !this.columns && (IN_CELLS.includes(first.kind) || first.kind === "any");
    this.word = this.columns ? "row" : "item";
    this.list = this.columns ? element("tbody") : element("div", this.isPlain ? "hitl-edit-items is-plain" : "hitl-edit-items");
    if (this.columns) this.body.append(this.#table());
    else this.body.append(this.list);
    this.more = button(`Show ${BATCH} more`, "", () => this.#showMore());
    this.add = button(`Add ${this.word}`, "", () => this.#add());
    this.add.hidden = this.shape.isFixed;
    this.back = button("Put it back", "", () => this.#putBack());
    this.back.hidden = true;
    this.status = element("span", "hitl-edit-status");
    this.status.setAttribute("role", "status");
    const bar = element("div", "hitl-edit-bar");
    bar.append(this.more, this.add, this.back, this.status);
    this.body.append(bar);
    this.rename(this.names.label);
    this.#draw(BATCH);
  }

  rename(label) {
    super.rename(label);
    this.add?.setAttribute("aria-label", `Add ${this.word} to ${label}`);
    this.more?.setAttribute("aria-label", `Show ${BATCH} more of ${label}`);
    this.table?.setAttribute("aria-label", label);
    if (this.removed) this.#nameBack();
    this.#numberFrom(0);
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
    this.table.append(tableHead(this.columns), this.list);
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
    if (row.details && this.place.value.items.length <= MOST_OPEN) this.#open(row);
    return row;
  }

  #fillRow(row) {
    row.root = element("tr");
    row.count = element("td", "hitl-edit-count");
    row.root.append(row.count);
    row.cells = new Map();
    const order = this.columns.map(({ name }) => name);
    for (const { name, schema, label, note } of this.columns) {
      const place = new MemberPlace(row.item.value, name, order);
      const field = this.form.make(schema, place, { label, note, inCell: true, depth: 0 });
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
    if (this.isPlain) {
      row.root.append(this.#make(row, at), row.remove);
      return;
    }
    row.details = element("details", "hitl-edit-card");
    row.heading = element("summary", "hitl-edit-legend");
    row.details.append(row.heading);
    row.details.addEventListener("toggle", () => {
      if (row.details.open) this.#open(row);
      else this.#number(row, this.rows.indexOf(row));
    });
    row.root.append(row.details, row.remove);
  }

  #make(row, at) {
    const names = { label: this.#itemLabel(at), depth: this.names.depth + 1, isBare: true, inCell: this.isPlain, isInner: true };
    row.field = this.form.make(itemSchema(this.shape, at), row.item, names);
    return row.field.root;
  }

  #open(row) {
    if (!row.field) row.details.append(this.#make(row, this.rows.indexOf(row)));
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
    row.field?.rename(this.#itemLabel(at));
  }

  #itemLabel(at) {
    return `${this.names.label}, item ${at + 1}`;
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
    this.removed = { at, row };
    this.place.value.items.splice(at, 1);
    this.rows.splice(at, 1);
    row.root.remove();
    this.#draw(drawn);
    this.#numberFrom(at);
    this.back.hidden = false;
    this.#nameBack();
    (this.rows[at] ?? this.rows[at - 1] ?? { remove: this.add }).remove.focus();
    this.#tell();
    this.changed();
  }

  #nameBack() {
    this.back.setAttribute("aria-label", `Put ${this.word} ${this.removed.at + 1} of ${this.names.label} back`);
  }

  #putBack() {
    const { at, row } = this.removed;
    this.place.value.items.splice(at, 0, row.item);
    this.list.insertBefore(row.root, this.rows[at]?.root ?? null);
    this.rows.splice(at, 0, row);
    this.#numberFrom(at);
    this.back.hidden = true;
    row.remove.focus();
    this.#tell();
    this.changed();
  }

  #numberFrom(at) {
    for (let index = at; index < this.rows.length; index += 1) this.#number(this.rows[index], index);
  }

  #tell() {
    const words = this.back.hidden ? "" : `${this.word === "row" ? "Row" : "Item"} ${this.removed.at + 1} was removed.`;
    const all = this.place.value.items.length;
    const count = all > this.rows.length ? `${this.rows.length} of ${all} ${this.word}s are shown.` : "";
    this.status.textContent = [words, count, all === 0 && !words ? `There are no ${this.word}s.` : ""].filter(Boolean).join(" ");
    this.more.hidden = all <= this.rows.length;
    if (this.table) this.table.hidden = all === 0;
  }
}

/** Some words that tell an item from the others. */
function summaryOf(node) {
  const text = node.kind === "object" ? node.members.find(({ value }) => value.kind === "string" && value.text)?.value.text : node.text;
  return text ? text.slice(0, 80) : "";
}
