/** What was typed and not sent yet, in the tab's own storage: it outlives a reload and a kernel. */
export class Drafts {
  constructor(instance) {
    this.instance = instance;
  }

  /** Keep a text; `sent` if it was part of a decision. */
  keep(prefix, key, text, sent = false) {
    if (!prefix || !key) return;
    try {
      if (!text) sessionStorage.removeItem(prefix + key);
      else sessionStorage.setItem(prefix + key, JSON.stringify({ text, sent: sent ? this.instance : "" }));
    } catch (error) {
      console.warn("hitl-notebook: what is typed cannot be kept in this tab", error);
    }
  }

  drop(prefix, key) {
    this.keep(prefix, key, "");
  }

  /** The text to put back; empty if the kernel has had it: then it was cleared on purpose. */
  find(prefix, key) {
    if (!prefix || !key) return "";
    try {
      const kept = JSON.parse(sessionStorage.getItem(prefix + key) ?? "null");
      if (typeof kept?.text !== "string") return "";
      if (kept.sent !== this.instance) return kept.text;
      this.drop(prefix, key);
    } catch (error) {
      console.warn("hitl-notebook: what was typed cannot be read back", error);
    }
    return "";
  }
}
