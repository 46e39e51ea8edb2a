import { Kernel, make, tell, write } from "./shared.js";

const SHAPES = {
  waiting: { fill: "M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3z" },
  working: { line: "M8 3a5 5 0 0 1 5 5M11.6 11.6A5 5 0 0 1 8 13M4.4 11.6A5 5 0 0 1 3.1 7M4.6 4.3A5 5 0 0 1 5.6 3.6" },
  approved: { line: "M3 8.6l3.4 3.4L13 4.6" },
  rejected: { line: "M4 4l8 8M12 4l-8 8" },
  timed_out: { line: "M8 2.6a5.4 5.4 0 1 0 0 10.8A5.4 5.4 0 0 0 8 2.6zM8 5v3.2l2.2 1.4" },
  ended: { line: "M4 4h8v8H4z" },
  abandoned: { line: "M8 2.6a5.4 5.4 0 1 0 0 10.8A5.4 5.4 0 0 0 8 2.6zM4.3 11.7l7.4-7.4" },
};
const OPEN_STATES = new Set(["waiting", "working"]);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const TICK = 15_000;
/** Time for what the kernel changes to come after its answer, in milliseconds. */
const GRACE = 400;
const FORMS = ".hitl-session .hitl-form";

function mark() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "hitl-mark");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS("http://www.w3.org/2000/svg", "path"));
  return svg;
}

function draw(svg, state) {
  const shape = SHAPES[state] ?? SHAPES.ended;
  const path = svg.firstChild;
  path.setAttribute("d", shape.fill ?? shape.line);
  path.setAttribute("fill", shape.fill ? "currentColor" : "none");
  path.setAttribute("stroke", shape.fill ? "none" : "currentColor");
}

function span(milliseconds) {
  if (milliseconds < HOUR) return `${Math.max(1, Math.floor(milliseconds / MINUTE))} min`;
  if (milliseconds < 2 * DAY) return `${Math.floor(milliseconds / HOUR)} h`;
  return `${Math.floor(milliseconds / DAY)} d`;
}

function age(at, now) {
  const past = now - at;
  if (Number.isNaN(past)) return "";
  if (past < MINUTE) return "now";
  if (past < 7 * DAY) return span(past);
  return new Date(at).toLocaleDateString(undefined, { day: "numeric", month: "short" });
}

