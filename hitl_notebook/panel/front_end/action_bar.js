import { disable, make, write } from "./shared.js";

/** The buttons of a decision form. */
export class ActionBar {
  #buttons = [];
  #described = "";

  constructor(act) {
    this.root = make("div", "hitl-form-bar");
    this.root.setAttribute("role", "group");
    this.root.setAttribute("aria-label", "Decide");
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) act(button.dataset.action);
    });
  }

  find(action) {
    return [...this.root.children].find((button) => button.dataset.action === action);
  }

  /** Why a button is off, in words; empty if it is not, or if it will be on again by itself. */
  refusal(action) {
    return this.#buttons.find((button) => button.action === action)?.refused ?? "";
  }

  show(buttons) {
    this.#buttons = buttons;
    const described = JSON.stringify(buttons);
    if (described === this.#described) return;
    this.#described = described;
    const shown = buttons.map(({ action, label, kind, title }) => {
      const button = this.find(action) ?? make("button");
      button.type = "button";
      button.dataset.action = action;
      button.className = `hitl-button ${kind}`;
      button.title = title ?? "";
      write(button, label);
      return button;
    });
    const same = shown.length === this.root.children.length;
    if (!same || shown.some((button, index) => this.root.children[index] !== button)) {
      this.root.replaceChildren(...shown);
    }
  }

  lock(off) {
    for (const { action, enabled } of this.#buttons) disable(this.find(action), off || !enabled);
  }
}
