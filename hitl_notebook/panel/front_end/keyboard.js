import { Kernel, make, tell, unique } from "./shared.js";

const KEYS = [
  ["Move", [["j", "k"], "next, previous review"], [["Alt+↓", "Alt+↑"], "the same, also while you type"], [["l"], "to the list"]],
  ["Decide", [["a"], "approve"], [["r"], "reject"], [["c"], "request changes"], [["u", "Esc"], "undo, for 5 s"], [["a", "r", "c"], "again: send now"], [["e"], "edit the output"], [["f"], "to the feedback"]],
  ["While you type", [["Ctrl+Enter"], "request changes"], [["Esc"], "back to the list"]],
  ["Pick several", [["x", "Space"], "pick, or not"], [["Shift+↓", "Shift+↑"], "extend"], [["Ctrl+A"], "all that are listed"]],
  ["Read", [["s"], "search in the output"], [["q"], "quote what is selected"]],
  ["Other", [["/"], "search the list"], [["?"], "this list of keys"], [["Esc"], "close, cancel"]],
];
const APPLE = /mac|iphone|ipad/i.test(navigator.platform);
/** With Ctrl or Cmd these edit text or cells; all others, such as saving, are JupyterLab's also in the panel. */
const EDITING = new Set([
  ...["enter", "backspace", "delete", "insert", "arrowup", "arrowdown", "arrowleft", "arrowright", "home", "end"],
  ...["a", "c", "m", "v", "x", "y", "z", "-", "_"],
]);
const SUPPRESS = "data-lm-suppress-shortcuts";
const FIELDS = "input, textarea, select, [contenteditable]:not([contenteditable='false'])";
const EDITS = ".hitl-editor, .hitl-unsent-edit";
const TICKS = new Set(["checkbox", "radio", "button", "submit", "range"]);

/** Whether letters belong to this element. */
function isField(element) {
  const field = element.closest?.(FIELDS);
  return Boolean(field) && !(field.matches("input") && TICKS.has(field.type));
}

function isPlain(event) {
  return !event.ctrlKey && !event.metaKey && !event.altKey;
}

class KeyboardView {
  #panel = null;

