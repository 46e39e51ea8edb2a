import { Drafts } from "./drafts.js";
import { insertQuotation } from "./quoting.js";
import { disable, make, write } from "./shared.js";

const QUIET = 200; // milliseconds without a key before what was typed is sent

/** The text field of a form, and what is said about it. What is typed goes to the kernel, and is kept in this tab. */
export class FeedbackText {
  #key = null;
  #version = 0;
  #typed = false; // not sent yet
  #timer = 0;
  #store = "";
  #restored = false;

  /** `send` takes a message to the kernel. */
  constructor(id, instance, send) {
    this.drafts = new Drafts(instance);
    this.send = send;
    this.note = make("span", "hitl-form-note");
    this.note.setAttribute("role", "status");
    this.field = make("textarea", "hitl-form-text");
    this.field.id = id;
    this.field.rows = 2;
    this.field.addEventListener("input", () => this.#onInput());
    this.field.addEventListener("blur", () => this.flush());
  }

  get value() {
    return this.field.value;
  }

  get isEmpty() {
    return !this.field.value.trim();
  }

  focus() {
    this.field.focus();
  }

  /** Show the form's text, unless somebody types here; `isAwaited`: the kernel has not read all that was sent. */
  update(state, isAwaited) {
    this.field.placeholder = state.placeholder ?? "";
    if (state.max_length > 0) this.field.maxLength = state.max_length;
    else this.field.removeAttribute("maxlength");
    if (state.key !== this.#key) this.#open(state);
    else if (state.draft_version !== this.#version) {
      const rose = state.draft_version > this.#version;
      this.#version = state.draft_version;
      this.#forgetTyped();
      this.#restored = false;
      this.#set(state.draft ?? "");
      if (rose && !state.draft) this.drafts.drop(this.#store, this.#key);
    } else if (!this.#typed && !isAwaited && !this.#isBeingTyped()) {
      this.#set(state.draft ?? ""); // typed in another tab
    }
    this.#updateNote();
  }

  lock({ readOnly, off }) {
    this.field.readOnly = readOnly;
    disable(this.field, off);
  }

  /** Send what was typed, if it was not yet. */
  flush() {
    if (!this.#typed || this.#key === null) return;
    this.#forgetTyped();
    this.send({ do: "draft", key: this.#key, text: this.field.value });
  }

  /** Put a quotation after what was typed, and the cursor after it. */
  insert(text) {
    if (!this.field.readOnly) insertQuotation(this.field, text);
  }

  /** The text, for a decision; it is kept until the kernel has it. */
  take() {
    this.#forgetTyped();
    this.drafts.keep(this.#store, this.#key, this.field.value);
    return this.field.value;
  }

  /** The kernel has the text that was taken. */
  arrived(key, text) {
    this.drafts.arrived(this.#store, key, text);
  }

  #open(state) {
    this.flush();
    this.#store = state.store ?? "";
    this.#key = state.key;
    this.#version = state.draft_version;
    this.#set(state.draft ?? "");
    const kept = state.draft ? "" : this.drafts.find(this.#store, this.#key);
    this.#restored = Boolean(kept);
    if (!kept) return;
    this.#set(kept);
    this.send({ do: "draft", key: this.#key, text: kept });
  }

  #set(text) {
    if (this.field.value !== text) this.field.value = text;
  }

  #onInput() {
    this.#typed = true;
    this.#restored = false;
    this.drafts.keep(this.#store, this.#key, this.field.value);
    this.#updateNote();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), QUIET);
  }

  #forgetTyped() {
    clearTimeout(this.#timer);
    this.#typed = false;
  }

  #isBeingTyped() {
    const page = this.field.ownerDocument;
    return page.activeElement === this.field && page.hasFocus();
  }

  #updateNote() {
    const limit = this.field.maxLength;
    const { length } = this.field.value;
    const number = (value) => value.toLocaleString();
    if (limit > 0 && length >= limit) write(this.note, `No more than ${number(limit)} characters`);
    else if (limit > 0 && length > limit * 0.8) write(this.note, `${number(limit - length)} characters left`);
    else write(this.note, this.#restored && length ? "What you had typed is back." : "");
  }
}
