// Names and values in a typed form: objects whose names the schema does not say.
import { button, element, keepLineEnds, plainTyping, quietButton, textArea } from "./edit_text.js";
import { Field } from "./form_fields.js";
import { GroupField } from "./form_groups.js";
import { findProblem } from "./json_source.js";

/** Names that can be edited, each with a value. */
export class DictField extends GroupField {
  rows = [];

  fill() {
    this.list = element("div", "hitl-edit-pairs");
    this.add = button("Add", `Add to ${this.names.label}`, () => this.#add());
    this.back = button("Put it back", "", () => this.#putBack());
    this.back.hidden = true;
    const bar = element("div", "hitl-edit-bar");
    this.status = element("span", "hitl-edit-status");
    this.status.setAttribute("role", "status");
    bar.append(this.add, this.back, this.status);
    this.body.append(this.list, bar);
    for (const member of this.place.value.members) this.#draw(member);
  }

  rename(label) {
    super.rename(label);
    this.add?.setAttribute("aria-label", `Add to ${label}`);
    for (const row of this.rows) this.#number(row);
    if (this.removed) this.#nameBack();
  }

  find(path) {
    this.ready();
    const row = path.length ? this.rows.find(({ member }) => member.name === path[0]) : null;
    return row ? row.field.find(path.slice(1)) : { field: this, rest: path };
  }

  /** The field of the name, where two are the same or one is missing. */
  findName(name) {
    this.ready();
    return this.rows.findLast(({ member }) => member.name === name)?.name ?? this;
  }

  #draw(member) {
    const root = element("div", "hitl-edit-pair");
    const name = new NameField(this.form, {}, member, { label: `Name in ${this.names.label}` });
    const field = this.form.make(this.shape.extra, member, { label: "Value", depth: this.names.depth + 1 });
    const row = { member, root, name, field };
    row.button = quietButton("Remove", "", () => this.#remove(row));
    name.onName = () => this.#number(row);
    root.append(name.root, field.root, row.button);
    this.#number(row);
    this.rows.push(row);
    this.list.append(root);
    return row;
  }

  #number({ member, button: remove }) {
    remove.setAttribute("aria-label", `Remove ${member.name || "this"} from ${this.names.label}`);
  }

  #add() {
    const member = { name: "", isNew: true, value: this.form.schemas.initial(this.shape.extra) };
    this.place.value.members.push(member);
    this.#draw(member).name.focus();
    this.changed();
  }

  #remove(row) {
    const at = this.rows.indexOf(row);
    this.place.value.members.splice(this.place.value.members.indexOf(row.member), 1);
    this.rows.splice(at, 1);
    row.root.remove();
    (this.rows[at] ?? this.rows[at - 1])?.button.focus();
    if (this.rows.length === 0) this.add.focus();
    this.removed = { at, row };
    this.back.hidden = false;
    this.#nameBack();
    this.status.textContent = row.member.name ? `${row.member.name} was removed.` : "It was removed.";
    this.changed();
  }

  #nameBack() {
    this.back.setAttribute("aria-label", `Put ${this.removed.row.member.name || "it"} back into ${this.names.label}`);
  }

  #putBack() {
    const { at, row } = this.removed;
    this.place.value.members.splice(at, 0, row.member);
    this.rows.splice(at, 0, row);
    this.list.insertBefore(row.root, this.rows[at + 1]?.root ?? null);
    this.#number(row);
    this.back.hidden = true;
    row.button.focus();
    this.status.textContent = "";
    this.changed();
  }
}

/** The name of a pair. */
class NameField extends Field {
  onName = () => {};

  constructor(form, shape, member, names) {
    super(form, shape, member, names);
    const before = member.name;
    this.control = textArea("hitl-edit-text hitl-edit-name", before);
    this.control.id = this.id;
    plainTyping(this.control);
    const label = element("label", "hitl-edit-label", "Name");
    label.htmlFor = this.id;
    this.control.addEventListener("input", () => {
      member.name = keepLineEnds(before, this.control.value);
      delete member.source;
      this.onName();
      this.changed();
    });
    this.root.append(label, this.control, this.error);
    this.control.addEventListener("change", () => {
      const problem = findProblem(this.form.document.value);
      if (problem?.ofName && problem.path.at(-1) === member.name) this.showError(problem.message);
    });
  }
}