function exact(at) {
  return Number.isNaN(at) ? "" : new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/** When it is due: in words, and how pressing that is. */
function due(at, now) {
  if (Number.isNaN(at)) return ["", ""];
  const left = at - now;
  if (left <= 0) return ["overdue", "over"];
  if (left < MINUTE) return ["due now", "soon"];
  return [`due in ${span(left)}`, left < HOUR ? "soon" : ""];
}

/** What tells generated run ids apart, such as "2030-11-23 14:05:10"; other ids as they are. */
function shortRun(runId) {
  const parts = /^[a-z_]+?__(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)(?:\.\d+)?(?:\+00:00|Z)?(_\w+)?$/.exec(runId);
  return parts ? `${parts[1]} ${parts[2]}${parts[3] === ":00" ? "" : parts[3]}` : runId;
}

/** One row; its element stays the same as long as the review is listed. */
class Row {
  constructor(id) {
    this.id = id;
    this.element = make("div", "hitl-row");
    this.element.setAttribute("role", "row");
    this.element.tabIndex = -1;
    const pickCell = make("label", "hitl-row-pick");
    pickCell.setAttribute("role", "gridcell");
    this.box = make("input");
    this.box.type = "checkbox";
    this.box.tabIndex = -1;
    pickCell.append(this.box);
    const cell = make("div", "hitl-row-cell");
    cell.setAttribute("role", "gridcell");
    this.mark = mark();
    this.title = make("span", "hitl-row-title");
    this.place = make("span", "hitl-row-place");
    this.dag = make("span", "hitl-row-dag");
    this.task = make("span", "hitl-row-task");
    this.run = make("span", "hitl-row-run");
    this.nameCell = make("span", "hitl-row-name");
    this.nameCell.append(this.dag, make("span", "hitl-row-arrow", " › "), this.task);
    this.place.append(this.nameCell, this.run);
    this.fresh = make("span", "hitl-row-new", "New");
    this.age = make("span", "hitl-row-age");
    this.text = make("span", "hitl-row-text");
    this.words = make("span", "hitl-row-words");
    this.round = make("span", "hitl-row-round");
    this.due = make("span", "hitl-row-due");
    const middle = make("div", "hitl-row-middle");
    middle.append(this.fresh, this.text);
    const facts = make("div", "hitl-row-facts");
    facts.append(this.mark, this.words, this.round);
    cell.append(this.title, this.age, this.place, middle, facts, this.due);
    this.element.append(pickCell, cell);
  }

  update(data) {
    this.data = data;
    this.updatedAt = Date.parse(data.updated_at);
    this.deadlineAt = data.deadline_at && OPEN_STATES.has(data.state) ? Date.parse(data.deadline_at) : NaN;
    const mapped = data.map_index >= 0 ? ` [${data.map_index}]` : "";
    this.name = `${data.dag_id} › ${data.task_id}${mapped}`;
    this.element.dataset.id = data.id;
    this.element.dataset.state = data.state;
    this.element.classList.toggle("is-new", Boolean(data.is_new));
    this.element.classList.toggle("is-unlisted", !data.listed);
    draw(this.mark, data.state);
    write(this.title, data.title || this.name);
    this.title.title = this.title.textContent;
    this.nameCell.hidden = !data.title; // then the name is the title
    write(this.dag, data.dag_id);
    write(this.task, `${data.task_id}${mapped}`);
    this.place.title = this.name;
    this.fresh.hidden = !data.is_new;
    write(this.text, data.excerpt ?? "");
    this.text.parentElement.hidden = !this.text.textContent && !data.is_new;
    write(this.words, data.listed ? data.words : `${data.words}, not on this page`);
    write(this.round, data.round);
    write(this.run, `run ${shortRun(data.run_id)}`);
    this.run.title = `Run ${data.run_id}`;
    this.box.disabled = !data.pickable;
    this.box.title = data.pickable ? "Pick, to decide several at once (Space)" : "Only reviews that wait can be picked";
    this.box.setAttribute("aria-label", `Pick ${this.name}, run ${shortRun(data.run_id)}`);
    this.age.title = `Since ${exact(this.updatedAt)}. Started ${exact(Date.parse(data.created_at))}.`;
    this.due.title = Number.isNaN(this.deadlineAt) ? "" : `Decide before ${exact(this.deadlineAt)}`;
    this.tick(Date.now());
  }

  tick(now) {
    const [words, level] = due(this.deadlineAt, now);
    write(this.age, age(this.updatedAt, now));
    write(this.due, words);
    this.due.hidden = !words;
    this.due.dataset.level = level;
    const parts = [this.data.is_new ? "New" : "", this.words.textContent, this.data.title, this.name];
    parts.push(this.round.textContent, this.run.textContent, this.age.textContent && `for ${this.age.textContent}`, words);
    const label = [...parts, this.text.textContent].filter(Boolean).join(", ");
    if (this.element.getAttribute("aria-label") !== label) this.element.setAttribute("aria-label", label);
  }
}

class InboxView {
  #rows = new Map();
  #order = [];
  #wishes = new Map(); // picks that the kernel has not confirmed: what is shown until it does
  #wanted = ""; // the row that was asked for
  #anchor = ""; // where a range of picks begins
  #pointed = false;
  #scrolled = 0;
  #graceTimer = 0;

  constructor(model, el) {
    this.model = model;
    this.kernel = new Kernel(model, el, () => this.#onAnswer());
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
    this.scroller = make("div", "hitl-rows");
    this.scroller.setAttribute("role", "grid");
    this.scroller.setAttribute("aria-label", "Reviews");
    this.nothing = make("div", "hitl-empty");
    this.live = make("div", "hitl-unseen");
    this.live.setAttribute("aria-live", "polite");
    this.root.append(this.head, this.scroller, this.nothing, this.live);
    this.#listen();
    el.classList.add("hitl-host");
    el.append(this.root);
    this.updateRows();
  }

  #listen() {
    this.scroller.addEventListener("keydown", (event) => this.#onKey(event));
    this.scroller.addEventListener("click", (event) => this.#onClick(event));
    this.scroller.addEventListener("mousedown", (event) => {
      if (event.shiftKey) event.preventDefault(); // a range of picks, not of text
    });
    this.scroller.addEventListener("focusin", (event) => {
      const row = this.#rowOf(event.target);
      if (row) this.#setStop(row.id);
    });
    this.scroller.addEventListener("scroll", () => {
      if (this.scroller.clientHeight) this.#scrolled = this.scroller.scrollTop;
    });
    this.root.addEventListener("pointerenter", () => (this.#pointed = true));
    this.root.addEventListener("pointerleave", () => (this.#pointed = false));
    this.all.addEventListener("change", () => this.#pick(this.#pickable(), this.all.checked));
    this.root.addEventListener("hitl:move", (event) => this.#move(event.detail.by));
    this.root.addEventListener("hitl:pick", () => this.#togglePick(this.#current()));
    this.root.addEventListener("hitl:focus", () => this.#stopRow()?.element.focus());
    this.onRows = () => this.updateRows();
    this.onMarks = () => this.updateMarks();
    this.onSelected = () => this.#onSelected();
    this.model.on("change:rows", this.onRows);
    this.model.on("change:empty", this.onRows);
    this.model.on("change:picked", this.onMarks);
    this.model.on("change:selected", this.onSelected);
    this.timer = setInterval(() => {
      const now = Date.now();
      for (const row of this.#rows.values()) row.tick(now);
    }, TICK);
    // An output that is taken out of the page and put back starts at the top again.
    this.resized = new ResizeObserver(() => {
      if (this.scroller.clientHeight && this.scroller.scrollTop !== this.#scrolled) {
        this.scroller.scrollTop = this.#scrolled;
      }
    });
    this.resized.observe(this.scroller);
  }

  remove() {
    clearInterval(this.timer);
    clearTimeout(this.#graceTimer);
    this.resized.disconnect();
    this.kernel.close();
    this.model.off("change:rows", this.onRows);
    this.model.off("change:empty", this.onRows);
    this.model.off("change:picked", this.onMarks);
    this.model.off("change:selected", this.onSelected);
    this.root.remove();
  }

  // --- showing

  updateRows() {
    const place = this.#rememberPlace();
    const data = this.model.get("rows") ?? [];
    const before = this.#order;
    const focused = this.#focusedId();
    const kept = new Set(data.map((item) => item.id));
    for (const [id, row] of this.#rows) {
      if (!kept.has(id)) {
        row.element.remove();
        this.#rows.delete(id);
      }
    }
    this.#order = [...kept];
    data.forEach((item) => {
      if (!this.#rows.has(item.id)) this.#rows.set(item.id, new Row(item.id));
      this.#rows.get(item.id).update(item);
    });
    this.#order.forEach((id, index) => {
      const { element } = this.#rows.get(id);
      if (this.scroller.children[index] !== element) {
        this.scroller.insertBefore(element, this.scroller.children[index] ?? null);
      }
    });
    this.scroller.hidden = !this.#order.length;
    this.nothing.hidden = Boolean(this.#order.length);
    write(this.nothing, this.model.get("empty") ?? "");
    this.updateMarks();
    this.#restorePlace(place);
    if (focused) this.#restoreFocus(focused, before.indexOf(focused));
  }

  updateMarks() {
    const selected = this.model.get("selected");
    const picked = this.#picked();
    for (const [id, row] of this.#rows) {
      const on = picked.has(id);
      row.element.classList.toggle("is-open", id === selected);
      row.element.classList.toggle("is-wanted", id === this.#wanted && id !== selected);
      row.element.classList.toggle("is-picked", on);
      row.element.setAttribute("aria-selected", String(id === selected));
      row.box.checked = on;
    }
    const pickable = this.#pickable();
    const count = pickable.filter((id) => picked.has(id)).length;
    this.head.hidden = !pickable.length;
    this.all.checked = count > 0 && count === pickable.length;
    this.all.indeterminate = count > 0 && count < pickable.length;
    write(this.count, picked.size ? `${picked.size} picked` : "Pick all");
    write(this.late, this.kernel.delay("open", "pick"));
    if (!this.scroller.querySelector('[tabindex="0"]')) this.#setStop(this.#current()?.id);
  }

  #onSelected() {
    const selected = this.model.get("selected");
    const asked = this.#wanted !== "";
    if (selected === this.#wanted) this.#wanted = "";
    this.updateMarks();
    // Somebody else opened another one, in another tab or by a decision: the focus follows.
    if (!asked && selected && this.#rows.has(selected)) {
      const inside = this.#focusedId() !== "";
      this.#setStop(selected);
      const { element } = this.#rows.get(selected);
      if (inside) element.focus({ preventScroll: true });
      element.scrollIntoView?.({ block: "nearest" });
    }
  }

  #onAnswer() {
    clearTimeout(this.#graceTimer);
    this.#graceTimer = setTimeout(() => {
      if (!this.kernel.awaits("open")) tell(this.root, FORMS, "hitl:opened");
      if (!this.kernel.awaits("pick")) this.#wishes.clear();
      this.updateMarks();
    }, GRACE);
    this.updateMarks();
  }

  // --- the place in the list

  #focusedId() {
    const active = this.root.ownerDocument.activeElement;
    return this.scroller.contains(active) ? (this.#rowOf(active)?.id ?? "") : "";
  }

  #rememberPlace() {
    const top = this.scroller.scrollTop;
    const focused = this.#focusedId();
    if (top <= 1 && !focused && !this.#pointed) return []; // nobody is looking for their place: show what is new
    const bottom = top + this.scroller.clientHeight;
    const seen = (id) => {
      const { element } = this.#rows.get(id);
      return element.offsetTop + element.offsetHeight > top && element.offsetTop < bottom;
    };
    const ids = this.#order.filter(seen);
    if (ids.includes(focused)) ids.unshift(focused);
    return ids.map((id) => [id, this.#rows.get(id).element.offsetTop - top]);
  }

  #restorePlace(place) {
    if (!this.scroller.clientHeight) return;
    const found = place.find(([id]) => this.#rows.has(id));
    this.scroller.scrollTop = found ? this.#rows.get(found[0]).element.offsetTop - found[1] : 0;
    this.#scrolled = this.scroller.scrollTop;
  }

  #restoreFocus(id, index) {
    const still = this.#rows.has(id) ? id : this.#order[Math.min(index, this.#order.length - 1)];
    if (still === undefined) return;
    this.#setStop(still);
    if (this.#focusedId() !== still) this.#rows.get(still).element.focus({ preventScroll: true });
  }

  #setStop(id) {
    for (const row of this.#rows.values()) row.element.tabIndex = row.id === id ? 0 : -1;
  }

  #stopRow() {
    return this.#rowOf(this.scroller.querySelector('[tabindex="0"]')) ?? this.#current();
  }

  #rowOf(node) {
    return this.#rows.get(node?.closest?.(".hitl-row")?.dataset.id);
  }

  /** The row with the focus, else the one that was asked for or is open, else the first. */
  #current() {
    const candidates = [this.#focusedId(), this.#wanted, this.model.get("selected"), this.#order[0]];
    return this.#rows.get(candidates.find((id) => id && this.#rows.has(id)));
  }

  // --- opening and picking

  #onKey(event) {
    const last = this.#order.length - 1;
    const here = this.#order.indexOf(this.#current()?.id);
    const command = event.ctrlKey || event.metaKey;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / (this.#current()?.element.offsetHeight || 60)) - 1);
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -here, End: last - here };
    if (event.altKey) return;
    if (command && event.key.toLowerCase() === "a" && !event.shiftKey) this.#pick(this.#pickable(), true);
    else if (command) return;
    else if (event.key in moves) this.#move(moves[event.key], { extend: event.shiftKey });
    else if (event.key === " ") {
      if (event.shiftKey) this.#pickRange(this.#current());
      else if (!event.repeat) this.#togglePick(this.#current());
    } else if (event.key === "Enter") this.#open(this.#current());
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #onClick(event) {
    const row = this.#rowOf(event.target);
    if (!row) return;
    const onBox = event.target.closest(".hitl-row-pick");
    if (event.target !== row.box) row.element.focus({ preventScroll: true });
    if (event.shiftKey && row.data.pickable) {
      event.preventDefault();
      this.#pickRange(row);
    } else if (onBox) {
      // The click on the label is followed by one on the box, which has changed by then.
      if (event.target !== row.box) return;
      this.#anchor = row.id;
      this.#pick([row.id], row.box.checked);
    } else if (event.ctrlKey || event.metaKey) this.#togglePick(row);
    else this.#open(row);
  }

  #move(by, { extend = false } = {}) {
    const here = this.#order.indexOf(this.#current()?.id);
    if (here < 0) return;
    const first = !this.model.get("selected") && !extend; // nothing is open yet: begin where the list begins
    const there = first ? here : Math.min(this.#order.length - 1, Math.max(0, here + by));
    const row = this.#rows.get(this.#order[there]);
    const inside = this.#focusedId() !== "";
    this.#setStop(row.id);
    if (inside) row.element.focus({ preventScroll: true });
    row.element.scrollIntoView({ block: "nearest" });
    if (!extend) {
      this.#anchor = row.id;
      this.#open(row);
      return;
    }
    const start = this.#order.includes(this.#anchor) ? this.#order.indexOf(this.#anchor) : here;
    this.#anchor = this.#order[start];
    const between = (a, b) => this.#order.slice(Math.min(a, b), Math.max(a, b) + 1);
    const range = new Set(between(start, there));
    const left = between(start, here).filter((id) => !range.has(id) && this.#picked().has(id));
    this.#pick(left, false);
    this.#pick([...range].filter((id) => !this.#picked().has(id)), true);
  }

  #open(row) {
    if (!row) return;
    this.#anchor = row.id;
    if (row.id === this.model.get("selected") && !this.#wanted) return;
    this.#wanted = row.id === this.model.get("selected") && !this.kernel.awaits("open") ? "" : row.id;
    // The form must not take what is typed from now on for the review that it still shows.
    tell(this.root, FORMS, "hitl:opening", { from: this.model.get("selected") });
    this.kernel.send({ do: "open", id: row.id });
  }

  #togglePick(row) {
    if (!row?.data.pickable) return;
    this.#anchor = row.id;
    this.#pick([row.id], !this.#picked().has(row.id));
  }

  #pickRange(row) {
    const start = this.#order.indexOf(this.#anchor);
    const end = this.#order.indexOf(row?.id);
    if (end < 0) return;
    const from = start < 0 ? end : start;
    this.#pick(this.#order.slice(Math.min(from, end), Math.max(from, end) + 1), true);
  }

  #pick(ids, on) {
    const wanted = ids.filter((id) => this.#rows.get(id)?.data.pickable);
    if (!wanted.length) return;
    for (const id of wanted) this.#wishes.set(id, on);
    const iterations = wanted.map((id) => Number(this.#rows.get(id).data.iteration ?? 0));
    this.kernel.send({ do: "pick", ids: wanted, on, iterations });
    const what = wanted.length === 1 ? this.#rows.get(wanted[0]).name : `${wanted.length} reviews`;
    write(this.live, `${what} ${on ? "picked" : "no longer picked"}. ${this.#picked().size} picked in all.`);
  }

  #pickable() {
    return this.#order.filter((id) => this.#rows.get(id).data.pickable);
  }

  #picked() {
    const picked = new Set(this.model.get("picked") ?? []);
    for (const [id, on] of this.#wishes) {
      if (on) picked.add(id);
      else picked.delete(id);
    }
    return picked;
  }
}

function render({ model, el }) {
  const view = new InboxView(model, el);
  return () => view.remove();
}

export default { render };
