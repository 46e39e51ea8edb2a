import { unique } from "./shared.js";

/** Previews of an edit, which the kernel makes. */
export class EditPreviews {
  #open = new Map();

  /** `about` returns what the message says besides, for a text. */
  constructor(model, kernel, about) {
    Object.assign(this, { model, kernel, about });
    model.on("msg:custom", this.#read);
  }

  /** The preview of a text; rejected with `problem`, if there is one. */
  ask(text, problem) {
    if (problem) return Promise.reject(new Error(problem));
    if (this.kernel.isGone) return Promise.reject(new Error("the kernel has ended. Run the cell again."));
    return new Promise((resolve, reject) => {
      const id = unique();
      this.#open.set(id, { resolve, reject });
      this.kernel.send({ do: "previewedit", ...this.about(text), id });
    });
  }

  close() {
    this.model.off("msg:custom", this.#read);
    this.#open.clear();
  }

  #read = (message) => {
    const waiting = this.#open.get(message?.preview);
    if (!waiting) return; // it was asked for in another view
    this.#open.delete(message.preview);
    if (message.problem === undefined) waiting.resolve({ html: message.html, changes: message.changes });
    else waiting.reject(new Error(message.problem));
  };
}
