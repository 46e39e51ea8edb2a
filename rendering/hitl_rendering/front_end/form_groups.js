// Groups of a typed form: what all have in common, and objects.
import { element } from "./edit_text.js";
import { Field } from "./form_fields.js";

const FOLDED_FROM = 4; // levels of nesting; deeper groups are folded, and made when they are opened

/** The place of an object's member, which may not be there. */
export class MemberPlace {
  /** @param {string[]} order the names in the schema's order: where a member that was away comes in. */
  constructor(node, name, order) {
    Object.assign(this, { node, name, order });
    this.wasAbsent = !this.#member;
  }

  get #member() {
    return this.node.members.find(({ name }) => name === this.name);
  }

  get value() {
    return this.#member?.value;
  }

  set value(value) {
    const member = this.#member;
    const { members } = this.node;
    if (value === undefined) {
      if (member) members.splice(members.indexOf(member), 1);
    } else if (member) member.value = value;
    else {
      const before = this.order.slice(0, Math.max(this.order.indexOf(this.name), 0));
      const at = members.findLastIndex(({ name }) => before.includes(name)) + 1;
      members.splice(at, 0, { name: this.name, value });
    }
  }
}

/** A group with a heading. `fill` adds its parts to `body`, when they are needed. */
export class GroupField extends Field {
  #isFilled = false;

  constructor(form, shape, place, names) {
    super(form, shape, place, names);
    const isFolded = names.depth >= FOLDED_FROM && !names.isBare;
    this.root = element(names.isBare ? "div" : isFolded ? "details" : "fieldset", "hitl-edit-group");
    this.heading = element(isFolded ? "summary" : "legend", "hitl-edit-legend", names.label);
    this.body = element("div", "hitl-edit-body");
    this.control = isFolded ? this.heading : this.root;
    if (names.isBare) {
      this.root.setAttribute("role", "group");
      this.root.setAttribute("aria-label", names.label);
    } else this.root.append(this.heading);
    if (this.control === this.root) this.root.tabIndex = -1;
    const { description } = shape;
    if (description && !names.isInner) this.root.append(element("div", "hitl-edit-note", description));
    this.root.append(this.error, this.body);
    if (isFolded) this.root.addEventListener("toggle", () => this.root.open && this.ready());
  }

  /** Make the parts, unless they are there. */
  ready() {
    if (this.#isFilled) return;
    this.#isFilled = true;
    this.fill();
  }

  start() {
    if (this.root.localName !== "details") this.ready();
    return this;
  }

  /** Put the focus into the first control. */
  enter() {
    this.ready();
    if (this.root.localName === "details") this.root.open = true;
    (this.body.querySelector("input, select, textarea, button, summary") ?? this.control).focus();
  }

  /** Labels count rows anew. */
  rename(label) {
    this.names.label = label;
    this.heading.textContent = label;
    if (this.names.isBare) this.root.setAttribute("aria-label", label);
  }
}

export class ObjectField extends GroupField {
  children = new Map();

  fill() {
    const node = this.place.value;
    const { properties } = this.shape;
    const order = [...properties.keys()];
    const names = new Set([...node.members.map(({ name }) => name), ...order]);
    for (const name of names) {
      const schema = properties.get(name) ?? this.shape.extra;
      const place = new MemberPlace(node, name, order);
      const child = this.form.make(schema, place, { label: labelOf(schema, name), depth: this.names.depth + 1 });
      if (this.names.isVariant && child.isFixed) child.root.hidden = true; // the choice of the variant says it
      this.children.set(name, child);
      this.body.append(child.root);
    }
    if (names.size === 0) this.body.append(element("div", "hitl-edit-none", "There are no fields in it."));
  }

  find(path) {
    this.ready();
    return this.children.get(path[0])?.find(path.slice(1)) ?? { field: this, rest: path };
  }
}

/** What a member is called: its title, or its name; of the name of a reference pydantic makes no title, so this does. */
export function labelOf(schema, name) {
  const has = (key) => typeof schema === "object" && schema !== null && Object.hasOwn(schema, key);
  if (has("title") && typeof schema.title === "string" && schema.title) return schema.title;
  if (!["$ref", "anyOf", "oneOf", "allOf"].some(has)) return name || "(no name)";
  return name.replaceAll("_", " ").replace(/(^|\s)\S/g, (first) => first.toUpperCase()) || "(no name)";
}
