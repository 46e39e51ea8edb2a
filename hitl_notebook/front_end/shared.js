// Put before each of the other modules when it is read: a widget's module cannot import one beside it.

/** Milliseconds after which somebody wants to know why nothing happens. */
const LATE = 1500;

/** Make an element. Text from outside gets into the page here only, as text. */
function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

/** Set an element's text if it is another one, so that nothing that is read out or selected is disturbed. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Switch a control off so that it keeps the focus: else the next key would go to the page around the panel. */
function disable(control, off) {
  if (off) control.setAttribute("aria-disabled", "true");
  else control.removeAttribute("aria-disabled");
}

function isDisabled(control) {
  return control.getAttribute("aria-disabled") === "true";
}

/** A part of a name that no other view on the page has, for `id`. */
function unique() {
  return `hitl-${Math.random().toString(36).slice(2, 10)}`;
}

/** Send an event to an element of the panel around `from`. */
function tell(from, selector, type, detail = {}) {
  const target = from.closest(".hitl-panel")?.querySelector(selector);
  target?.dispatchEvent(new CustomEvent(type, { detail }));
  return Boolean(target);
}

/**
 * The way to the kernel. It answers each message when it has read it, so what was not answered tells whether
 * it is busy. Trait changes are no way: those of a busy kernel replace one another.
 */
class Kernel {
  #model;
  #changed;
  #view = unique();
  #count = 0;
  #open = new Map();
  #timers = new Set();

  /** `changed` is called whenever `awaits` or `isLate` may have another answer. */
  constructor(model, changed) {
    this.#model = model;
    this.#changed = changed;
    model.on("msg:custom", this.#read);
  }

  send(message) {
    const ref = `${this.#view}-${++this.#count}`;
    this.#open.set(ref, { kind: message.do, at: performance.now() });
    try {
      this.#model.send({ ...message, ref });
    } catch (error) {
      console.warn("hitl-notebook: the kernel cannot be reached", error);
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#changed();
    }, LATE + 10);
    this.#timers.add(timer);
    this.#changed();
  }

  /** Whether a message of one of these kinds was not read yet. */
  awaits(...kinds) {
    return [...this.#open.values()].some(({ kind }) => kinds.includes(kind));
  }

  /** Whether one of them waits so long that the kernel must be busy, or gone. */
  isLate(...kinds) {
    const now = performance.now();
    return [...this.#open.values()].some(({ kind, at }) => kinds.includes(kind) && now - at >= LATE);
  }

  close() {
    this.#model.off("msg:custom", this.#read);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#open.clear();
  }

  #read = (message) => {
    if (this.#open.delete(message?.done)) this.#changed();
  };
}

const BUSY = "The kernel is busy. This is sent as soon as it is free.";
