import { ActionBar } from "./action_bar.js";
import { FeedbackText } from "./feedback_text.js";
import { FormNotice } from "./form_notice.js";
import { NextChoice } from "./next_choice.js";
import { Question } from "./question.js";
import { isDisabled, isShown, Kernel, make, tell, unique, write } from "./shared.js";

/** Time for the next review to load, in milliseconds: so long the form stays, locked, and keeps the focus. */
const LOADING = 3000;
const DECISIONS = ["act", "confirm", "cancel"];

class FormView {
  #key = null;
  #decided = false; // in this view, so that what is shown next is its result
  #asked = false; // this view, and no other tab, wants the question
  #cameFrom = null; // where the focus was before the question
  #loading = 0;
  #opening = false; // another review was asked for, and this one is still shown

  constructor(model, el) {
    this.model = model;
    this.kernel = new Kernel(model, el, () => this.#updateLocks());
    this.#build();
    this.#listen();
    el.classList.add("hitl-host", "hitl-decision");
    el.append(this.root, this.notice.root);
    this.onState = () => this.update();
    model.on("change:state", this.onState);
    this.update();
    this.next.restore(model.get("state")?.next);
  }

  #build() {
    const id = unique();
    this.root = make("div", "hitl-form");
    this.root.setAttribute("role", "group");
    this.label = make("label", "hitl-label");
    this.label.htmlFor = id;
    this.status = make("span", "hitl-form-status");
    this.status.setAttribute("role", "status");
    const top = make("div", "hitl-form-top");
    this.text = new FeedbackText(id, this.model.get("instance"), (message) => this.kernel.send(message));
    this.text.field.setAttribute("aria-describedby", `${id}-hint`);
    top.append(this.label, this.text.note, this.status);
    this.hint = make("div", "hitl-meta hitl-form-hint");
    this.hint.id = `${id}-hint`;
    this.bar = new ActionBar((action) => this.#act(action));
    this.question = new Question(`${id}-question`, (kind) => this.#answer(kind));
    this.next = new NextChoice((on) => this.kernel.send({ do: "opennext", on }, () => this.update()));
    this.row = make("div", "hitl-form-row");
    this.row.append(this.bar.root, this.next.root);
    const decide = make("div", "hitl-form-decide");
    decide.append(this.row, this.question.root);
    this.root.append(top, this.text.field, this.hint, decide);
    this.notice = new FormNotice();
  }

  #listen() {
    this.text.field.addEventListener("keydown", (event) => this.#onTextKey(event));
    this.root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.question.asked || event.defaultPrevented) return;
      event.preventDefault();
      event.stopPropagation();
      this.#answer("cancel");
    });
    this.root.addEventListener("hitl:act", ({ detail: { action } }) => {
      if (action === "request_changes" && this.text.isEmpty && !this.root.hidden) this.text.focus();
      else this.#act(action);
    });
    this.root.addEventListener("hitl:undo", () => this.#answer("cancel"));
    this.root.addEventListener("hitl:opening", (event) => {
      if (event.detail.from !== this.#key) return;
      this.text.flush();
      this.#opening = true;
      this.#updateLocks();
    });
    this.root.addEventListener("hitl:opened", () => {
      this.#opening = false;
      this.#updateLocks();
    });
    this.root.addEventListener("hitl:insert", ({ detail }) => this.root.hidden || this.text.insert(detail.text));
    this.root.addEventListener("hitl:focus", () => this.root.hidden || this.text.focus());
  }

  remove() {
    this.text.flush();
    clearTimeout(this.#loading);
    this.kernel.close();
    this.question.remove();
    this.model.off("change:state", this.onState);
    this.root.remove();
    this.notice.root.remove();
  }

  // --- showing

  update() {
    const state = this.model.get("state") ?? {};
    const active = this.#activeInside();
    const moved = this.#key !== null && state.key !== this.#key;
    const byDecision = moved && this.#decided && !this.#opening;
    if (state.key !== this.#key) {
      this.#key = state.key;
      this.#asked = this.#opening = this.#decided = false;
    }
    this.text.update(state, this.kernel.awaits("draft", ...DECISIONS));
    this.label.textContent = state.label ?? "";
    this.root.setAttribute("aria-label", state.label ?? "");
    write(this.hint, state.hint ?? "");
    this.hint.hidden = !state.hint;
    this.bar.show(state.buttons ?? []);
    this.#updateShown(state, active && moved);
    this.#updateQuestion(state.confirm ?? null, active);
    this.#updateLocks();
    this.notice.show(state.notice);
    this.next.show(state.next, this.kernel.awaits("opennext"));
    this.notice.root.hidden = this.root.hidden && !state.notice;
    if (byDecision) this.#goOn(active);
    // What had the focus is gone: it must not fall out of the panel.
    const page = this.root.ownerDocument;
    if (active && !isShown(active) && [active, page.body, null].includes(page.activeElement)) this.#leave();
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

  #updateQuestion(confirm, active) {
    const before = JSON.stringify(this.question.asked);
    this.question.show(confirm);
    this.row.classList.toggle("is-covered", Boolean(confirm));
    if (JSON.stringify(confirm) === before) return;
    if (confirm) {
      // Asked in another tab: somebody who types here must not confirm it by chance.
      if (this.#asked && !this.question.isHeld) this.question.stop.focus();
      else if (this.bar.root.contains(active)) (this.#asked ? this.question.stop : this.text).focus();
    } else {
      this.#asked = false;
      if (active && isShown(this.#cameFrom)) this.#cameFrom.focus();
      else if (active && !isShown(active) && isShown(this.text.field)) this.text.focus();
      this.#cameFrom = null;
    }
  }

  /** After a decision made here, another review is shown: go on from its beginning, and decide nothing by chance. */
  #goOn(active) {
    if (active) tell(this.root, ".hitl-list", "hitl:focus");
    const read = this.root.closest(".hitl-session")?.firstElementChild;
    const { left, top } = (read ?? this.root).getBoundingClientRect();
    const isSeen = read?.contains(this.root.ownerDocument.elementFromPoint(left + 4, top + 4));
    if (!isSeen || top > window.innerHeight / 2) read?.scrollIntoView({ block: "start" });
  }

  #updateLocks() {
    if (!this.status) return;
    const state = this.model.get("state") ?? {};
    const sending = this.kernel.awaits("act", "confirm") || this.#opening || !state.shown;
    const busy = Boolean(state.busy);
    this.bar.lock(busy || sending);
    this.question.lock({ confirm: busy || sending, cancel: busy || this.kernel.awaits("cancel", "confirm") });
    // What is typed while a decision is on its way would be cleared with it.
    const off = busy || this.question.isHeld;
    this.text.lock({ readOnly: off || sending, off });
    const isDeciding = off || this.#opening || this.kernel.awaits("act", "confirm");
    tell(this.root, ".hitl-editing", "hitl:lock", { key: this.#key, on: isDeciding });
    const late = this.kernel.delay(...DECISIONS);
    write(this.status, state.busy || late);
    this.status.classList.toggle("is-busy", busy || Boolean(late));
    this.root.setAttribute("aria-busy", String(busy));
  }

  #onTextKey(event) {
    const command = event.ctrlKey || event.metaKey;
    if (event.key === "Enter" && command) {
      if (!event.repeat) this.#act("request_changes");
    } else if (event.key === "Escape" && !this.question.asked && !event.isComposing) {
      tell(this.root, ".hitl-list", "hitl:focus");
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // --- deciding

  #act(action) {
    const state = this.model.get("state") ?? {};
    const button = this.bar.find(action);
    if (this.root.hidden || !button) return;
    if (this.question.asked) {
      if (this.question.isHeld && this.question.asked.action === action) this.#answer("confirm");
      return;
    }
    if (action === "request_changes" && this.text.isEmpty && !state.busy) this.text.focus();
    if (isDisabled(button)) this.notice.warn(this.bar.refusal(action));
    else if (action === "edit" || action === "resume") {
      tell(this.root, ".hitl-editing", "hitl:edit", { again: action === "resume" });
    } else {
      this.#asked = this.#decided = true;
      this.#cameFrom = this.root.ownerDocument.activeElement;
      this.#send("act", action);
    }
  }

  #answer(kind) {
    const { asked, yes, no } = this.question;
    if (!asked || isDisabled(kind === "cancel" ? no : yes)) return;
    if (kind === "cancel") this.#decided = false;
    if (kind === "cancel") this.kernel.send({ do: "cancel", key: this.#key });
    else this.#send("confirm", asked.action);
  }

  #send(kind, action) {
    // Which output was on the screen, in case another one is on its way.
    const about = String(this.model.get("state")?.about ?? "");
    const detail = { key: this.#key, action, edit: null };
    tell(this.root, ".hitl-editing", "hitl:flush", detail);
    const { key, edit } = detail;
    const text = this.text.take();
    this.kernel.send({ do: kind, key, action, text, about, edit }, () => this.text.arrived(key, text));
  }

  // --- the focus

  #activeInside() {
    const active = this.root.ownerDocument.activeElement;
    return this.root.contains(active) ? active : null;
  }

  #leave() {
    if (!this.root.hidden && isShown(this.text.field)) this.text.focus();
    else tell(this.root, ".hitl-list", "hitl:focus");
  }
}

function render({ model, el }) {
  const view = new FormView(model, el);
  return () => view.remove();
}

export default { render };
