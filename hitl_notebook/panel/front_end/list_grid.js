import { ListRow } from "./list_row.js";
import { make } from "./shared.js";

const TICK = 15_000;

/** The rows in their order, and the reader's place among them: what is scrolled to, what has the focus. */
export class ListGrid {
  #rows = new Map();
  #order = [];
  #scrolled = 0;

  constructor() {
    this.root = make("div", "hitl-rows");
    this.root.setAttribute("role", "grid");
    this.root.setAttribute("aria-label", "Reviews");
    this.root.addEventListener("focusin", (event) => {
      const row = this.rowOf(event.target);
      if (row) this.setStop(row.id);
    });
    this.root.addEventListener("scroll", () => {
      if (this.root.clientHeight) this.#scrolled = this.root.scrollTop;
    });
    this.timer = setInterval(() => {
      const now = Date.now();
      for (const row of this.rows) row.tick(now);
    }, TICK);
    // An output that is taken out of the page and put back starts at the top again.
    this.resized = new ResizeObserver(() => {
      if (this.root.clientHeight && this.root.scrollTop !== this.#scrolled) {
        this.root.scrollTop = this.#scrolled;
      }
    });
    this.resized.observe(this.root);
  }

  remove() {
    clearInterval(this.timer);
    this.resized.disconnect();
  }

  // --- the rows

  /** The ids, from top to bottom. */
  get order() {
    return this.#order;
  }

  get rows() {
    return this.#rows.values();
  }

  has(id) {
    return this.#rows.has(id);
  }

  row(id) {
    return this.#rows.get(id);
  }

  rowOf(node) {
    return this.#rows.get(node?.closest?.(".hitl-row")?.dataset.id);
  }

  update(data) {
    const kept = new Set(data.map((item) => item.id));
    for (const [id, row] of this.#rows) {
      if (!kept.has(id)) {
        row.element.remove();
        this.#rows.delete(id);
      }
    }
    this.#order = [...kept];
    data.forEach((item) => {
      if (!this.#rows.has(item.id)) this.#rows.set(item.id, new ListRow(item.id));
      this.#rows.get(item.id).update(item);
    });
    this.#order.forEach((id, index) => {
      const { element } = this.#rows.get(id);
      if (this.root.children[index] !== element) {
        this.root.insertBefore(element, this.root.children[index] ?? null);
      }
    });
    this.root.hidden = !this.#order.length;
  }

  // --- the place

  get focusedId() {
    const active = this.root.ownerDocument.activeElement;
    return this.root.contains(active) ? (this.rowOf(active)?.id ?? "") : "";
  }

  /** The row that the Tab key goes to. */
  get stop() {
    return this.rowOf(this.root.querySelector('[tabindex="0"]'));
  }

  setStop(id) {
    for (const row of this.rows) row.element.tabIndex = row.id === id ? 0 : -1;
  }

  /** Bring a row into sight; the focus follows if it is in the list. */
  goTo({ id, element }) {
    const inside = this.focusedId !== "";
    this.setStop(id);
    if (inside) element.focus({ preventScroll: true });
    element.scrollIntoView({ block: "nearest" });
  }

  /** The place to go back to after an update; `isPointed`: the pointer is on the list. */
  place(isPointed) {
    const focused = this.focusedId;
    return { seen: this.#seen(focused, isPointed), focused, index: this.#order.indexOf(focused) };
  }

  goBack({ seen, focused, index }) {
    this.#restoreScroll(seen);
    if (focused) this.#restoreFocus(focused, index);
  }

  #seen(focused, isPointed) {
    const top = this.root.scrollTop;
    if (top <= 1 && !focused && !isPointed) return []; // nobody is looking for their place: show what is new
    const bottom = top + this.root.clientHeight;
    const ids = this.#order.filter((id) => {
      const { element } = this.#rows.get(id);
      return element.offsetTop + element.offsetHeight > top && element.offsetTop < bottom;
    });
    if (ids.includes(focused)) ids.unshift(focused);
    return ids.map((id) => [id, this.#rows.get(id).element.offsetTop - top]);
  }

  #restoreScroll(seen) {
    if (!this.root.clientHeight) return;
    const found = seen.find(([id]) => this.#rows.has(id));
    this.root.scrollTop = found ? this.#rows.get(found[0]).element.offsetTop - found[1] : 0;
    this.#scrolled = this.root.scrollTop;
  }

  #restoreFocus(id, index) {
    const still = this.#rows.has(id) ? id : this.#order[Math.min(index, this.#order.length - 1)];
    if (still === undefined) return;
    this.setStop(still);
    if (this.focusedId !== still) this.#rows.get(still).element.focus({ preventScroll: true });
  }
}
