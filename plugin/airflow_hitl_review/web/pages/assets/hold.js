// Holds a decision back for a while, so that the reviewer can undo it. It is sent at the latest when the page is left.

const LONGEST = 60_000; // bytes: browsers send no more after the page was left

/** Whether a decision, with its edit, is too long to be sent when the page is left. */
export function isTooLong(decision) {
  return new Blob([JSON.stringify(decision)]).size > LONGEST;
}

export class Hold {
  #body = null; // what is held back; null if nothing is
  #until = 0;
  #timer = 0;

  /**
   * @param {number} seconds how long
   * @param {(left: number) => void} tick called with the seconds that are left
   * @param {(decision: object, options: {leaving: boolean}) => void} send sends it; does not if it is left and too long
   */
  constructor(seconds, tick, send) {
    this.seconds = seconds;
    this.tick = tick;
    this.send = send;
    addEventListener("pagehide", () => this.release({ leaving: true }));
  }

  get decision() {
    return this.#body;
  }

  start(decision) {
    this.#body = decision;
    this.#until = performance.now() + this.seconds * 1000;
    this.#timer = setInterval(() => this.#count(), 200);
    this.#count();
  }

  /** Drop it. @returns {boolean} whether there was something */
  undo() {
    clearInterval(this.#timer);
    const was = this.#body !== null;
    this.#body = null;
    return was;
  }

  /** Send it now. */
  release({ leaving = false } = {}) {
    const decision = this.#body;
    if (this.undo()) this.send(decision, { leaving });
  }

  #count() {
    const left = Math.ceil((this.#until - performance.now()) / 1000);
    if (left <= 0) this.release();
    else this.tick(left);
  }
}
