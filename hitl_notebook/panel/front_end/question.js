import { disable, isDisabled, make, write } from "./shared.js";

const KINDS = { approve: "good", reject: "bad" };

/** Takes the place of the buttons: a question before a decision, or a decision that is held back for a while. */
export class Question {
  #asked = null;
  #until = 0;
  #timer = 0;

  /** `answer` is called with "confirm" or "cancel". */
  constructor(id, answer) {
    this.root = make("div", "hitl-confirm");
    this.root.setAttribute("aria-labelledby", id);
    this.text = make("div", "hitl-confirm-text");
    this.text.id = id;
    this.no = make("button", "hitl-button");
    this.no.type = "button";
    this.no.title = "Esc";
    this.noLabel = make("span");
    this.left = make("span", "hitl-confirm-left"); // not part of the name: it would be read out each second
    this.left.setAttribute("aria-hidden", "true");
    this.no.append(this.noLabel, this.left);
    this.yes = make("button", "hitl-button");
    this.yes.type = "button";
    this.root.append(this.text, this.yes, this.no);
    for (const [button, kind] of [[this.yes, "confirm"], [this.no, "cancel"]]) {
      button.addEventListener("click", (event) => {
        // The second click of a double click was meant for the button that was here before.
        if (event.detail < 2 && !isDisabled(button)) answer(kind);
      });
    }
    this.root.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.stopPropagation();
      if (event.key === "Enter" && event.repeat) event.preventDefault(); // still held from asking
    });
  }

  /** What is asked; null if nothing is. */
  get asked() {
    return this.#asked;
  }

  get isHeld() {
    return this.#asked?.seconds > 0;
  }

  /** Where the focus belongs: an Enter too many must not send what is held back. */
  get stop() {
    return this.isHeld ? this.no : this.yes;
  }

  show(asked) {
    this.root.hidden = !asked;
    if (JSON.stringify(asked) === JSON.stringify(this.#asked)) return;
    this.#asked = asked;
    clearInterval(this.#timer);
    if (!asked) return;
    const kind = KINDS[asked.action] ?? (this.isHeld ? "plain" : "warn");
    this.root.setAttribute("role", this.isHeld ? "group" : "alertdialog");
    this.root.dataset.kind = kind;
    this.root.classList.toggle("is-held", this.isHeld);
    write(this.text, asked.text);
    write(this.yes, asked.label);
    this.yes.className = this.isHeld ? "hitl-button" : `hitl-button strong ${kind}`;
    write(this.noLabel, this.isHeld ? "Undo" : "Cancel");
    this.#until = performance.now() + 1000 * (asked.seconds ?? 0);
    this.#count();
    if (this.isHeld) this.#timer = setInterval(() => this.#count(), 200);
  }

  lock({ confirm, cancel }) {
    disable(this.yes, confirm);
    disable(this.no, cancel);
  }

  remove() {
    clearInterval(this.#timer);
  }

  #count() {
    const seconds = Math.ceil((this.#until - performance.now()) / 1000);
    write(this.left, this.isHeld && seconds > 0 ? ` (${seconds} s)` : "");
  }
}
