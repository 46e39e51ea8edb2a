// What is typed about a review, and how its output was edited, kept in the tab.

export class Draft {
  #typed; // key of the text
  #away; // key of what was sent while the page was left
  #edited; // key of the edit

  constructor(key, field) {
    this.#typed = `hitl-draft-${key}`;
    this.#away = `hitl-sent-${key}`;
    this.#edited = `hitl-edit-${key}`;
    this.field = field;
    field?.addEventListener("input", () => this.#save());
  }

  /** Put the text back, unless it was sent when the page was left, and has arrived. */
  restore(state, userId) {
    const away = JSON.parse(this.#read(this.#away) || "null");
    const isSame = away?.iteration === state.iteration && away?.output_sha256 === state.output_sha256;
    if (away !== null && (state.open ? !isSame : state.decided_by_id === userId)) this.arrived();
    else this.field.value = this.#read(this.#typed);
  }

  /** The edit that is not sent yet: which output it is of, and its text; null if there is none. */
  get edit() {
    return JSON.parse(this.#read(this.#edited) || "null");
  }

  set edit(edit) {
    this.#write(this.#edited, edit && JSON.stringify(edit));
  }

  /** The page is left, and what is typed is sent with the decision about this output; nobody hears the answer. */
  left(about) {
    this.#write(this.#away, JSON.stringify(about));
  }

  /** What was sent when the page was left has arrived. @returns {boolean} whether there was something */
  arrived() {
    if (!this.#read(this.#away)) return false;
    this.#write(this.#away, "");
    this.sent(this.field.value);
    this.edit = null;
    return true;
  }

  /** This text was sent; what was typed since is kept. */
  sent(text) {
    if (this.field.value === text) this.field.value = "";
    this.#save();
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
      // storage is switched off or full: the text stays in the page alone
    }
  }
}
