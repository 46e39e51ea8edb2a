import { EditDrafts } from "./edit_drafts.js";
import { EditPreviews } from "./edit_previews.js";
import { OutputEditor } from "./output_editor.js";
import { Kernel, make, tell, write } from "./shared.js";
import { UnsentEdit } from "./unsent_edit.js";

const QUIET = 300; // milliseconds without a change before what was edited is sent
const LONGEST_PROBLEM = 500; // characters

/** The editor of the open review's output. What is typed goes to the kernel, and is kept in this tab. */
class EditFormView {
  #key = "";
  #version = -1;
  #about = "";
  #isOpen = false;
  #seen = null; // the text that the kernel is known to have, or was sent
  #typed = false; // not sent yet
  #timer = 0;
  #asked = false; // somebody wants to edit in this view
  #locked = false; // by the decision form
  #errors = "[]";
  #later = null; // what gives a field the focus once the editor is not locked

  constructor(model, el) {
    this.model = model;
    this.drafts = new EditDrafts(model);
    this.kernel = new Kernel(model, el, () => this.#updateLocks());
    this.previews = new EditPreviews(model, this.kernel, (text) => ({ key: this.#key, about: this.#about, text }));
    this.root = make("div", "hitl-editing");
    this.label = make("div", "hitl-label");
    this.status = make("span", "hitl-form-status");
    this.status.setAttribute("role", "status");
    const top = make("div", "hitl-form-top");
    top.append(this.label, this.status);
    this.editor = new OutputEditor({
      preview: (text) => this.previews.ask(text, this.#tooLong(text)),
      onChange: () => this.#onChange(),
      onDiscard: () => this.#discard(),
    });
    this.editor.root.hidden = true;
    this.unsent = new UnsentEdit({ again: () => this.#start(), discard: () => this.#discard() });
    this.root.append(top, this.editor.root, this.unsent.root);
    this.#listen();
    el.classList.add("hitl-host");
    el.append(this.root);
    this.onState = () => this.update();
    model.on("change:state", this.onState);
    this.update();
  }

  #listen() {
    this.root.addEventListener("focusout", () => this.flush());
    this.root.addEventListener("hitl:edit", ({ detail }) => this.#start(detail.again));
    this.root.addEventListener("hitl:go", () => this.root.hidden || this.#goTo());
    this.root.addEventListener("hitl:flush", ({ detail }) => this.#answer(detail));
    this.root.addEventListener("hitl:lock", ({ detail: { key, on } }) => {
      if (key !== this.#key) return; // of the picked reviews
      this.#locked = on;
      this.#updateLocks();
    });
    this.onHide = () => this.flush();
    window.addEventListener("pagehide", this.onHide);
  }

  remove() {
    this.flush();
    window.removeEventListener("pagehide", this.onHide);
    this.previews.close();
    this.kernel.close();
    this.model.off("change:state", this.onState);
    this.editor.close();
    this.root.remove();
  }

  // --- showing

  update() {
    const state = this.model.get("state") ?? {};
    const hadFocus = this.root.contains(this.root.ownerDocument.activeElement);
    const moved = (state.key ?? "") !== this.#key;
    if (moved) this.#leave(state);
    if (!state.shown || state.stale) this.#close();
    if (state.shown && state.stale) this.unsent.show(state.stale, this.#latest(state), state.label);
    else this.unsent.close();
    if (state.shown && !state.stale) this.#show(state);
    if (!state.shown && !moved && this.#version >= 0 && state.version > this.#version) this.#forget();
    this.#version = state.version ?? -1;
    this.#about = state.shown ? state.about : "";
    this.label.textContent = state.label ?? "";
    const hides = !this.root.hidden && !state.shown;
    this.root.hidden = !state.shown;
    this.#updateLocks();
    // The editor may have been all that was on the screen.
    if (hides && !moved) requestAnimationFrame(() => this.root.closest(".hitl-session")?.scrollIntoView({ block: "nearest" }));
    if (this.#asked && state.shown) this.#goTo();
    else if (hadFocus && state.shown && state.stale) this.unsent.focus();
    else if (hadFocus && !state.shown) tell(this.root, ".hitl-session .hitl-form", "hitl:focus");
  }

  #show(state) {
    const anew = !this.#isOpen || state.version !== this.#version;
    const elsewhere = !this.#typed && !this.kernel.awaits("edit") && state.text !== this.#seen && !this.#hasFocus();
    if (anew && this.#typed && this.#about === state.about) this.flush();
    else if (anew || elsewhere) this.#open(state);
    const errors = JSON.stringify(state.errors);
    if (errors === this.#errors) return;
    this.#errors = errors;
    if (state.errors.length) this.#afterLock(() => this.editor.showErrors(state.errors));
  }

  #open(state) {
    const kept = this.#kept?.about === state.about ? this.#kept : state;
    this.#kept = null;
    this.#isOpen = true;
    this.#seen = state.text;
    this.#errors = JSON.stringify(state.errors);
    const { text: original, format, schema, display } = this.model.get("output");
    this.editor.root.hidden = false;
    this.editor.open({ text: kept.text, original, format, schema, display, errors: state.errors });
    if (kept.text !== state.text) this.#onChange();
    else this.drafts.arrived(this.#key, kept);
  }

  #close() {
    if (!this.#isOpen) return;
    this.flush();
    this.#isOpen = false;
    this.editor.close();
    this.editor.root.hidden = true;
  }

  /** Another review is shown: what was typed here and never arrived is put back. */
  #leave(state) {
    this.#close();
    this.#key = state.key ?? "";
    this.#locked = this.#asked = false;
    this.#version = -1;
    this.#kept = this.drafts.find(this.#key);
    if (this.#kept && (!state.shown || state.stale)) {
      const { about, text } = this.#kept;
      this.#kept = null;
      this.#send(about, text, "");
    }
  }

  #kept = null; // an edit that was typed before a reload and did not get to the kernel

  /** The text that was typed here last, also if the kernel has not read it yet. */
  #latest(state) {
    return this.kernel.awaits("edit") && this.#seen !== null ? this.#seen : state.text;
  }

  #goTo() {
    this.#asked = false;
    this.root.scrollIntoView({ block: "nearest" });
    if (this.#isOpen) this.editor.focus();
    else this.unsent.focus();
  }

  #updateLocks() {
    if (!this.status) return;
    const isLocked = this.#locked || this.kernel.awaits("discardedit");
    if (this.#isOpen) this.editor.lock(isLocked);
    if (!isLocked) {
      this.#later?.();
      this.#later = null;
    }
    write(this.status, this.kernel.delay("startedit", "edit", "discardedit"));
    this.status.classList.toggle("is-busy", Boolean(this.status.textContent));
  }

  /** Call a function that gives a field the focus: now, or when the field can have it. */
  #afterLock(show) {
    if (this.#locked) this.#later = show;
    else show();
  }

  #hasFocus() {
    const page = this.root.ownerDocument;
    return this.editor.root.contains(page.activeElement) && page.hasFocus();
  }

  // --- editing

  #start(again = false) {
    this.#asked = true;
    this.kernel.send({ do: "startedit", key: this.#key, again });
  }

  #onChange() {
    this.#typed = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), QUIET);
  }

  /** Send what was typed, if it was not yet. */
  flush() {
    clearTimeout(this.#timer);
    if (!this.#typed || !this.#isOpen) return;
    this.#typed = false;
    this.#seen = this.editor.value;
    this.#send(this.#about, this.#seen, this.editor.problem);
  }

  #send(about, text, problem) {
    const key = this.#key;
    const edit = this.#edit(about, text, problem);
    this.drafts.keep(key, { about, text });
    this.kernel.send({ do: "edit", key, edit }, () => edit.text !== null && this.drafts.arrived(key, edit));
  }

  #edit(about, text, problem) {
    const tooLong = this.#tooLong(text);
    const words = problem.length > LONGEST_PROBLEM ? `${problem.slice(0, LONGEST_PROBLEM)}…` : problem;
    return { about, text: tooLong ? null : text, problem: tooLong || words };
  }

  #tooLong(text) {
    const most = this.model.get("state")?.max_length ?? Infinity;
    return text.length > most ? `It has more than ${most.toLocaleString()} characters.` : "";
  }

  /** A decision is made in this panel: it is about what is in the editor at this moment. */
  #answer(detail) {
    if (detail.key !== this.#key || !this.#isOpen) return;
    this.flush();
    detail.edit = this.#edit(this.#about, this.editor.value, this.editor.problem);
    if (detail.action !== "reject" && this.editor.problem) this.#later = () => this.editor.showProblem();
  }

  #discard() {
    clearTimeout(this.#timer);
    this.#typed = false;
    this.kernel.send({ do: "discardedit", key: this.#key, about: this.#about });
    this.#forget();
  }

  #forget() {
    this.drafts.drop(this.#key);
  }
}

function render({ model, el }) {
  const view = new EditFormView(model, el);
  return () => view.remove();
}

export default { render };
