import { ListGrid } from "./list_grid.js";
import { ListPicks } from "./list_picks.js";
import { Kernel, make, tell, write } from "./shared.js";

/** Time for what the kernel changes to come after its answer, in milliseconds. */
const GRACE = 400;
const FORMS = ".hitl-session .hitl-form";

class InboxView {
  #wanted = ""; // the row that was asked for
  #pointed = false;
  #graceTimer = 0;

  constructor(model, el) {
    this.model = model;
    this.kernel = new Kernel(model, el, () => this.#onAnswer());
    this.grid = new ListGrid();
    this.picks = new ListPicks(model, this.kernel, this.grid);
    this.root = make("div", "hitl-list");
    this.head = make("div", "hitl-list-head");
    const label = make("label", "hitl-pick-all");
    this.all = make("input");
    this.all.type = "checkbox";
    this.all.tabIndex = -1;
    this.all.setAttribute("aria-label", "Pick all that are listed");
    this.all.title = "Pick all that are listed (Ctrl+A)";
    this.count = make("span");
    label.append(this.all, this.count);
    this.late = make("span", "hitl-late");
    this.late.setAttribute("role", "status");
    this.head.append(label, this.late);
    this.nothing = make("div", "hitl-empty");
    this.root.append(this.head, this.grid.root, this.nothing, this.picks.live);
    this.#listen();
    el.classList.add("hitl-host");
    el.append(this.root);
    this.updateRows();
  }

  #listen() {
    this.grid.root.addEventListener("keydown", (event) => this.#onKey(event));
    this.grid.root.addEventListener("click", (event) => this.#onClick(event));
    this.grid.root.addEventListener("mousedown", (event) => {
      if (event.shiftKey) event.preventDefault(); // a range of picks, not of text
    });
    this.root.addEventListener("pointerenter", () => (this.#pointed = true));
    this.root.addEventListener("pointerleave", () => (this.#pointed = false));
    this.all.addEventListener("change", () => this.picks.pick(this.picks.pickable, this.all.checked));
    this.root.addEventListener("hitl:move", (event) => this.#move(event.detail.by));
    this.root.addEventListener("hitl:pick", () => this.picks.toggle(this.#current()));
    this.root.addEventListener("hitl:focus", () => (this.grid.stop ?? this.#current())?.element.focus());
    this.onRows = () => this.updateRows();
    this.onMarks = () => this.updateMarks();
    this.onSelected = () => this.#onSelected();
    this.model.on("change:rows", this.onRows);
    this.model.on("change:empty", this.onRows);
    this.model.on("change:picked", this.onMarks);
    this.model.on("change:selected", this.onSelected);
  }

  remove() {
    clearTimeout(this.#graceTimer);
    this.grid.remove();
    this.kernel.close();
    this.model.off("change:rows", this.onRows);
    this.model.off("change:empty", this.onRows);
    this.model.off("change:picked", this.onMarks);
    this.model.off("change:selected", this.onSelected);
    this.root.remove();
  }

  // --- showing

  updateRows() {
    const place = this.grid.place(this.#pointed);
    this.grid.update(this.model.get("rows") ?? []);
    this.nothing.hidden = Boolean(this.grid.order.length);
    write(this.nothing, this.model.get("empty") ?? "");
    this.updateMarks();
    this.grid.goBack(place);
  }

  updateMarks() {
    const selected = this.model.get("selected");
    const { picked, pickable } = this.picks;
    for (const row of this.grid.rows) {
      const on = picked.has(row.id);
      row.element.classList.toggle("is-open", row.id === selected);
      row.element.classList.toggle("is-wanted", row.id === this.#wanted && row.id !== selected);
      row.element.classList.toggle("is-picked", on);
      row.element.setAttribute("aria-selected", String(row.id === selected));
      row.box.checked = on;
    }
    const count = pickable.filter((id) => picked.has(id)).length;
    this.head.hidden = !pickable.length;
    this.all.checked = count > 0 && count === pickable.length;
    this.all.indeterminate = count > 0 && count < pickable.length;
    write(this.count, picked.size ? `${picked.size} picked` : "Pick all");
    write(this.late, this.kernel.delay("open", "pick"));
    if (!this.grid.stop) this.grid.setStop(this.#current()?.id);
  }

  #onSelected() {
    const selected = this.model.get("selected");
    const asked = this.#wanted !== "";
    if (selected === this.#wanted) this.#wanted = "";
    this.updateMarks();
    // Somebody else opened another one, in another tab or by a decision: the focus follows.
    if (!asked && selected && this.grid.has(selected)) this.grid.goTo(this.grid.row(selected));
  }

  #onAnswer() {
    clearTimeout(this.#graceTimer);
    this.#graceTimer = setTimeout(() => {
      if (!this.kernel.awaits("open")) tell(this.root, FORMS, "hitl:opened");
      if (!this.kernel.awaits("pick")) this.picks.confirmed();
      this.updateMarks();
    }, GRACE);
    this.updateMarks();
  }

  // --- the keys and the mouse

  /** The row with the focus, else the one that was asked for or is open, else the first. */
  #current() {
    const { focusedId, order } = this.grid;
    const candidates = [focusedId, this.#wanted, this.model.get("selected"), order[0]];
    return this.grid.row(candidates.find((id) => id && this.grid.has(id)));
  }

  #onKey(event) {
    const current = this.#current();
    const last = this.grid.order.length - 1;
    const here = this.grid.order.indexOf(current?.id);
    const command = event.ctrlKey || event.metaKey;
    const page = Math.max(1, Math.floor(this.grid.root.clientHeight / (current?.element.offsetHeight || 60)) - 1);
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -here, End: last - here };
    if (event.altKey) return;
    if (command && event.key.toLowerCase() === "a" && !event.shiftKey) this.picks.pick(this.picks.pickable, true);
    else if (command) return;
    else if (event.key in moves) this.#move(moves[event.key], { extend: event.shiftKey });
    else if (event.key === " ") {
      if (event.shiftKey) this.picks.pickRange(current);
      else if (!event.repeat) this.picks.toggle(current);
    } else if (event.key === "Enter") this.#open(current);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #onClick(event) {
    const row = this.grid.rowOf(event.target);
    if (!row) return;
    const onBox = event.target.closest(".hitl-row-pick");
    if (event.target !== row.box) row.element.focus({ preventScroll: true });
    if (event.shiftKey && row.data.pickable) {
      event.preventDefault();
      this.picks.pickRange(row);
    } else if (onBox) {
      // The click on the label is followed by one on the box, which has changed by then.
      if (event.target !== row.box) return;
      this.picks.startAt(row.id);
      this.picks.pick([row.id], row.box.checked);
    } else if (event.ctrlKey || event.metaKey) this.picks.toggle(row);
    else {
      this.#open(row);
      this.#showReview();
    }
  }

  /** In a narrow panel the review is below the list: who opens one with the mouse or a finger wants to see it. */
  #showReview() {
    const review = this.grid.root.closest(".hitl-panel")?.querySelector(".hitl-session");
    if (!review || review.getBoundingClientRect().top < this.grid.root.getBoundingClientRect().bottom) return;
    review.scrollIntoView({ block: "start" });
  }

  #move(by, { extend = false } = {}) {
    const { order } = this.grid;
    const here = order.indexOf(this.#current()?.id);
    if (here < 0) return;
    const first = !this.model.get("selected") && !extend; // nothing is open yet: begin where the list begins
    const there = first ? here : Math.min(order.length - 1, Math.max(0, here + by));
    const row = this.grid.row(order[there]);
    this.grid.goTo(row);
    if (extend) this.picks.moveEnd(here, there);
    else this.#open(row);
  }

  #open(row) {
    if (!row) return;
    this.picks.startAt(row.id);
    if (row.id === this.model.get("selected") && !this.#wanted) return;
    this.#wanted = row.id === this.model.get("selected") && !this.kernel.awaits("open") ? "" : row.id;
    // The form must not take what is typed from now on for the review that it still shows.
    tell(this.root, FORMS, "hitl:opening", { from: this.model.get("selected") });
    this.kernel.send({ do: "open", id: row.id });
  }
}

function render({ model, el }) {
  const view = new InboxView(model, el);
  return () => view.remove();
}

export default { render };
