import { make } from "./shared.js";

/** What is said below a form. */
export class FormNotice {
  constructor() {
    this.root = make("div", "hitl-form-message");
    this.root.setAttribute("role", "status");
  }

  /** Say why something cannot be done; the next notice of the kernel takes its place. */
  warn(text) {
    if (text) this.show({ kind: "warning", text });
  }

  show(notice) {
    const described = JSON.stringify(notice ?? null);
    if (described === this.root.dataset.notice) return; // otherwise it would be read out again
    this.root.replaceChildren();
    this.root.dataset.notice = described;
    if (!notice) return;
    const line = make("div", `hitl-notice ${notice.kind}`);
    line.append(make("span", "", notice.text));
    this.root.append(line);
  }
}
