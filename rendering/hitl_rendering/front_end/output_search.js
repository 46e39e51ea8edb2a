// Search inside an output: all hits are marked, with a count, and the next one is scrolled to.

const MOST = 1000;
const ALL = "hitl-found";
const NOW = "hitl-found-now";

let current = null;

/** Open the search of an output's box; a table has its filter. Tells whether there was anything to search in. */
export function openSearch(box) {
  if (!box) return false;
  const filter = box.querySelector(".hitl-table-filter");
  if (filter) {
    filter.focus();
    filter.select();
    return true;
  }
  if (current?.box !== box || !current.bar.isConnected) {
    closeSearch();
    current = new OutputSearch(box);
  }
  current.input.focus();
  current.input.select();
  return true;
}

export function closeSearch() {
  current?.close();
  current = null;
}

class OutputSearch {
  #ranges = [];
  #at = -1;

  constructor(box) {
    this.box = box;
    this.output = box.querySelector(".hitl-output");
    this.bar = document.createElement("div");
    this.bar.className = "hitl-find-bar";
    this.bar.setAttribute("role", "search");
    this.input = document.createElement("input");
    this.input.type = "search";
    this.input.setAttribute("aria-label", "Search in this output");
    this.input.placeholder = "Search in this output";
    this.status = document.createElement("span");
    this.status.className = "hitl-meta";
    this.status.setAttribute("role", "status");
    const button = (text, label, act) => {
      const made = document.createElement("button");
      made.type = "button";
      made.className = "hitl-tool";
      made.textContent = text;
      made.setAttribute("aria-label", label);
      made.addEventListener("click", act);
      return made;
    };
    this.bar.append(
      this.input,
      this.status,
      button("↑", "Previous hit", () => this.#go(-1)),
      button("↓", "Next hit", () => this.#go(1)),
      button("Close", "Close the search", () => {
        closeSearch();
        this.output.focus();
      }),
    );
    this.output.before(this.bar);
    this.input.addEventListener("input", () => this.#find());
    this.bar.addEventListener("keydown", (event) => this.#onKey(event));
  }

  close() {
    this.bar.remove();
    this.#mark([], null);
  }

  #onKey(event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && event.target === this.input) this.#go(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") {
      closeSearch();
      this.output.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #find() {
    const wanted = this.input.value.toLowerCase();
    this.#ranges = wanted ? rangesOf(this.output, wanted) : [];
    this.#at = -1;
    if (this.#ranges.length) this.#go(1);
    else {
      this.#mark([], null);
      this.status.textContent = wanted ? "No hit" : "";
    }
  }

  #go(by) {
    const count = this.#ranges.length;
    if (!count) return;
    this.#at = (this.#at + by + count) % count;
    const range = this.#ranges[this.#at];
    this.#mark(this.#ranges, range);
    const of = count >= MOST ? `${MOST.toLocaleString()} or more` : count.toLocaleString();
    this.status.textContent = `${(this.#at + 1).toLocaleString()} of ${of}`;
    show(range, this.output);
  }

  #mark(all, now) {
    if (!globalThis.CSS?.highlights) {
      if (now) getSelection()?.setBaseAndExtent(now.startContainer, now.startOffset, now.endContainer, now.endOffset);
      return;
    }
    CSS.highlights.delete(ALL);
    CSS.highlights.delete(NOW);
    if (all.length) CSS.highlights.set(ALL, new Highlight(...all));
    if (now) CSS.highlights.set(NOW, new Highlight(now));
  }
}

/** Ranges of a text inside an element, also over the borders of elements, such as highlighted words. */
function rangesOf(root, wanted) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const nodes = [];
  const starts = [];
  let text = "";
  while (walker.nextNode()) {
    starts.push(text.length);
    nodes.push(walker.currentNode);
    text += walker.currentNode.data;
  }
  // Some letters have another length in lower case; then only those texts are found that are written alike.
  const lower = text.toLowerCase();
  const searched = lower.length === text.length ? lower : text;
  const ranges = [];
  let node = 0;
  for (let at = searched.indexOf(wanted); at >= 0 && ranges.length < MOST; at = searched.indexOf(wanted, at + wanted.length)) {
    const range = document.createRange();
    while (node + 1 < starts.length && starts[node + 1] <= at) node += 1;
    range.setStart(nodes[node], at - starts[node]);
    const end = at + wanted.length;
    let last = node;
    while (last + 1 < starts.length && starts[last + 1] < end) last += 1;
    range.setEnd(nodes[last], end - starts[last]);
    ranges.push(range);
  }
  return ranges;
}

function show(range, output) {
  const element = range.startContainer.parentElement;
  for (let parent = element; parent && parent !== output; parent = parent.parentElement) {
    if (parent.tagName === "DETAILS") parent.open = true;
  }
  // Text that is out of sight is not laid out yet, so its block comes first.
  element.closest(".hitl-chunk")?.scrollIntoView({ block: "nearest" });
  requestAnimationFrame(() => {
    const box = output.getBoundingClientRect();
    const hit = range.getBoundingClientRect();
    if (output.scrollHeight > output.clientHeight) output.scrollTop += hit.top - box.top - box.height / 2;
    const now = range.getBoundingClientRect();
    if (now.top < 60 || now.bottom > innerHeight - 200) element.scrollIntoView({ block: "center" });
  });
}
