/** What was typed and not sent yet, in the tab's own storage: it outlives a reload and a kernel. */
export class Drafts {
  constructor(instance) {
    this.instance = instance;
  }

  /** Keep a text that the kernel may not have. */
  keep(prefix, key, text) {
    this.#write(prefix, key, text, "");
  }

  drop(prefix, key) {
    this.keep(prefix, key, "");
  }

  /** The kernel has this text; if it is not there later, it was cleared on purpose. */
  arrived(prefix, key, text) {
    if (this.#read(prefix, key)?.text === text) this.#write(prefix, key, text, this.instance);
  }

  /** The text to put back; empty if the kernel has had it. */
  find(prefix, key) {
    const kept = this.#read(prefix, key);
    if (kept === null) return "";
    if (kept.sent !== this.instance) return kept.text;
    this.drop(prefix, key);
    return "";
  }

  #read(prefix, key) {
    if (!prefix || !key) return null;
    try {
      const kept = JSON.parse(sessionStorage.getItem(prefix + key) ?? "null");
      return typeof kept?.text === "string" ? kept : null;
    } catch (error) {
      console.warn("hitl-notebook: what was typed cannot be read back", error);
      return null;
    }
  }

  #write(prefix, key, text, sent) {
    if (!prefix || !key) return;
    try {
      if (!text) sessionStorage.removeItem(prefix + key);
      else sessionStorage.setItem(prefix + key, JSON.stringify({ text, sent }));
    } catch (error) {
      console.warn("hitl-notebook: what is typed cannot be kept in this tab", error);
    }
  }
}
