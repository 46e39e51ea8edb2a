// The edit of an output: opened on the page, kept in the tab, and bound to the output that was edited.
import { copyEdit } from "./copying.js";
import { tellStanding } from "./edit_standing.js";
import { makeEditor } from "./editor.js";
import { notice, problem } from "./notices.js";
import { isSame, nameOf, settles, textOf } from "./output_names.js";
import { previewOf, wholeReview } from "./requests.js";

const QUIET = 250; // milliseconds without a change before the edit is kept, and the buttons tell of it

export class Editing {
  #edit = null; // the output that is edited, and the text as it was opened: { iteration, output_sha256, text }
  #before = null; // text of that output; null if it is not known any more
  #editor = null;
  #isLoaded = false; // whether the editor has the edit
  #isLoading = false;
  #failure = null; // why it could not be loaded
  #timer = 0;
  #state = {};

  /**
   * @param {object} page
   * @param {HTMLElement | null} page.place where the editor opens; null for who may not decide
   * @param {URLSearchParams} page.query names the review
   * @param {Draft} page.draft keeps the edit
   * @param {() => string} page.display how the reader wants outputs to be shown; empty for the usual way
   * @param {() => void} page.onChange called when it is opened, changed or closed
   * @param {() => void} page.onOutdated called when the server has another output than the page
   * @param {() => void} page.onLeft called when it was closed, and the focus is to go somewhere
   */
  constructor(page) {
    this.page = page;
    this.heading = page.place?.querySelector("h2");
    this.line = page.place?.querySelector(".standing");
    addEventListener("pagehide", () => this.#keep());
  }

  get isOpen() {
    return this.#edit !== null;
  }

  /** Whether something would be lost without it. */
  get isChanged() {
    return this.isOpen && this.#text !== this.#before;
  }

  /** What goes with a decision; null without an edit of what is on the screen. */
  get toSend() {
    return this.#isLoaded && this.#isCurrent && this.isChanged ? this.#text : null;
  }

  /** Whether a rejection drops something. */
  get isDropped() {
    return this.isChanged && this.#isCurrent;
  }

  get #text() {
    return this.#isLoaded ? this.#editor.value : this.#edit.text;
  }

  get #isCurrent() {
    return isSame(this.#edit, this.#state);
  }

  /** Open what was kept in the tab. */
  restore() {
    this.#edit = this.page.draft.edit;
    if (this.isOpen) this.#reopen();
  }

