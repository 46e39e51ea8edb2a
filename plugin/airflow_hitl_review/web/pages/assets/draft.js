// What is typed about a review, and how its output was edited, kept in the tab.
import { notice } from "./notices.js";
import { isSame, settles } from "./output_names.js";

export class Draft {
  #typed; // key of the text
  #unheard; // key of the decision that was sent last without hearing an answer
  #edited; // key of the edit
  #isTold = false; // whether it was said that the browser cannot keep them

  constructor(key, field) {
    this.#typed = `hitl-draft-${key}`;
    this.#unheard = `hitl-sent-${key}`;
    this.#edited = `hitl-edit-${key}`;
    this.field = field;
    field?.addEventListener("input", () => this.#save());
  }

  /** Put the text back, unless the review has it. */
  restore(state, userId) {
    this.field.value = this.#read(this.#typed);
    this.settle(state, userId);
  }

  /** The edit that is not sent yet: which output it is of, and its text; null if there is none. */
  get edit() {
    return JSON.parse(this.#read(this.#edited) || "null");
  }

  set edit(edit) {
    this.#write(this.#edited, edit && JSON.stringify(edit));
  }

  /** This decision was sent, and nobody heard the answer: until it is known, its text and its edit are kept. */
  unheard(decision) {
    this.#write(this.#unheard, JSON.stringify(decision));
  }

  /**
   * Drop what was sent and not answered, if the review has it.
   *
   * @returns {object | null} the decision; null if there is none, or nothing is known of it
   */
  settle(state, userId) {
    const sent = this.field && JSON.parse(this.#read(this.#unheard) || "null");
    if (!sent || !hasDecided(userId, sent, state)) return null;
    this.sent(sent.text);
    if (this.edit !== null && settles(sent, this.edit)) this.edit = null;
    return sent;
  }

  /** This text was sent; what was typed since is kept. */
  sent(text) {
    if (this.field.value === text) this.field.value = "";
    this.#save();
    this.#write(this.#unheard, "");
  }

  #save() {
    this.#write(this.#typed, this.field.value);
  }

  #read(key) {
    try {
      return sessionStorage.getItem(key) ?? "";
    } catch {
      return "";
    }
  }

  #write(key, value) {
    try {
      if (value) sessionStorage.setItem(key, value);
      else sessionStorage.removeItem(key);
    } catch {
      if (value) this.#lose(key); // storage is switched off or full
    }
  }

  /** An earlier text must not come back as if it were the last. */
  #lose(key) {
    try {
      sessionStorage.removeItem(key);
    } catch {
      // storage is switched off
    }
    if (this.#isTold) return;
    this.#isTold = true;
    notice("The browser cannot keep what you write. It is on this page alone, and is lost if you leave the page unsent.", "bad");
  }
}

/** Whether the review has a decision of this user about this output. One that ends the review need not have words. */
function hasDecided(userId, output, state) {
  if (isSame(output, state)) return !state.open && state.decided_by_id === userId;
  const hasSpoken = ([iteration, id]) => iteration === output.iteration && id === userId;
  return output.iteration < state.iteration && state.spoken.some(hasSpoken);
}
