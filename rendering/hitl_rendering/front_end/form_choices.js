// Fields of a typed form whose values are chosen: one of several, a date, a time, and what is given.
import { element } from "./edit_text.js";
import { ControlField, Field } from "./form_fields.js";
import { isSame } from "./json_shapes.js";
import { printJson } from "./json_source.js";

/** One of several values; what is not among them stays until another one is chosen. */
export class ChoiceField extends ControlField {
  constructor(...all) {
    super(...all);
    const select = element("select", "hitl-edit-input");
    const nodes = [...this.shape.options];
    const now = this.place.value;
    if (this.canBeEmpty && !nodes.some(({ kind }) => kind === "null")) nodes.push(null);
    let chosen = nodes.findIndex((node) => (now && now.kind !== "null" ? node && isSame(node, now) : !node || node.kind === "null"));
    if (chosen < 0) {
      nodes.unshift(now);
      chosen = 0;
      this.isUnknown = true;
    }
    for (const [index, node] of nodes.entries()) select.append(new Option(this.#words(node, index), String(index)));
    select.value = String(chosen);
    select.addEventListener("change", () => {
      const node = nodes[Number(select.value)];
      if (node === null) this.empty();
      else this.place.value = Number(select.value) === chosen && now ? now : { ...node };
      this.changed();
    });
    this.mount(select);
    this.root.classList.toggle("is-short", !this.isUnknown); // its words need more room
  }

  #words(node, index) {
    if (node === null || node.kind === "null") return "not set";
    const words = node.kind === "boolean" ? (node.on ? "yes" : "no") : (node.text ?? printJson(node));
    return this.isUnknown && index === 0 ? `${words} (not one of the choices)` : words;
  }
}

const TIMES = {
  date: ["date", /^\d{4}-\d\d-\d\d$/, "The date is not complete."],
  time: ["time", /^\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?$/, "The time is not complete."],
  "date-time": ["datetime-local", /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?$/, "The date and time are not complete."],
};

/** A date or time in the browser's own input, where that can hold it. A zone stays as it is, behind the input. */
export class TimeField extends ControlField {
  /** Whether the value, or none, can be shown. */
  static canShow(shape, node) {
    if (!Object.hasOwn(TIMES, shape.format ?? "")) return false;
    const [type, pattern] = TIMES[shape.format];
    const { local } = TimeField.parts(shape, node);
    if (!local) return true;
    const input = Object.assign(element("input"), { type, value: local });
    return pattern.test(local) && input.value !== "";
  }

  static parts(shape, node) {
    const text = node?.text ?? "";
    const zone = shape.format === "date" ? "" : (/(?:Z|[+-]\d\d:\d\d)$/.exec(text)?.[0] ?? "");
    return { local: text.slice(0, text.length - zone.length), zone };
  }

  constructor(...all) {
    super(...all);
    const [type] = TIMES[this.shape.format];
    const { local, zone } = TimeField.parts(this.shape, this.place.value);
    if (type !== "datetime-local") this.root.classList.add("is-short");
    const input = Object.assign(element("input", "hitl-edit-input hitl-edit-time"), { type, value: local });
    if (type !== "date") input.step = "any"; // with seconds
    this.#listen(input, zone);
    if (!zone) {
      this.mount(input);
      return;
    }
    const suffix = element("span", "hitl-edit-zone", zone === "Z" ? "UTC" : zone);
    this.mount(input, suffix);
    suffix.id = `${this.id}-zone`;
    const described = [input.getAttribute("aria-describedby"), suffix.id].filter(Boolean);
    input.setAttribute("aria-describedby", described.join(" "));
  }

  #listen(input, zone) {
    const [type, , incomplete] = TIMES[this.shape.format];
    const typed = () => (input.validity.badInput ? null : input.value); // null: some of its parts are there
    let last = this.place.value?.kind === "raw" ? null : input.value;
    const read = () => {
      if (typed() === last) return;
      last = typed();
      const text = /T?\d\d:\d\d$/.test(last ?? "") && type !== "date" ? `${last}:00` : last;
      if (text === null) this.place.value = { kind: "raw", source: "", message: incomplete, insteadOf: "string" };
      else if (!text && this.canBeEmpty) this.empty();
      else this.place.value = { kind: "string", text: text && text + zone };
      this.changed();
    };
    input.addEventListener("input", read);
    input.addEventListener("keyup", read); // of the first parts there is no input event
    input.addEventListener("blur", () => {
      read();
      if (last === null) this.showError(incomplete);
    });
  }
}

/** What is to be there and cannot be changed. */
export class FixedField extends Field {
  constructor(...all) {
    super(...all);
    const { label, inCell } = this.names;
    this.control = element("span", "hitl-edit-fixed", this.place.value.text ?? printJson(this.place.value));
    this.control.tabIndex = -1;
    this.isFixed = true;
    if (!inCell) this.root.append(element("span", "hitl-edit-label", label));
    this.root.append(this.control, this.error);
  }
}
