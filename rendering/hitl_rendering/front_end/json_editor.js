// Editing JSON: as a form, or as its source. Without a change the text comes back byte for byte. A form with a change writes
// the JSON anew, with the numbers, texts and order of names that it had.
import { button, element, keepLineEnds, plainTyping, textArea } from "./edit_text.js";
import { newId } from "./form_fields.js";
import { findProblem, parseJson, pathWords, printJson } from "./json_source.js";
import { TypedForm } from "./typed_form.js";

const LONGEST = 300_000; // characters; more has no form
const QUIET = 500; // milliseconds without a key before a mistake is told

export class JsonEditor {
  #timer = 0;
  form = null;
  source = null;

  /** @param {() => void} changed called after each change. */
  constructor(text, schema, changed) {
    Object.assign(this, { schema, changed });
    this.start = text; // of the view that is shown
    this.before = text; // that was opened
    this.root = element("div", "hitl-edit-whole");
    this.asForm = button("Form", "", () => this.#toForm());
    this.asSource = button("Source", "", () => this.#toSource());
    const switching = element("span", "hitl-edit-views");
    switching.setAttribute("role", "group");
    switching.setAttribute("aria-label", "How to edit");
    switching.append(this.asForm, this.asSource);
    this.buttons = [switching];
    this.note = element("div", "hitl-edit-note");
    this.error = element("div", "hitl-edit-error");
    this.error.id = newId();
    this.error.setAttribute("role", "status");
    if (!this.#openForm(text)) this.#openSource(text);
  }

  get value() {
    if (this.source) return keepLineEnds(this.start, this.source.value);
    const now = printJson(this.document.value);
    return now === this.printed ? this.start : now === this.printedBefore ? this.before : now;
  }

  get problem() {
    if (this.form) {
      const problem = findProblem(this.document.value);
      return problem ? [pathWords(problem.path), problem.message].filter(Boolean).join(": ") : "";
    }
    return this.#mistake()?.message ?? "";
  }

  showProblem() {
    if (this.form) {
      this.form.showProblem();
      return;
    }
    const mistake = this.#mistake();
    if (mistake) this.#goTo(mistake);
  }

  showErrors(errors) {
    if (!this.form && errors.length && !this.#mistake()) this.#openForm(this.value);
    return this.form?.showErrors(errors) ?? { fields: [], others: errors };
  }

  focus() {
    if (this.source) this.source.focus();
    else this.form.root.querySelector("input, select, textarea, summary, button")?.focus();
  }

  // --- views

  #openForm(text) {
    if (text.length > LONGEST) return this.#refuseForm("It is too long for a form: this is its source.");
    let node;
    try {
      node = parseJson(text);
    } catch {
      return false;
    }
    if (!TypedForm.canShow(node, this.schema)) return this.#refuseForm("It has no fields: this is its source.");
    this.document = { value: node };
    this.start = text;
    this.printed = printJson(node);
    if (text === this.before) this.printedBefore = this.printed;
    this.source = null;
    this.form = new TypedForm(this.document, this.schema, this.changed);
    this.root.replaceChildren(this.form.root);
    this.#tellView();
    return true;
  }

  #openSource(text) {
    this.start = text;
    this.form = null;
    this.source = textArea("hitl-edit-source", text);
    plainTyping(this.source);
    this.source.setAttribute("aria-label", "JSON source of the output");
    this.source.setAttribute("aria-describedby", this.error.id);
    this.source.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#tell(), QUIET);
      this.changed();
    });
    this.root.replaceChildren(this.note, this.source, this.error);
    this.#tell();
    this.#tellView();
  }

  #refuseForm(words) {
    this.note.textContent = words;
    this.asForm.hidden = true;
    return false;
  }

  #toForm() {
    if (this.form) return;
    const mistake = this.#mistake();
    if (mistake) this.#goTo(mistake);
    else if (!this.#openForm(this.value)) this.source.focus();
  }

  #toSource() {
    if (this.source) return;
    this.#openSource(this.value);
  }

  #tellView() {
    this.asForm.setAttribute("aria-pressed", String(Boolean(this.form)));
    this.asSource.setAttribute("aria-pressed", String(Boolean(this.source)));
  }

  // --- mistakes in the source

  #mistake() {
    try {
      parseJson(this.value);
      return null;
    } catch (error) {
      return error;
    }
  }

  #tell(mistake = this.#mistake()) {
    this.error.textContent = mistake?.message ?? "";
    if (!this.source) return;
    if (mistake) this.source.setAttribute("aria-invalid", "true");
    else this.source.removeAttribute("aria-invalid");
  }

  #goTo(mistake) {
    this.#tell(mistake);
    this.source.focus();
    const returns = this.value.slice(0, mistake.at).match(/\r\n/g)?.length ?? 0; // the field has \n for each
    this.source.setSelectionRange(mistake.at - returns, mistake.at - returns + 1);
  }
}