  constructor(model, el) {
    this.model = model;
    this.kernel = new Kernel(model, el, () => {});
    this.root = make("div", "hitl-keyboard");
    this.#build();
    el.classList.add("hitl-host", "hitl-keyboard-host");
    el.append(this.root);
    // On the window, before anything of JupyterLab's: some versions listen while the event goes down.
    window.addEventListener("keydown", this.#prepare, { capture: true });
    this.onShown = () => this.update();
    model.on("change:shown", this.onShown);
    this.update();
  }

  #build() {
    const id = unique();
    this.dialog = make("dialog", "hitl-help");
    this.dialog.setAttribute("aria-labelledby", id);
    const head = make("div", "hitl-help-head");
    const title = make("div", "hitl-title", "Keys");
    title.id = id;
    this.close = make("button", "hitl-button", "Close");
    this.close.type = "button";
    head.append(title, this.close);
    const groups = make("div", "hitl-help-groups");
    for (const [name, ...keys] of KEYS) {
      const list = make("dl");
      for (const [names, what] of keys) {
        const term = make("dt");
        names.forEach((key) => term.append(make("kbd", "", APPLE ? key.replace("Ctrl+", "⌘").replace("Alt+", "⌥") : key)));
        list.append(term, make("dd", "", what));
      }
      const group = make("section");
      group.append(make("div", "hitl-label", name), list);
      groups.append(group);
    }
    this.dialog.append(head, groups);
    this.root.append(this.dialog);
    this.close.addEventListener("click", () => this.#show(false));
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.#show(false);
    });
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.#show(false); // beside it
    });
  }

  remove() {
    window.removeEventListener("keydown", this.#prepare, { capture: true });
    this.#panel?.removeEventListener("keydown", this.#onKey);
    this.#panel?.removeAttribute(SUPPRESS);
    this.model.off("change:shown", this.onShown);
    this.kernel.close();
    if (this.dialog.open) this.dialog.close();
    this.root.remove();
  }

  update() {
    this.#open(Boolean(this.model.get("shown")));
  }

  #open(on) {
    if (on === this.dialog.open) return;
    if (!on) {
      this.dialog.close();
    } else if (this.root.isConnected) {
      this.dialog.showModal();
      this.close.focus();
    }
  }

  /** Help is of use while the kernel is busy, too: it is shown first and told then. */
  #show(on) {
    this.#open(on);
    this.kernel.send({ do: "help", shown: on });
  }

  /** Find the panel, and keep JupyterLab from the keys that are typed in it. */
  #prepare = (event) => {
    const panel = this.root.closest(".hitl-panel");
    if (!panel) return;
    if (panel !== this.#panel) {
      this.#panel?.removeEventListener("keydown", this.#onKey);
      this.#panel = panel;
      panel.addEventListener("keydown", this.#onKey);
    }
    const command = event.ctrlKey || event.metaKey;
    const ours = !(command && !EDITING.has(event.key.toLowerCase()));
    panel.toggleAttribute(SUPPRESS, ours);
    // Notebook 7 asks in the capture phase, and at the element that has the focus before it asks at the panel.
    if (!panel.contains(event.target)) return;
    event.target.toggleAttribute(SUPPRESS, ours);
    // A field of ipywidgets lets no key out.
    const leaves = event.key === "Escape" && event.target.closest(".hitl-search");
    if (leaves && this.#toList("hitl:focus")) {
      event.preventDefault();
      event.stopPropagation();
    }
  };

  #onKey = (event) => {
    if (!event.defaultPrevented && !event.isComposing && this.#handle(event)) event.preventDefault();
    // JupyterLab must not get them: it would cut, delete or run the cell.
    if (this.#panel?.hasAttribute(SUPPRESS)) event.stopPropagation();
  };

  #handle(event) {
    if (this.dialog.open) {
      if (event.key !== "Escape" && !(event.key === "?" && isPlain(event))) return false;
      this.#show(false);
      return true;
    }
    if (event.altKey && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      if (event.key === "ArrowDown") return this.#toList("hitl:move", { by: 1 });
      if (event.key === "ArrowUp") return this.#toList("hitl:move", { by: -1 });
    }
    if (!isPlain(event) || isField(event.target)) return this.#leaveEditor(event);
    // Some keyboards have "/" and "?" on keys with Shift only.
    if (event.shiftKey && event.key !== "?" && event.key !== "/") return false;
    // A letter beside a field of an edit was meant for the field: it must not decide.
    if (event.target.closest(EDITS) && event.key !== "?") return this.#leaveEditor(event);
    return this.#letter(event.key, event.repeat);
  }

  #letter(key, repeat) {
    if (key === "j") return this.#toList("hitl:move", { by: 1 });
    if (key === "k") return this.#toList("hitl:move", { by: -1 });
    if (repeat) return false;
    if (key === "l") return this.#toList("hitl:focus");
    if (key === "x") return this.#toList("hitl:pick");
    if (key === "a") return this.#toForm("hitl:act", { action: "approve" });
    if (key === "r") return this.#toForm("hitl:act", { action: "reject" });
    if (key === "c") return this.#toForm("hitl:act", { action: "request_changes" });
    if (key === "u" || key === "Escape") return this.#toForm("hitl:undo");
    if (key === "e") return this.#edit();
    if (key === "f") return this.#toForm("hitl:focus");
    if (key === "/") return this.#search();
    if (key === "s") return this.#toOutput("hitl:search");
    if (key === "q") return this.#toOutput("hitl:quote");
    if (key === "?") this.#show(true);
    return key === "?";
  }

  /** Open the editor by its button, or go to it if it is open. */
  #edit() {
    tell(this.root, ".hitl-editing", "hitl:go");
    return this.#toForm("hitl:act", { action: "edit" });
  }

  /** Escape leads from an edit to the decision; where there is none any more, to the list. */
  #leaveEditor(event) {
    if (event.key !== "Escape" || !isPlain(event) || !event.target.closest(EDITS)) return false;
    return this.#toForm("hitl:focus") || this.#toList("hitl:focus");
  }

  #toList(type, detail) {
    return tell(this.root, ".hitl-list", type, detail);
  }

  #toOutput(type) {
    const detail = { done: false };
    tell(this.root, ".hitl-output-tools", type, detail);
    return detail.done;
  }

  /** The first form that is shown: that of the picked reviews while there are any. */
  #toForm(type, detail = {}) {
    const forms = [...this.#panel.querySelectorAll(".hitl-session .hitl-form")];
    const form = forms.find((one) => one.getClientRects().length);
    form?.dispatchEvent(new CustomEvent(type, { detail }));
    return Boolean(form);
  }

  #search() {
    const input = this.#panel.querySelector(".hitl-search input");
    input?.focus();
    input?.select();
    return Boolean(input);
  }
}

function render({ model, el }) {
  const view = new KeyboardView(model, el);
  return () => view.remove();
}

export default { render };
