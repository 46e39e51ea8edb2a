// Tables of records: sorted by a click on a heading, filtered by a text; long ones grow while they are scrolled.

const BATCH = 100;
const QUIET = 120; // milliseconds without a key before the filter acts
const KINDS = { w: "hitl-word", j: "hitl-value" };

/** Add the controls to a table that `records.py` has made. */
export function prepareTable(root) {
  root.dataset.ready = "";
  new Table(root);
}

class Table {
  #filter = "";
  #sorted = null; // [column, direction]
  #shown = 0;
  #matching = [];
  #timer = 0;

  constructor(root) {
    this.root = root;
    this.body = root.querySelector("tbody");
    this.headings = [...root.querySelectorAll("thead th")];
    this.numeric = this.headings.map((heading) => heading.classList.contains("hitl-number"));
    this.scroll = root.querySelector(".hitl-scroll");
    this.more = root.querySelector(".hitl-more");
    const first = [...this.body.rows].map((row) => ({ row, cells: [...row.cells].map((cell) => cell.textContent) }));
    const waiting = root.querySelector("template.hitl-rows");
    const rest = waiting ? JSON.parse(waiting.content.textContent) : [];
    this.rows = [...first, ...rest.map((told) => ({ told, cells: told.map((cell) => cell.slice(1)) }))];
    this.rows.forEach((row, index) => (row.index = index));
    this.#build();
    this.#matching = this.rows;
    this.#shown = first.length;
    this.#tell();
    if (waiting) this.#grow();
  }

  #build() {
    const bar = document.createElement("div");
    bar.className = "hitl-table-bar";
    this.input = document.createElement("input");
    this.input.type = "search";
    this.input.className = "hitl-table-filter";
    this.input.placeholder = "Filter rows";
    this.input.setAttribute("aria-label", "Filter rows");
    this.status = document.createElement("span");
    this.status.className = "hitl-meta";
    this.status.setAttribute("role", "status");
    bar.append(this.input, this.status);
    this.root.prepend(bar);
    this.input.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#apply(), QUIET);
    });
    this.headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "hitl-sort";
      button.textContent = heading.textContent;
      heading.replaceChildren(button);
      button.addEventListener("click", () => this.#sort(column));
    });
  }

  #sort(column) {
    const [before, direction] = this.#sorted ?? [-1, 0];
    const next = column !== before ? 1 : direction === 1 ? -1 : 0;
    this.#sorted = next ? [column, next] : null;
    this.headings.forEach((heading, index) => {
      if (next && index === column) heading.setAttribute("aria-sort", next > 0 ? "ascending" : "descending");
      else heading.removeAttribute("aria-sort");
    });
    this.#apply();
  }

  #apply() {
    const wanted = this.input.value.trim().toLowerCase();
    this.#matching = this.rows.filter((row) => {
      row.text ??= row.cells.join("\n").toLowerCase();
      return row.text.includes(wanted);
    });
    if (this.#sorted) {
      const [column, direction] = this.#sorted;
      const compare = this.numeric[column] ? byNumber : byText;
      this.#matching.sort((one, other) => {
        const [a, b] = [one.cells[column], other.cells[column]];
        if (!a || !b) return (a ? 0 : 1) - (b ? 0 : 1) || one.index - other.index; // empty cells last
        return direction * compare(a, b) || one.index - other.index;
      });
    }
    this.#shown = 0;
    this.body.replaceChildren();
    this.#add();
    this.scroll.scrollTop = 0;
  }

  #add() {
    const rows = this.#matching.slice(this.#shown, this.#shown + BATCH);
    this.body.append(...rows.map((row) => this.#element(row)));
    this.#shown += rows.length;
    this.#tell();
  }

  #element(row) {
    if (row.row) return row.row;
    const element = document.createElement("tr");
    row.told.forEach((told, column) => {
      const cell = document.createElement("td");
      if (this.numeric[column]) cell.className = "hitl-number";
      const kind = KINDS[told[0]];
      if (kind) cell.append(Object.assign(document.createElement("span"), { className: kind, textContent: told.slice(1) }));
      else cell.textContent = told.slice(1);
      element.append(cell);
    });
    row.row = element;
    return element;
  }

  #grow() {
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting) && this.#shown < this.#matching.length) this.#add();
      },
      { root: this.scroll, rootMargin: "600px" },
    );
    observer.observe(this.more);
  }

  #tell() {
    const all = this.rows.length.toLocaleString();
    const found = this.#matching.length;
    const words = found < this.rows.length ? `${found.toLocaleString()} of ${all} rows` : `${all} ${this.rows.length === 1 ? "row" : "rows"}`;
    this.status.textContent = words;
    if (!this.more) return;
    const left = found - this.#shown;
    this.more.textContent = left > 0 ? `${left.toLocaleString()} more rows below: scroll on.` : "";
  }
}

function byNumber(one, other) {
  return toNumber(one) - toNumber(other);
}

function toNumber(text) {
  const number = Number(text);
  if (!Number.isNaN(number)) return number;
  const found = Number.parseFloat(text.replace(/[^\d.eE+-]/g, ""));
  return Number.isNaN(found) ? Number.POSITIVE_INFINITY : found;
}

function byText(one, other) {
  return one.localeCompare(other, undefined, { numeric: true });
}
