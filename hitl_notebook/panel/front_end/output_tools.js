import { serveReading } from "./reading.js";
import { Kernel, make, tell } from "./shared.js";

/** Serves the outputs of the panel around it: views, search, tables, images, quotations. */
class OutputToolsView {
  #reading = null;

  constructor(model, el) {
    this.kernel = new Kernel(model, el, () => {});
    this.root = make("div", "hitl-output-tools");
    this.root.hidden = true;
    this.root.addEventListener("hitl:search", (event) => this.#answer(event, this.#reading?.search()));
    this.root.addEventListener("hitl:quote", (event) => this.#answer(event, this.#reading?.quote()));
    el.classList.add("hitl-host");
    el.append(this.root);
    this.#start();
  }

  /** The panel is around it only once ipywidgets has put all parts together. */
  #start() {
    const session = this.root.closest(".hitl-session");
    if (!session) {
      this.waiting = requestAnimationFrame(() => this.#start());
      return;
    }
    this.#reading = serveReading(session, {
      onChoice: (choice) => this.kernel.send({ do: "choose", ...choice }),
      onQuote: (text) => tell(this.root, ".hitl-session .hitl-form", "hitl:insert", { text }),
    });
  }

  #answer(event, done) {
    event.detail.done = Boolean(done);
  }

  remove() {
    cancelAnimationFrame(this.waiting);
    this.#reading?.close();
    this.kernel.close();
    this.root.remove();
  }
}

function render({ model, el }) {
  const view = new OutputToolsView(model, el);
  return () => view.remove();
}

export default { render };
