// Fields of a typed form for texts, numbers, yes or no, and the JSON source of anything else.
import { element, keepLineEnds, plainTyping, textArea } from "./edit_text.js";
import { findProblem, isNumber, parseJson, printJson } from "./json_source.js";

let count = 0;

/** An id that no other element has. */
export function newId() {
  count += 1;
  return `hitl-edit-${count}`;
}

/** A part of a form: shows a value of a place, and errors. */
export class Field {
  /**
   * @param {object} form what the fields share: `changed()`, `make(...)`, `schemas`.
   * @param {{ value: object | undefined }} place where the value is kept.
   * @param {{ label: string, inCell?: boolean }} names
   */
  constructor(form, shape, place, names) {
    Object.assign(this, { form, shape, place, names });
    this.id = newId();
    this.said = []; // errors
    this.root = element("div", "hitl-edit-field");
    this.error = element("div", "hitl-edit-error");
    this.error.id = `${this.id}-error`;
    this.error.hidden = true;
  }

  get isEmpty() {
    return !this.place.value || this.place.value.kind === "null";
  }

  get canBeEmpty() {
    return this.shape.optional || this.place.wasAbsent === true;
  }

  /** No value: null, or no member where there was none. */
  empty() {
    this.place.value = this.place.wasAbsent ? undefined : { kind: "null" };
  }

  /** Take another label: rows are counted anew. */
  rename(label) {
    this.names.label = label;
  }

  /** The field for a path, and what is left of the path. */
  find(path) {
    return { field: this, rest: path };
  }

  /** What errors are said of. */
  get marked() {
    return this.control;
  }

  showError(...all) {
    this.said = all.filter(Boolean);
    const words = this.said.join(" ");
    this.error.textContent = words;
    this.error.hidden = !words;
    const ids = (this.marked.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== this.error.id);
    if (words) ids.unshift(this.error.id);
    if (ids.length) this.marked.setAttribute("aria-describedby", ids.join(" "));
    else this.marked.removeAttribute("aria-describedby");
    if (words && this.marked.matches("input, select, textarea")) this.marked.setAttribute("aria-invalid", "true");
    else this.marked.removeAttribute("aria-invalid");
    this.root.classList.toggle("is-wrong", Boolean(words));
  }

  /** Say one more; what was said already, such as when somebody left the field, is said once. */
  addError(words) {
    if (!this.said.includes(words)) this.showError(...this.said, words);
  }

  focus() {
    this.marked.focus();
  }

  changed() {
    if (!this.error.hidden) this.showError("");
    this.form.changed();
  }
}

/** A field with one control and its label. */
export class ControlField extends Field {
  mount(control, ...others) {
    this.control = control;
    control.id = this.id;
    const { label, inCell } = this.names;
    if (inCell) {
      control.setAttribute("aria-label", label);
      if (this.names.note) control.setAttribute("aria-describedby", this.names.note);
    } else {
      this.label = element("label", "hitl-edit-label", label);
      this.label.htmlFor = this.id;
      this.root.append(this.label);
    }
    const { description } = this.shape;
    if (description && !inCell) {
      const note = element("div", "hitl-edit-note", description);
      note.id = `${this.id}-note`;
      control.setAttribute("aria-describedby", note.id);
      this.root.append(note);
    }
    this.root.append(control, ...others, this.error);
  }

  rename(label) {
    super.rename(label);
    if (this.names.inCell) this.control.setAttribute("aria-label", label);
    else this.label.textContent = label;
  }
}

/** An empty text and no text are two things: "Not set" tells them apart. */
export class TextField extends ControlField {
  constructor(...all) {
    super(...all);
    const before = this.place.value?.text ?? "";
    const area = textArea("hitl-edit-text", before);
    if (this.names.inCell) area.classList.add("in-cell");
    area.addEventListener("input", () => {
      this.place.value = { kind: "string", text: keepLineEnds(before, area.value) };
      this.#tell();
      this.changed();
    });
    if (!this.canBeEmpty) {
      this.mount(area);
      return;
    }
    this.unset = Object.assign(element("input"), { type: "checkbox" });
    const words = element("label", "hitl-edit-unset");
    words.append(this.unset, "Not set");
    this.mount(area, words);
    let kept = { kind: "string", text: "" };
    this.unset.addEventListener("change", () => {
      if (this.unset.checked) {
        kept = this.place.value;
        this.empty();
        area.value = "";
      } else {
        this.place.value = kept;
        area.value = kept.text;
      }
      this.#tell();
      this.changed();
      if (!this.unset.checked) area.focus();
    });
    this.rename(this.names.label);
    this.#tell();
  }

  rename(label) {
    super.rename(label);
    this.unset?.setAttribute("aria-label", `Not set: ${label}`);
  }

  #tell() {
    if (!this.unset) return;
    this.unset.checked = this.isEmpty;
    this.control.placeholder = this.isEmpty ? "not set" : "empty text";
  }
}

/** A number as it was typed: it is never read as JavaScript's, which would round it. */
export class NumberField extends ControlField {
  constructor(...all) {
    super(...all);
    const input = Object.assign(element("input", "hitl-edit-input hitl-edit-number"), { type: "text" });
    plainTyping(input);
    if (this.shape.schema.minimum >= 0 || this.shape.schema.exclusiveMinimum >= 0) {
      input.inputMode = this.shape.kind === "integer" ? "numeric" : "decimal";
    }
    input.value = this.isEmpty ? "" : this.place.value.source;
    if (this.canBeEmpty) input.placeholder = "not set";
    input.addEventListener("input", () => {
      const source = input.value.trim();
      if (!source && this.canBeEmpty) this.empty();
      else this.place.value = { kind: "number", source };
      this.changed();
    });
    input.addEventListener("change", () => {
      const { value } = this.place;
      if (value?.kind === "number" && !isNumber(value.source)) this.showError(findProblem(value).message);
    });
    this.mount(input);
    this.root.classList.add("is-short");
  }
}

export class SwitchField extends ControlField {
  constructor(...all) {
    super(...all);
    const box = Object.assign(element("input", "hitl-edit-switch"), { type: "checkbox" });
    box.checked = this.place.value.on;
    box.addEventListener("change", () => {
      this.place.value = { kind: "boolean", on: box.checked };
      this.changed();
    });
    this.mount(box);
    this.root.classList.add("is-short", "is-switch");
  }
}

/** The JSON source of a part that has no fields of its own. */
export class SourceField extends ControlField {
  constructor(...all) {
    super(...all);
    const area = textArea("hitl-edit-source", this.place.value ? printJson(this.place.value) : "");
    plainTyping(area);
    if (this.canBeEmpty) area.placeholder = "not set";
    area.addEventListener("input", () => {
      this.#read(area.value);
      this.changed();
    });
    area.addEventListener("change", () => {
      if (this.place.value?.kind === "raw") this.showError(this.place.value.message);
    });
    this.mount(area);
  }

  #read(source) {
    if (!source.trim() && this.canBeEmpty) {
      this.empty();
      return;
    }
    try {
      this.place.value = parseJson(source);
    } catch (error) {
      this.place.value = { kind: "raw", source, message: error.message };
    }
  }
}
