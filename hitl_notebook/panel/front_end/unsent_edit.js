import { make, unique, write } from "./shared.js";

/** An edit that cannot be sent: why, its text to copy, and what can be done instead. */
export class UnsentEdit {
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
    const bar = make("div", "hitl-form-bar");
    this.copy = this.#button("Copy the edit", () => this.#copy());
    this.again = this.#button("", again);
    this.discard = this.#button("Discard the edit", discard);
    this.status = make("span", "hitl-form-note");
    this.status.setAttribute("role", "status");
    bar.append(this.copy, this.again, this.discard, this.status);
    this.text = make("textarea", "hitl-form-text");
    this.text.readOnly = true;
    this.text.rows = 6;
    this.root.append(notice, this.text, bar);
  }

  show({ words, again }, text, label) {
    write(this.words, words);
    write(this.again, again);
    this.again.hidden = !again;
    this.text.setAttribute("aria-label", label);
    if (this.text.value !== text) this.text.value = text;
    if (this.root.hidden) write(this.status, "");
    this.original = text;
    this.root.hidden = false;
  }

  close() {
    this.root.hidden = true;
    this.text.value = "";
  }

  focus() {
    this.copy.focus();
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
