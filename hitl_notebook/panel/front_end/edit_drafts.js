import { Drafts } from "./drafts.js";

/** The edits that were typed in this tab: `about` names the edited output, `text` is what became of it. */
export class EditDrafts {
  constructor(model) {
    this.model = model;
    this.drafts = new Drafts(model.get("instance"));
  }

  keep(key, { about, text }) {
    this.drafts.keep(this.#store, key, JSON.stringify({ about, text }));
  }

  /** The kernel has this edit. */
  arrived(key, { about, text }) {
    this.drafts.arrived(this.#store, key, JSON.stringify({ about, text }));
  }

  drop(key) {
    this.drafts.drop(this.#store, key);
  }

  /** The edit that the kernel may not have; null if there is none. */
  find(key) {
    try {
      const kept = JSON.parse(this.drafts.find(this.#store, key) || "null");
      return typeof kept?.text === "string" && typeof kept.about === "string" ? kept : null;
    } catch {
      return null;
    }
  }

  get #store() {
    return this.model.get("state")?.store;
  }
}
