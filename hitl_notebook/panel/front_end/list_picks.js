import { make, write } from "./shared.js";

/** The picked rows, by id, and what is said about them. */
export class ListPicks {
  #wishes = new Map(); // picks that the kernel has not confirmed: what is shown until it does
  #anchor = ""; // where a range of picks begins

  constructor(model, kernel, grid) {
    this.model = model;
    this.kernel = kernel;
    this.grid = grid;
    this.live = make("div", "hitl-unseen");
    this.live.setAttribute("aria-live", "polite");
  }

  get picked() {
    const picked = new Set(this.model.get("picked") ?? []);
    for (const [id, on] of this.#wishes) {
      if (on) picked.add(id);
      else picked.delete(id);
    }
    return picked;
  }

  get pickable() {
    return this.grid.order.filter((id) => this.grid.row(id).data.pickable);
  }

  startAt(id) {
    this.#anchor = id;
  }

  /** The kernel has read all picks: what it says holds. */
  confirmed() {
    this.#wishes.clear();
  }

  pick(ids, on) {
    const wanted = ids.filter((id) => this.grid.row(id)?.data.pickable);
    if (!wanted.length) return;
    for (const id of wanted) this.#wishes.set(id, on);
    const iterations = wanted.map((id) => Number(this.grid.row(id).data.iteration ?? 0));
    this.kernel.send({ do: "pick", ids: wanted, on, iterations });
    const what = wanted.length === 1 ? this.grid.row(wanted[0]).name : `${wanted.length} reviews`;
    write(this.live, `${what} ${on ? "picked" : "no longer picked"}. ${this.picked.size} picked in all.`);
  }

  toggle(row) {
    if (!row?.data.pickable) return;
    this.#anchor = row.id;
    this.pick([row.id], !this.picked.has(row.id));
  }

  pickRange(row) {
    const { order } = this.grid;
    const start = order.indexOf(this.#anchor);
    const end = order.indexOf(row?.id);
    if (end < 0) return;
    this.pick(this.#between(start < 0 ? end : start, end), true);
  }

  /** Let the range end at another row: both ends are places in the order. */
  moveEnd(here, there) {
    const { order } = this.grid;
    const start = order.includes(this.#anchor) ? order.indexOf(this.#anchor) : here;
    this.#anchor = order[start];
    const range = new Set(this.#between(start, there));
    const left = this.#between(start, here).filter((id) => !range.has(id) && this.picked.has(id));
    this.pick(left, false);
    this.pick([...range].filter((id) => !this.picked.has(id)), true);
  }

  #between(a, b) {
    return this.grid.order.slice(Math.min(a, b), Math.max(a, b) + 1);
  }
}
