import { disable, isDisabled, Kernel, make, tell, unique, write } from "./shared.js";

const QUIET = 200; // milliseconds without a key before what was typed is sent
/** Time for the next review to load, in milliseconds: so long the form stays, locked, and keeps the focus. */
const LOADING = 3000;
const DECISIONS = ["act", "confirm", "cancel"];

/** What was typed and not sent yet, in the tab's own storage: it outlives a reload and a kernel. */
class Drafts {
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

class FormView {
  #key = null;
  #version = 0;
  #typed = false; // not sent yet
  #timer = 0;
  #asked = false; // this view, and no other tab, wants the question
  #cameFrom = null; // where the focus was before the question
  #question = "";
  #buttons = "";
  #store = "";
  #loading = 0;
  #opening = false; // another review was asked for, and this one is still shown

  constructor(model, el) {
    this.model = model;
    this.kernel = new Kernel(model, el, () => this.#updateLocks());
    this.drafts = new Drafts(model.get("instance"));
    this.#build();
    this.#listen();
    el.classList.add("hitl-host");
    el.append(this.root);
    this.onState = () => this.update();
    model.on("change:state", this.onState);
    this.update();
  }

  #build() {
    const id = unique();
    this.root = make("div", "hitl-form");
    this.root.setAttribute("role", "group");
    this.label = make("label", "hitl-label");
    this.label.htmlFor = id;
    this.note = make("span", "hitl-form-note");
    this.note.setAttribute("role", "status");
    const top = make("div", "hitl-form-top");
    top.append(this.label, this.note);
    this.text = make("textarea", "hitl-form-text");
    this.text.id = id;
    this.text.rows = 3;
    this.text.setAttribute("aria-describedby", `${id}-hint`);
    this.bar = make("div", "hitl-form-bar");
    this.bar.setAttribute("role", "group");
    this.bar.setAttribute("aria-label", "Decide");
    this.confirm = make("div", "hitl-confirm");
    this.confirm.setAttribute("role", "alertdialog");
    this.confirm.setAttribute("aria-labelledby", `${id}-question`);
    this.question = make("div", "hitl-confirm-text");
    this.question.id = `${id}-question`;
    this.yes = make("button", "hitl-button");
    this.yes.type = "button";
    this.no = make("button", "hitl-button", "Cancel");
    this.no.type = "button";
    this.no.title = "Esc";
    const answers = make("div", "hitl-form-bar");
    answers.append(this.yes, this.no);
    this.confirm.append(this.question, answers);
    this.hint = make("div", "hitl-meta hitl-form-hint");
    this.hint.id = `${id}-hint`;
    this.status = make("div", "hitl-form-status");
    this.status.setAttribute("role", "status");
    this.root.append(top, this.text, this.bar, this.confirm, this.hint, this.status);
  }

