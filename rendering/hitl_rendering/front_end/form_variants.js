// Parts of a typed form that are one of several kinds, or need not be there.
import { button, element } from "./edit_text.js";
import { Field, newId } from "./form_fields.js";
import { GroupField } from "./form_groups.js";
import { KIND_WORDS } from "./json_schema.js";

/** One of several kinds of value: which one is chosen, too. */
export class UnionField extends GroupField {
  fill() {
    const { schemas } = this.form;
    const { variants } = this.shape;
    this.kept = new Map();
    this.chosen = variants.findIndex((one) => schemas.fits(this.place.value, one));
    const select = element("select", "hitl-edit-input");
    select.id = newId();
    const label = element("label", "hitl-edit-label", "Kind");
    label.htmlFor = select.id;
    const words = variants.map((one) => schemas.shape(one).title || KIND_WORDS[schemas.shape(one).kind]);
    for (const [index, word] of words.entries()) {
      const isTwice = words.indexOf(word) !== words.lastIndexOf(word);
      select.append(new Option(isTwice ? `${word} (${index + 1})` : word, String(index)));
    }
    if (this.chosen < 0) select.prepend(new Option("as it is", "-1"));
    select.value = String(this.chosen);
    select.addEventListener("change", () => this.#choose(Number(select.value)));
    const field = element("div", "hitl-edit-field is-short");
    field.append(label, select);
    this.inside = element("div", "hitl-edit-inside");
    this.body.append(field, this.inside);
    this.#show();
  }

  find(path) {
    this.ready();
    return path.length ? this.inner.find(path) : { field: this, rest: path };
  }

  #choose(index) {
    this.kept.set(this.chosen, this.place.value);
    const value = this.kept.get(index) ?? this.#made(this.shape.variants[index]);
    this.chosen = index;
    this.place.value = value;
    this.#show();
    this.changed();
  }

  /** A new value of a kind takes over what it has in common with the last one. */
  #made(variant) {
    const { schemas } = this.form;
    const made = schemas.initial(variant);
    const { properties } = schemas.shape(variant);
    if (made.kind !== "object" || this.place.value.kind !== "object" || !properties) return made;
    for (const member of made.members) {
      const before = this.place.value.members.find(({ name }) => name === member.name);
      if (before && schemas.fits(before.value, properties.get(member.name))) member.value = before.value;
    }
    return made;
  }

  #show() {
    const variant = this.shape.variants[this.chosen] ?? {};
    this.inner = this.form.make(variant, this.place, { label: "Value", depth: this.names.depth + 1, isBare: true, isVariant: true });
    this.inside.replaceChildren(this.inner.root);
  }
}

/** A group that need not be there. */
export class OptionalField extends Field {
  constructor(form, shape, place, names) {
    super(form, shape, place, names);
    this.root.classList.add("hitl-edit-optional");
    this.add = button("Set", `Set ${names.label}`, () => this.#set());
    this.clear = button("Clear", `Clear ${names.label}`, () => this.#clear());
    this.bar = element("div", "hitl-edit-bar");
    this.root.append(this.error);
    this.#show();
  }

  get marked() {
    return this.inner?.marked ?? this.add;
  }

  rename(label) {
    super.rename(label);
    this.add.setAttribute("aria-label", `Set ${label}`);
    this.clear.setAttribute("aria-label", `Clear ${label}`);
    if (this.isEmpty) this.bar.firstChild.textContent = label;
    else this.inner.rename(label);
  }

  find(path) {
    return this.inner?.find(path) ?? { field: this, rest: path };
  }

  #show() {
    this.root.replaceChildren();
    if (this.isEmpty) {
      this.inner = null;
      const label = element("span", "hitl-edit-label", this.names.label);
      this.bar.replaceChildren(label, element("span", "hitl-edit-none", "not set"), this.add);
      this.root.append(this.bar, this.error);
      return;
    }
    this.inner = this.form.makeGroup(this.shape, this.place, this.names);
    this.root.append(this.inner.root, this.clear, this.error);
  }

  #set() {
    this.place.value = this.before ?? this.form.schemas.filled(this.shape);
    this.#show();
    this.inner.enter();
    this.changed();
  }

  #clear() {
    this.before = this.place.value;
    this.empty();
    this.#show();
    this.add.focus();
    this.changed();
  }
}
