// The editor of an output: text, code, or JSON as a form and as its source, with a preview.
import { button, element } from "./edit_text.js";
import { EditPreview } from "./edit_preview.js";
import { JsonEditor } from "./json_editor.js";
import { TextEditor } from "./text_editor.js";
import { pathWords } from "./json_source.js";

export class OutputEditor {
  #part = null;
  #opened = null;

  /**
   * @param {object} host
   * @param {(text: string) => Promise<{ html: string, changes: string }>} host.preview the text as outputs are shown, and
   *   what changed by hand: both HTML of our server, which made it safe.
   * @param {() => void} host.onChange called after each change.
   * @param {() => void} host.onDiscard called when the reader gives up the edit; the host closes the editor.
   */
  constructor({ preview, onChange = () => {}, onDiscard = () => {} }) {
    this.onChange = onChange;
    this.onDiscard = onDiscard;
    this.root = element("div", "hitl-editor");
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", "Edit the output");
    this.all = element("fieldset", "hitl-edit-all");
    this.errors = element("div", "hitl-edit-errors");
    this.errors.setAttribute("role", "alert");
    this.errors.tabIndex = -1;
    this.errors.hidden = true;
    this.area = element("div", "hitl-edit-area");
    const text = () => (this.showProblem() ? null : this.value);
    this.preview = new EditPreview(preview, text, (isShown) => (this.area.hidden = isShown));
    this.bar = element("div", "hitl-edit-bar hitl-edit-top");
    this.all.append(this.bar, this.errors, this.area, this.preview.root);
    this.root.append(this.all);
    this.bar.addEventListener("click", (event) => {
      if (event.target.closest(".hitl-edit-views")) this.preview.close();
    });
    this.root.addEventListener("focusin", ({ target }) => {
      // To text areas browsers scroll without the margin that keeps other fields from behind the host's form.
      if (target.localName === "textarea" && target.offsetHeight < innerHeight / 3) target.scrollIntoView({ block: "nearest" });
    });
    this.root.addEventListener("keydown", (event) => {
      // Enter in an input would send the host's form.
      if (event.key === "Enter" && event.target.localName === "input" && event.target.form) event.preventDefault();
    });
  }

  /**
   * Start an edit.
   *
   * @param {object} output
   * @param {string} output.text
   * @param {string} [output.original] what is edited, if the text is an edit of it that goes on.
   * @param {"text" | "json"} output.format
   * @param {object | null} [output.schema] JSON Schema of the output.
   * @param {string} [output.display] how it is shown, such as "markdown" or "code:python".
   * @param {{ path: (string | number)[], message: string }[]} [output.errors]
   */
  open({ text, original = text, format, schema = null, display = "text", errors = [] }) {
    this.#opened = original;
    const changed = () => this.#changed();
    this.#part = format === "json" ? new JsonEditor(text, schema, changed) : new TextEditor(text, display, changed);
    this.area.replaceChildren(this.#part.root);
    this.preview.close();
    this.#tellErrors([]);
    this.bar.replaceChildren(...this.#part.buttons, this.preview.button, element("span", "hitl-edit-space"), this.#discarding());
    this.lock(false);
    if (errors.length) this.showErrors(errors);
  }

  /** The edited text. */
  get value() {
    return this.#part?.value ?? "";
  }

  /** Whether it differs from the text that was opened. */
  get isChanged() {
    return this.#part !== null && this.value !== this.#opened;
  }

  /** Why it cannot be sent yet, or "". */
  get problem() {
    return this.#part?.problem ?? "";
  }

  /** Show the problem where it is; tells whether there is one. */
  showProblem() {
    if (!this.problem) return false;
    this.preview.close();
    this.#part.showProblem();
    return true;
  }

  /** Show what the server says of the edit: at the fields, else above them. The first one gets the focus. */
  showErrors(errors) {
    this.preview.close();
    const { fields, others } = this.#part?.showErrors(errors) ?? { fields: [], others: errors };
    this.#tellErrors(others);
    if (others.length) this.errors.focus();
    else fields[0]?.focus();
  }

  /** While a decision is sent nothing can be changed. */
  lock(isLocked) {
    this.all.disabled = isLocked;
    this.root.setAttribute("aria-busy", String(isLocked));
  }

  focus() {
    if (this.preview.isShown) this.preview.button.focus();
    else this.#part?.focus();
  }

  close() {
    this.preview.close();
    this.#part = null;
    this.area.replaceChildren();
    this.bar.replaceChildren();
    this.#tellErrors([]);
  }

  #changed() {
    this.#tellErrors([]);
    this.onChange();
  }

  #tellErrors(errors) {
    this.errors.hidden = errors.length === 0;
    const list = element("ul");
    for (const { path, message } of errors) list.append(element("li", "", [pathWords(path), message].filter(Boolean).join(": ")));
    this.errors.replaceChildren(...(errors.length ? [list] : []));
  }

  /** The button that gives up the edit; where something was changed it asks first. */
  #discarding() {
    const root = element("span", "hitl-edit-discard");
    const ask = element("span", "hitl-edit-ask");
    ask.setAttribute("role", "group");
    ask.setAttribute("aria-label", "Discard what you changed?");
    const back = () => {
      ask.hidden = true;
      discard.hidden = false;
      discard.focus();
    };
    const discard = button("Discard the edit", "", () => {
      if (!this.isChanged) {
        this.onDiscard();
        return;
      }
      discard.hidden = true;
      ask.hidden = false;
      keep.focus();
    });
    const keep = button("Go on editing", "", back);
    const really = button("Discard", "", () => this.onDiscard());
    really.classList.add("is-bad");
    ask.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      back();
    });
    ask.append(element("span", "", "Discard what you changed?"), really, keep);
    ask.hidden = true;
    root.append(discard, ask);
    return root;
  }
}