  #listen() {
    this.text.addEventListener("input", () => this.#onInput());
    this.text.addEventListener("blur", () => this.#flush());
    this.text.addEventListener("keydown", (event) => this.#onTextKey(event));
    this.root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.confirm.hidden || event.defaultPrevented) return;
      event.preventDefault();
      event.stopPropagation();
      this.#answer("cancel");
    });
    this.confirm.addEventListener("keydown", (event) => {
      if (event.key === "Enter") event.stopPropagation();
      if (event.key === "Enter" && event.repeat) event.preventDefault(); // still held from asking
    });
    this.bar.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.#act(button.dataset.action);
    });
    this.yes.addEventListener("click", () => this.#answer("confirm"));
    this.no.addEventListener("click", () => this.#answer("cancel"));
    this.root.addEventListener("hitl:act", ({ detail: { action } }) => {
      if (action === "request_changes" && !this.text.value.trim() && !this.root.hidden) this.text.focus();
      else this.#act(action);
    });
    this.root.addEventListener("hitl:opening", (event) => {
      if (event.detail.from !== this.#key) return;
      this.#flush();
      this.#opening = true;
      this.#updateLocks();
    });
    this.root.addEventListener("hitl:opened", () => {
      this.#opening = false;
      this.#updateLocks();
    });
    this.root.addEventListener("hitl:insert", ({ detail: { text } }) => this.#insert(text));
    this.root.addEventListener("hitl:focus", () => {
      if (!this.root.hidden) this.text.focus();
    });
  }

  remove() {
    this.#flush();
    clearTimeout(this.#loading);
    this.kernel.close();
    this.model.off("change:state", this.onState);
    this.root.remove();
  }

  // --- showing

  update() {
    const state = this.model.get("state") ?? {};
    const active = this.#activeInside();
    const moved = this.#key !== null && state.key !== this.#key;
    this.#updateText(state);
    this.label.textContent = state.label ?? "";
    this.root.setAttribute("aria-label", state.label ?? "");
    this.text.placeholder = state.placeholder ?? "";
    if (state.max_length > 0) this.text.maxLength = state.max_length;
    else this.text.removeAttribute("maxlength");
    write(this.hint, state.hint ?? "");
    this.hint.hidden = !state.hint;
    this.#updateButtons(state.buttons ?? []);
    this.#updateShown(state, active && moved);
    this.#updateQuestion(state.confirm, active);
    this.#updateLocks();
    this.#updateNote();
    // What had the focus is gone: it must not fall out of the panel.
    const page = this.root.ownerDocument;
    if (active && !this.#isShown(active) && [active, page.body, null].includes(page.activeElement)) this.#leave();
  }

  #updateShown(state, keeps) {
    if (state.shown || !state.key) {
      clearTimeout(this.#loading);
      this.#loading = 0;
    } else if (keeps && !this.#loading) {
      this.#loading = setTimeout(() => {
        this.#loading = 0;
        this.update();
      }, LOADING);
    }
    this.root.hidden = !state.shown && !this.#loading;
  }

  #updateText(state) {
    if (state.key !== this.#key) {
      this.#flush();
      this.#store = state.store ?? "";
      this.#key = state.key;
      this.#version = state.draft_version;
      this.#asked = false;
      this.#opening = false;
      this.#setText(state.draft ?? "");
      const kept = state.draft ? "" : this.drafts.find(this.#store, this.#key);
      this.restored = Boolean(kept);
      if (kept) {
        this.#setText(kept);
        this.kernel.send({ do: "draft", key: this.#key, text: kept });
      }
    } else if (state.draft_version !== this.#version) {
      const rose = state.draft_version > this.#version;
      this.#version = state.draft_version;
      this.#forgetTyped();
      this.restored = false;
      this.#setText(state.draft ?? "");
      if (rose && !state.draft) this.drafts.drop(this.#store, this.#key);
    } else if (!this.#typed && !this.kernel.awaits("draft", ...DECISIONS) && !this.#isBeingTyped()) {
      this.#setText(state.draft ?? ""); // typed in another tab
    }
  }

  #setText(text) {
    if (this.text.value !== text) this.text.value = text;
  }

  #updateButtons(buttons) {
    const described = JSON.stringify(buttons);
    if (described === this.#buttons) return;
    this.#buttons = described;
    const old = new Map([...this.bar.children].map((button) => [button.dataset.action, button]));
    const shown = buttons.map(({ action, label, kind, title }) => {
      const button = old.get(action) ?? make("button");
      button.type = "button";
      button.dataset.action = action;
      button.className = `hitl-button ${kind}`;
      button.title = title ?? "";
      write(button, label);
      return button;
    });
    if (shown.some((button, index) => this.bar.children[index] !== button) || old.size !== shown.length) {
      this.bar.replaceChildren(...shown);
    }
  }

  #updateQuestion(confirm, active) {
    const question = confirm ? JSON.stringify([this.#key, confirm]) : "";
    this.confirm.hidden = !confirm;
    this.bar.hidden = Boolean(confirm);
    if (question === this.#question) return;
    this.#question = question;
    if (confirm) {
      write(this.question, confirm.text);
      write(this.yes, confirm.label);
      const kind = { approve: "good", reject: "bad" }[confirm.action] ?? "warn";
      this.yes.className = `hitl-button strong ${kind}`;
      this.confirm.dataset.kind = kind;
      // Asked in another tab: somebody who types here must not confirm it by chance.
      if (this.#asked) this.yes.focus();
      else if (this.bar.contains(active)) this.text.focus();
    } else {
      this.#asked = false;
      if (active && this.#isShown(this.#cameFrom)) this.#cameFrom.focus();
      else if (active && !this.#isShown(active) && this.#isShown(this.text)) this.text.focus();
      this.#cameFrom = null;
    }
  }

  #updateLocks() {
    if (!this.status) return;
    const state = this.model.get("state") ?? {};
    const sending = this.kernel.awaits("act", "confirm") || this.#opening || !state.shown;
    const busy = Boolean(state.busy);
    for (const { action, enabled } of state.buttons ?? []) {
      const button = [...this.bar.children].find((one) => one.dataset.action === action);
      if (button) disable(button, !enabled || busy || sending);
    }
    disable(this.yes, busy || sending);
    disable(this.no, busy || this.kernel.awaits("cancel"));
    // What is typed while a decision is on its way would be cleared with it.
    this.text.readOnly = busy || sending;
    disable(this.text, busy);
    const late = this.kernel.delay(...DECISIONS);
    write(this.status, state.busy || late);
    this.status.classList.toggle("is-busy", busy || Boolean(late));
    this.root.setAttribute("aria-busy", String(busy));
  }

  #updateNote() {
    const limit = this.text.maxLength;
    const length = this.text.value.length;
    const number = (value) => value.toLocaleString();
    if (limit > 0 && length >= limit) write(this.note, `No more than ${number(limit)} characters`);
    else if (limit > 0 && length > limit * 0.8) write(this.note, `${number(limit - length)} characters left`);
    else write(this.note, this.restored && this.text.value ? "What you had typed is back." : "");
  }

  // --- typing

  #onInput() {
    const { value } = this.text;
    this.#typed = true;
    this.restored = false;
    this.drafts.keep(this.#store, this.#key, value);
    this.#updateNote();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#flush(), QUIET);
  }

  /** Put a quotation after what was typed, and the cursor after it. */
  #insert(text) {
    if (this.root.hidden || this.text.readOnly) return;
    const before = this.text.value.trimEnd();
    this.text.value = (before ? `${before}\n\n` : "") + text;
    this.#onInput();
    this.text.focus();
    this.text.setSelectionRange(this.text.value.length, this.text.value.length);
    this.text.scrollTop = this.text.scrollHeight;
  }

  #flush() {
    if (!this.#typed || this.#key === null) return;
    this.#forgetTyped();
    this.kernel.send({ do: "draft", key: this.#key, text: this.text.value });
  }

  #forgetTyped() {
    clearTimeout(this.#timer);
    this.#typed = false;
  }

  #onTextKey(event) {
    const command = event.ctrlKey || event.metaKey;
    if (event.key === "Enter" && command) {
      if (!event.repeat) this.#act("request_changes");
    } else if (event.key === "Escape" && this.confirm.hidden && !event.isComposing) {
      tell(this.root, ".hitl-list", "hitl:focus");
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // --- deciding

  #act(action) {
    const state = this.model.get("state") ?? {};
    const button = [...this.bar.children].find((one) => one.dataset.action === action);
    if (this.root.hidden || !this.confirm.hidden || !button) return;
    if (action === "request_changes" && !this.text.value.trim() && !state.busy) this.text.focus();
    if (isDisabled(button)) return;
    this.#asked = true;
    this.#cameFrom = this.root.ownerDocument.activeElement;
    this.#send("act", action);
  }

  #answer(kind) {
    const { confirm } = this.model.get("state") ?? {};
    if (!confirm || isDisabled(kind === "cancel" ? this.no : this.yes)) return;
    if (kind === "cancel") this.kernel.send({ do: "cancel", key: this.#key });
    else this.#send("confirm", confirm.action);
  }

  #send(kind, action) {
    const text = this.text.value;
    this.#forgetTyped();
    this.drafts.keep(this.#store, this.#key, text, true);
    // Which output was on the screen, in case another one is on its way.
    const about = String(this.model.get("state")?.about ?? "");
    this.kernel.send({ do: kind, key: this.#key, action, text, about });
  }

  // --- the focus

  #activeInside() {
    const active = this.root.ownerDocument.activeElement;
    return this.root.contains(active) ? active : null;
  }

  #isBeingTyped() {
    const page = this.root.ownerDocument;
    return page.activeElement === this.text && page.hasFocus();
  }

  #isShown(element) {
    return Boolean(element?.isConnected && element.getClientRects().length);
  }

  #leave() {
    if (!this.root.hidden && this.#isShown(this.text)) this.text.focus();
    else tell(this.root, ".hitl-list", "hitl:focus");
  }
}

function render({ model, el }) {
  const view = new FormView(model, el);
  return () => view.remove();
}

export default { render };
