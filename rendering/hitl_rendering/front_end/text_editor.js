// Editing a text, prose or code.
import { element, indentWithTab, keepLineEnds, plainTyping, textArea } from "./edit_text.js";
import { newId } from "./form_fields.js";

export class TextEditor {
  #typed = null;
  #kept = "";
  buttons = [];
  problem = "";

  constructor(text, display, changed) {
    this.before = text;
    const isCode = display.startsWith("code") || display === "json";
    this.root = element("div", "hitl-edit-whole");
    this.field = textArea(isCode || display === "markdown" ? "hitl-edit-source" : "hitl-edit-text", text);
    this.field.setAttribute("aria-label", "Text of the output");
    this.field.addEventListener("input", changed);
    this.field.setSelectionRange(0, 0); // a long text opens at its beginning
    this.root.append(this.field);
    if (!isCode) return;
    plainTyping(this.field);
    this.field.classList.add("is-code");
    indentWithTab(this.field);
    const hint = element("div", "hitl-edit-note", "Tab indents. To leave the field by keyboard, press Escape, then Tab.");
    hint.id = newId();
    this.field.setAttribute("aria-describedby", hint.id);
    this.root.append(hint);
  }

  get value() {
    const typed = this.field.value;
    if (typed !== this.#typed) this.#kept = keepLineEnds(this.before, typed);
    this.#typed = typed;
    return this.#kept;
  }

  showErrors(errors) {
    return { fields: [], others: errors };
  }

  showProblem() {}

  focus() {
    this.field.focus();
  }
}
