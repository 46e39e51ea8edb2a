// What the panel's modules share.

/** Milliseconds after which somebody wants to know why nothing happens. */
const LATE = 1500;

const BUSY = "The kernel is busy. This is sent as soon as it is free.";
const GONE = "The kernel has ended, so nothing is sent. Run the cell again.";

/** Make an element. Text from outside gets into the page here only, as text. */
export function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

/** Set an element's text if it is another one, so that nothing that is read out or selected is disturbed. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Switch a control off so that it keeps the focus: else the next key would go to the page around the panel. */
export function disable(control, off) {
  if (off) control.setAttribute("aria-disabled", "true");
  else control.removeAttribute("aria-disabled");
}

export function isDisabled(control) {
  return control.getAttribute("aria-disabled") === "true";
}

export function isShown(element) {
  return Boolean(element?.isConnected && element.getClientRects().length && getComputedStyle(element).visibility !== "hidden");
}

/** A part of a name that no other view on the page has, for `id`. */
export function unique() {
  return `hitl-${Math.random().toString(36).slice(2, 10)}`;
}

/** Send an event to the elements of the panel around `from`; tells whether there are any. */
export function tell(from, selector, type, detail = {}) {
  const targets = [...(from.closest(".hitl-panel")?.querySelectorAll(selector) ?? [])];
  for (const target of targets) target.dispatchEvent(new CustomEvent(type, { detail }));
  return targets.length > 0;
}

/**
 * The way to the kernel. It answers each message when it has read it, so what was not answered tells whether
 * it is busy. Trait changes are no way: those of a busy kernel replace one another.
 */
export class Kernel {
  #model;
  #el;
  #changed;
  #view = unique();
  #count = 0;
  #open = new Map();
  #timers = new Set();

  /** `changed` is called whenever `awaits` or `delay` may have another answer. */
  constructor(model, el, changed) {
    this.#model = model;
    this.#el = el;
    this.#changed = changed;
    model.on("msg:custom", this.#read);
    model.on("comm_live_update", this.#wake);
  }

  /** Whether no kernel knows this widget any more: ipywidgets marks that, on the boxes around it at least. */
  get isGone() {
    return Boolean(this.#el.closest(".jupyter-widgets-disconnected"));
  }

  /** `arrived` is called when the kernel has read the message. */
  send(message, arrived = () => {}) {
    const ref = `${this.#view}-${++this.#count}`;
    this.#open.set(ref, { kind: message.do, at: performance.now(), arrived });
    try {
      this.#model.send({ ...message, ref });
    } catch (error) {
      console.warn("hitl-notebook: the kernel cannot be reached", error);
    }
    this.#wake(LATE + 10);
    this.#changed();
  }

  /** Whether a message of one of these kinds was not read yet, and can be. */
  awaits(...kinds) {
    return !this.isGone && [...this.#open.values()].some(({ kind }) => kinds.includes(kind));
  }

  /** Why one of them waits so long, in words; empty if it does not. */
  delay(...kinds) {
    const now = performance.now();
    const late = [...this.#open.values()].some(({ kind, at }) => kinds.includes(kind) && now - at >= LATE);
    return late ? (this.isGone ? GONE : BUSY) : "";
  }

  close() {
    this.#model.off("msg:custom", this.#read);
    this.#model.off("comm_live_update", this.#wake);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#open.clear();
  }

  #read = (message) => {
    const known = this.#open.get(message?.done);
    if (!known) return; // it was sent by another view
    this.#open.delete(message.done);
    known.arrived();
    this.#changed();
  };

  #wake = (milliseconds) => {
    const wait = Number.isFinite(milliseconds) ? milliseconds : 100; // else it is the model, from its event
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#changed();
    }, wait);
    this.#timers.add(timer);
  };
}
