import { make, write } from "./shared.js";

const STORED = "hitl-opens-next";

/** Whether the next waiting review opens after a decision: the browser remembers it for all panels. */
export class NextChoice {
  constructor(choose) {
    this.choose = choose;
    this.root = make("label", "hitl-choice hitl-next");
    this.box = make("input");
    this.box.type = "checkbox";
    this.label = make("span");
    this.root.append(this.box, this.label);
    this.box.addEventListener("change", () => {
      try {
        localStorage.setItem(STORED, this.box.checked ? "yes" : "no");
      } catch (error) {
        console.warn("hitl-notebook: the choice cannot be kept in this browser", error);
      }
      this.choose(this.box.checked);
    });
  }

  /** `unread`: the kernel has not read the reviewer's choice yet, so the box keeps it. */
  show(next, unread) {
    this.root.hidden = !next;
    if (!next) return;
    write(this.label, next.label);
    if (!unread) this.box.checked = next.on;
  }

  /** Tell the kernel what was chosen before, if it is something else. */
  restore(next) {
    try {
      const kept = localStorage.getItem(STORED);
      if (next && kept !== null && (kept === "yes") !== next.on) this.choose(kept === "yes");
    } catch (error) {
      console.warn("hitl-notebook: what was chosen cannot be read back", error);
    }
  }
}