  /** Edit the output on the screen; `again`: go on with its last edit, which the task did not take. */
  async start({ again = false } = {}) {
    if (this.isOpen) return this.#show();
    if (this.#isLoading) return;
    problem("");
    let review;
    try {
      review = await this.#load();
    } catch (error) {
      return problem(`The output cannot be edited yet. ${error.message}`, error.link ?? null);
    }
    if (!this.#state.open || this.isOpen) return;
    if (!isSame(review, this.#state)) {
      problem("The output has just changed. Look at it, then press Edit again.");
      return this.page.onOutdated();
    }
    const text = again ? (review.edited_output ?? review.current_output) : review.current_output;
    const errors = again && this.#state.edit_refused ? [{ path: [], message: review.last_error }] : [];
    this.#open(review, { ...nameOf(review), text }, errors);
    this.#show();
  }

  /** Show how it is with the edit in this state of the review; while a decision is sent or held back it is locked. */
  draw(state, isLocked) {
    this.#state = state;
    if (this.#isLoaded && !(this.#isCurrent && state.open) && !this.isChanged) this.#closeQuietly();
    if (this.#isLoaded) this.#editor.lock(isLocked);
    const standing = { isLoaded: this.#isLoaded, isLocked, failure: this.#failure };
    const edit = this.isOpen ? { ...this.#edit, ...standing, isCurrent: this.#isCurrent } : null;
    const isTold = tellStanding(this.line, edit, state, {
      copy: () => copyEdit(this.#text),
      discard: () => this.#discard(),
      editCurrent: () => this.#editCurrent(),
      goOn: () => this.start({ again: true }),
      open: () => this.#reopen(),
    });
    this.heading.hidden = !this.isOpen;
    const what = this.isOpen && this.#isCurrent && state.asks ? "answers to request" : "edit of output";
    this.heading.textContent = this.isOpen ? `Your ${what} ${this.#edit.iteration}` : "";
    this.page.place.hidden = !isTold && !this.isOpen;
  }

  /** Whether nothing can be approved or asked for yet, and then say why. */
  blocks() {
    if (!this.isOpen) return false;
    if (!this.#isLoaded || !this.#isCurrent) {
      problem(this.#isLoaded ? "First choose what is to become of your edit." : "Your edit is not open yet, so nothing was sent.");
      this.page.place.scrollIntoView({ block: "start" });
      this.line.querySelector("button")?.focus({ preventScroll: true });
      return true;
    }
    const why = this.#editor.problem;
    if (!why) return false;
    problem(`The edit cannot be sent yet. ${why}`);
    this.#editor.showProblem();
    return true;
  }

  /** What the server says of the edit that was sent. */
  showErrors(errors) {
    if (this.#isLoaded) this.#editor.showErrors(errors);
  }

  /** This decision was taken: the edit that went with it is not to be kept. */
  decided(decision) {
    if (this.isOpen && settles(decision, { ...this.#edit, text: this.#text })) this.#close();
  }

  // --- opening and closing

  async #load() {
    this.#isLoading = true;
    try {
      const host = {
        preview: (text) => this.#preview(text),
        onChange: () => this.#changed(),
        onDiscard: () => this.#discard(),
      };
      const [review, editor] = await Promise.all([wholeReview(this.page.query), this.#editor ?? makeEditor(host)]);
      this.#editor = editor;
      return review;
    } finally {
      this.#isLoading = false;
    }
  }

  async #reopen() {
    const edit = this.#edit;
    this.#failure = null;
    this.page.onChange();
    try {
      const review = await this.#load();
      if (this.#edit === edit) this.#open(review, edit);
    } catch (error) {
      this.#failure = error;
      this.page.onChange();
    }
  }

  #open(review, edit, errors = []) {
    const { output_format: format, output_schema: schema } = review;
    this.#edit = edit;
    this.#before = textOf(review, edit);
    this.page.place.append(this.#editor.root);
    this.page.place.hidden = false;
    const output = { text: edit.text, original: this.#before ?? "", format, schema, display: this.#state.display };
    this.#editor.open({ ...output, errors });
    this.#isLoaded = true;
    this.page.onChange();
  }

  #show() {
    this.page.place.scrollIntoView({ block: "start" });
    if (this.#isLoaded) this.#editor.focus();
  }

  #close() {
    clearTimeout(this.#timer);
    if (this.#isLoaded) this.#editor.close();
    this.#editor?.root.remove();
    this.#isLoaded = false;
    this.#edit = null;
    this.#failure = null;
    this.page.draft.edit = null;
  }

  #closeQuietly() {
    const hadFocus = this.page.place.contains(document.activeElement);
    this.#close();
    if (hadFocus) this.page.onLeft();
  }

  // --- what the reader does with it

  #changed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#keep();
      this.page.onChange();
    }, QUIET);
  }

  #keep() {
    if (this.#isLoaded) this.page.draft.edit = this.isChanged ? { ...nameOf(this.#edit), text: this.#text } : null;
  }

  async #preview(text) {
    const shown = await previewOf(this.page.query, text, this.page.display());
    return this.#isCurrent ? shown : { html: shown.html, changes: "<p>Not shown: another output has arrived since.</p>" };
  }

  #discard() {
    this.#setAside("Your edit is discarded.");
    this.page.onChange();
    this.page.onLeft();
  }

  #editCurrent() {
    this.#setAside(`Your edit of output ${this.#edit.iteration} is set aside.`);
    this.page.onChange();
    this.start();
  }

  /** Close it, and offer to bring it back. */
  #setAside(words) {
    const aside = this.isChanged ? { ...nameOf(this.#edit), text: this.#text } : null;
    problem("");
    this.#close();
    if (aside) notice(words, "", ["Bring it back", () => this.#bringBack(aside)]);
  }

  async #bringBack(aside) {
    if (this.isOpen) this.#setAside("Your other edit is set aside.");
    else notice("");
    this.#edit = aside;
    this.page.draft.edit = aside;
    await this.#reopen();
    this.#show();
  }
}
