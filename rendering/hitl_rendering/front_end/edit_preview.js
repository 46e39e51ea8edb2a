// The preview of an edit: the text as outputs are shown, and what was changed by hand.
import { button, element } from "./edit_text.js";

export class EditPreview {
  #asked = 0;
  isShown = false;

  /**
   * @param {(text: string) => Promise<{ html: string, changes: string }>} preview
   * @param {() => string | null} text the edited text; null if there is something to correct first.
   * @param {(isShown: boolean) => void} onToggle
   */
  constructor(preview, text, onToggle) {
    Object.assign(this, { preview, text, onToggle });
    this.root = element("div", "hitl-edit-preview");
    this.root.hidden = true;
    this.button = button("Preview", "", () => (this.isShown ? this.close() : this.#open()));
    this.button.setAttribute("aria-pressed", "false");
    this.status = element("div", "hitl-edit-note");
    this.status.setAttribute("role", "status");
    this.output = element("div"); // as reading.js serves it: search, quoting, images
    const box = element("div", "hitl-shown");
    box.append(this.output);
    this.changes = element("div");
    this.shown = element("div");
    this.shown.append(
      element("h3", "hitl-edit-legend", "What you changed"),
      this.changes,
      element("h3", "hitl-edit-legend", "As it will be shown"),
      box,
    );
    this.root.append(this.status, this.shown);
  }

  close() {
    this.#asked += 1;
    this.#show(false);
  }

  async #open() {
    const text = this.text();
    if (text === null) return;
    this.#asked += 1;
    const asked = this.#asked;
    this.#show(true);
    this.shown.hidden = true;
    this.status.textContent = "The preview is being made.";
    try {
      const { html, changes } = await this.preview(text);
      if (asked !== this.#asked) return;
      this.output.innerHTML = html; // made safe by our server, as every output
      this.changes.innerHTML = changes;
      this.shown.hidden = false;
      this.status.textContent = "";
    } catch (error) {
      if (asked === this.#asked) this.status.textContent = `There is no preview: ${error.message}`;
    }
  }

  #show(isShown) {
    this.isShown = isShown;
    this.root.hidden = !isShown;
    this.button.setAttribute("aria-pressed", String(isShown));
    if (!isShown) {
      this.output.replaceChildren();
      this.changes.replaceChildren();
    }
    this.onToggle(isShown);
  }
}
