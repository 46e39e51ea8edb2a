// A form for a JSON document, by its schema where there is one. It changes the document in place, part by part, so what it
// does not show stays as it is.
import { element } from "./edit_text.js";
import { ChoiceField, FixedField, TimeField } from "./form_choices.js";
import { NumberField, SourceField, SwitchField, TextField } from "./form_fields.js";
import { ObjectField } from "./form_groups.js";
import { ListField } from "./form_lists.js";
import { DictField } from "./form_pairs.js";
import { OptionalField, UnionField } from "./form_variants.js";
import { SchemaReader } from "./json_schema.js";
import { isSame, shapeOf, suits } from "./json_shapes.js";
import { findProblem, pathWords } from "./json_source.js";

const GROUPS = { object: ObjectField, dict: DictField, list: ListField, union: UnionField };
const DEEPEST = 60; // a schema may be one of several kinds, one of which is itself
const YES_OR_NO = [{ kind: "boolean", on: true }, { kind: "boolean", on: false }];

export class TypedForm {
  /**
   * @param {{ value: object }} document the node of the whole.
   * @param {object | null} schema
   * @param {() => void} changed called after each change.
   */
  constructor(document, schema, changed) {
    this.document = document;
    this.schemas = new SchemaReader(schema);
    this.changed = changed;
    this.root = element("div", "hitl-edit-form");
    const { title } = this.schemas.shape();
    this.top = this.make(undefined, document, { label: title || "Output", depth: 0, isBare: true });
    this.root.append(this.top.root);
  }

  /** Whether there is more to show than the source. */
  static canShow(node, schema) {
    const { kind } = new SchemaReader(schema).shape();
    return (kind === "any" ? shapeOf(node).kind : kind) !== "any" && (schema !== null || "members" in node || "items" in node);
  }

  /** The field of a part. */
  make(schema, place, names) {
    const known = schema === undefined ? this.schemas.shape() : this.schemas.shape(schema);
    const shape = names.depth > DEEPEST ? { ...known, kind: "any" } : this.#shapeFor(known, place);
    if (shape.kind in GROUPS) {
      const canBeEmpty = (shape.optional || place.wasAbsent) && !names.inCell;
      return canBeEmpty ? new OptionalField(this, shape, place, names) : this.makeGroup(shape, place, names);
    }
    const canBeEmpty = shape.optional || place.wasAbsent;
    const node = place.value;
    switch (shape.kind) {
      case "text":
        return TimeField.canShow(shape, node) ? new TimeField(this, shape, place, names) : new TextField(this, shape, place, names);
      case "number":
      case "integer":
        return new NumberField(this, shape, place, names);
      case "boolean":
        if (!canBeEmpty) return new SwitchField(this, shape, place, names);
        return new ChoiceField(this, { ...shape, options: YES_OR_NO }, place, names);
      case "choice": {
        const isFixed = shape.options.length === 1 && node && isSame(shape.options[0], node) && !canBeEmpty;
        return new (isFixed ? FixedField : ChoiceField)(this, shape, place, names);
      }
      case "fixed":
        if (node && ("members" in node || "items" in node)) return new FixedField(this, shape, place, names);
    }
    return new SourceField(this, shape, place, names);
  }

  /** A group that has a value. */
  makeGroup(shape, place, names) {
    return new GROUPS[shape.kind](this, shape, place, names).start();
  }

  /** What does not fit the schema has fields by itself. */
  #shapeFor(known, place) {
    const node = place.value;
    if (!node || known.kind === "fixed" || (node.kind === "null" && (known.optional || known.kind === "choice"))) return known;
    if (known.kind !== "any" && node.kind !== "null" && suits(known, node)) return known;
    const { title, description, optional } = known;
    return { ...shapeOf(node), title, description, optional };
  }

  /**
   * Show errors at their fields.
   *
   * @param {{ path: (string | number)[], message: string }[]} errors
   * @returns {{ fields: object[], others: object[] }} the fields, and the errors that have none.
   */
  showErrors(errors) {
    for (const field of this.wrong ?? []) field.showError("");
    const found = new Set();
    const others = [];
    for (const error of errors) {
      const { field, rest } = this.top.find(error.path);
      if (field === this.top && "body" in field) {
        others.push(error);
        continue;
      }
      field.addError(rest.length ? `${pathWords(rest)}: ${error.message}` : error.message);
      found.add(field);
      field.root.hidden = false;
      for (let at = field.root.closest("details"); at; at = at.parentElement.closest("details")) at.open = true;
    }
    this.wrong = found;
    return { fields: [...found], others };
  }

  /** Show at its field why the document cannot be sent; tells whether there is such a reason. */
  showProblem() {
    const problem = findProblem(this.document.value);
    if (!problem) return false;
    if (problem.ofName) {
      const { field } = this.top.find(problem.path.slice(0, -1));
      const name = field.findName?.(problem.path.at(-1)) ?? field;
      name.showError(problem.message);
      name.focus();
      return true;
    }
    const { fields } = this.showErrors([problem]);
    fields[0]?.focus();
    return true;
  }
}
