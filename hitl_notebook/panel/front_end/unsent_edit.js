import { isShown, make, unique, write } from "./shared.js";

/** An edit that cannot be sent: why, its text to copy, and what can be done instead. */
export class UnsentEdit {
  #asked = null; // the button that asked whether the edit may be lost

  constructor({ again, discard }) {
    const id = unique();
    this.root = make("div", "hitl-unsent-edit");
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-labelledby", id);
    this.root.hidden = true;
    const notice = make("div", "hitl-notice warning");
    this.words = make("span");
    this.words.id = id;
    notice.setAttribute("role", "status");
    notice.append(this.words);
    this.text = make("textarea", "hitl-form-text");
    this.text.readOnly = true;
    this.text.rows = 6;
    this.bar = make("div", "hitl-form-bar");
    this.copy = this.#button("Copy the edit", () => this.#copy());
    this.again = this.#button("", () => this.#ask(this.again, again));
    this.discard = this.#button("Discard the edit", () => this.#ask(this.discard, discard));
    this.status = make("span", "hitl-form-note");
    this.status.setAttribute("role", "status");
    this.bar.append(this.copy, this.again, this.discard, this.status);
    this.root.append(notice, this.text, this.bar, this.#question());
  }

  show({ words, again }, text, label) {
    write(this.words, words);
    if (this.again.textContent !== again) this.#unask(); // what was asked would do something else
    write(this.again, again);
    this.again.hidden = !again;
    this.text.setAttribute("aria-label", label);
    if (this.text.value !== text) this.text.value = text;
    if (this.root.hidden) write(this.status, "");
    this.original = text;
    this.root.hidden = false;
  }

  close() {
    this.#unask();
    this.root.hidden = true;
    this.text.value = "";
  }

  /** Give the text the focus, since letters that are still being typed do nothing there. */
  focus() {
    const active = this.root.ownerDocument.activeElement;
    if (!this.root.contains(active) || !isShown(active)) this.text.focus();
  }

  // --- nothing that was typed is lost by one click

  #question() {
    const id = unique();
    this.question = make("div", "hitl-form-bar");
    this.question.setAttribute("role", "group");
    this.question.setAttribute("aria-labelledby", id);
    this.question.hidden = true;
    const words = make("span", "", "Then your edit is lost.");
    words.id = id;
    this.keep = this.#button("Keep the edit", () => this.#unask());
    this.yes = this.#button("", (event) => {
      if (event.detail > 1) return; // the second click of a double click on the button that was here
      const { act } = this.#asked;
      this.#unask();
      act();
    });
    this.yes.classList.add("bad");
    this.question.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      this.#unask();
    });
    this.question.append(words, this.yes, this.keep);
    return this.question;
  }

  #ask(button, act) {
    this.#asked = { button, act };
    write(this.yes, button.textContent);
    this.bar.hidden = true;
    this.question.hidden = false;
    this.keep.focus();
  }

  #unask() {
    if (!this.#asked) return;
    const { button } = this.#asked;
    const hadFocus = this.question.contains(this.root.ownerDocument.activeElement);
    this.#asked = null;
    this.bar.hidden = false;
    this.question.hidden = true;
    if (hadFocus) button.focus();
  }

  #button(text, act) {
    const button = make("button", "hitl-button", text);
    button.type = "button";
    button.addEventListener("click", act);
    return button;
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.original);
      write(this.status, "Copied.");
    } catch {
      // Some browsers allow it on secure pages only.
      this.text.select();
      write(this.status, document.execCommand("copy") ? "Copied." : "The text is selected: copy it with Ctrl+C.");
    }
  }
}
