// JSON that comes back as it was: numbers and texts keep their source, members their order.
//
// A node is one of
//   { kind: "object", members: [{ name, source, value }] }   source: the name as it was written
//   { kind: "array", items: [{ value }] }
//   { kind: "string", text, source }
//   { kind: "number", source }                                may hold what somebody is still typing
//   { kind: "boolean", on } and { kind: "null" }
//   { kind: "raw", source, message, insteadOf }               what somebody typed and is not JSON yet, where a value of
//                                                             the kind `insteadOf`, if it has one, is to be

const DEEPEST = 400;
const LONG = /^([^]{80})[^]+$/u; // hosts limit the length of a message
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const STRING = /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y;
const SPACE = /[ \t\r\n]*/y;
const WORD = /[-+.\w]+/y;
const WORDS = { true: { kind: "boolean", on: true }, false: { kind: "boolean", on: false }, null: { kind: "null" } };
const MEANT = { True: "true", False: "false", None: "null", undefined: "null" };

/** Text is not JSON: `message` says where and why, `at` is the place as an index. */
export class JsonError extends Error {
  constructor(text, at, words) {
    const lines = text.slice(0, at).split("\n");
    super(`Line ${lines.length}, column ${[...lines.at(-1)].length + 1}: ${words}`);
    this.at = at;
  }
}

/**
 * Read JSON text.
 *
 * @param {string} text
 * @returns {object} the node.
 * @throws {JsonError}
 */
export function parseJson(text) {
  return new Parser(text).document();
}

/** The source of a node, with an indentation of two spaces, as pydantic writes it. */
export function printJson(node, margin = "") {
  const inner = `${margin}  `;
  switch (node.kind) {
    case "object": {
      const parts = node.members.map(
        ({ name, source, value }) => `${inner}${source ?? JSON.stringify(name)}: ${printJson(value, inner)}`,
      );
      return parts.length ? `{\n${parts.join(",\n")}\n${margin}}` : "{}";
    }
    case "array": {
      const parts = node.items.map(({ value }) => inner + printJson(value, inner));
      return parts.length ? `[\n${parts.join(",\n")}\n${margin}]` : "[]";
    }
    case "string":
      return node.source ?? JSON.stringify(node.text);
    case "boolean":
      return String(node.on);
    case "null":
      return "null";
    default:
      return node.source;
  }
}

/** Whether a text is a number as JSON writes it. */
export function isNumber(source) {
  return matchAt(NUMBER, source, 0).length === source.length && source !== "";
}

/** The first part that cannot be sent, as { path, message }, or null. */
export function findProblem(node, path = []) {
  if (node.kind === "raw") return { path, message: node.message };
  if (node.kind === "number" && !isNumber(node.source)) {
    const message = node.source
      ? `"${cut(node.source)}" is not a number. Write digits, with a point for decimals: 1250.5`
      : "A number is missing.";
    return { path, message };
  }
  if (node.kind === "array") return firstOf(node.items, (item, index) => findProblem(item.value, [...path, index]));
  if (node.kind !== "object") return null;
  const names = new Set();
  return firstOf(node.members, (member) => {
    const here = [...path, member.name];
    if (member.isNew && !member.name) return { path: here, message: "A name is missing.", ofName: true };
    if (names.has(member.name)) return { path: here, message: `The name "${cut(member.name)}" is there twice.`, ofName: true };
    names.add(member.name);
    return findProblem(member.value, here);
  });
}

/** A path in words; rows are counted from 1. */
export function pathWords(path) {
  return path.map((part) => (typeof part === "number" ? String(part + 1) : cut(part) || '""')).join(" › ");
}

/** The beginning of what somebody typed, to be told in a message. */
function cut(typed) {
  return typed.replace(LONG, "$1…");
}

function firstOf(list, find) {
  for (const [index, one] of list.entries()) {
    const found = find(one, index);
    if (found) return found;
  }
  return null;
}

function matchAt(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? "";
}

class Parser {
  #at = 0;
  #depth = 0;

  constructor(text) {
    this.text = text;
  }

  document() {
    this.#skip();
    if (this.#at === this.text.length) this.#fail("there is no JSON here.");
    const node = this.#value();
    if (this.#at < this.text.length) this.#fail("the JSON ends before this.");
    return node;
  }

  #value() {
    const sign = this.text[this.#at];
    let node;
    if (sign === "{" || sign === "[") {
      if (++this.#depth > DEEPEST) this.#fail(`it is nested more than ${DEEPEST} levels deep.`);
      node = sign === "{" ? this.#object() : this.#array();
      this.#depth -= 1;
    } else if (sign === '"') node = this.#string();
    else node = this.#word();
    this.#skip();
    return node;
  }

  #object() {
    const members = [];
    const names = new Set();
    this.#series("}", () => {
      const start = this.#at;
      if (this.text[start] !== '"') this.#fail('a name in double quotes is missing here, such as "name".');
      const { text: name, source } = this.#string();
      if (names.has(name)) this.#fail(`the name "${cut(source.slice(1, -1))}" is there twice.`, start);
      names.add(name);
      this.#skip();
      if (this.text[this.#at] !== ":") this.#fail(`a colon is missing after the name "${cut(source.slice(1, -1))}".`);
      this.#at += 1;
      this.#skip();
      members.push({ name, source, value: this.#value() });
    });
    return { kind: "object", members };
  }

  #array() {
    const items = [];
    this.#series("]", () => items.push({ value: this.#value() }));
    return { kind: "array", items };
  }

  #series(end, readOne) {
    this.#at += 1;
    this.#skip();
    if (this.text[this.#at] === end) {
      this.#at += 1;
      return;
    }
    for (;;) {
      readOne();
      const sign = this.text[this.#at];
      if (sign !== "," && sign !== end) this.#fail(`a comma or ${end} is missing here.`);
      this.#at += 1;
      if (sign === end) return;
      const comma = this.#at - 1;
      this.#skip();
      if (this.text[this.#at] === end) this.#fail(`there is a comma too many before ${end}.`, comma);
    }
  }

  #string() {
    const start = this.#at;
    const source = matchAt(STRING, this.text, start);
    if (!source) this.#failInString();
    this.#at += source.length;
    return { kind: "string", text: JSON.parse(source), source };
  }

  #failInString() {
    for (let at = this.#at + 1; at < this.text.length; at += 1) {
      const sign = this.text[at];
      if (sign === "\n" || sign === "\r") {
        this.#fail("the closing double quote is missing on this line. A line break in a text is written \\n.", at);
      }
      if (sign < " ") this.#fail("a text cannot hold this control character as it is. A tab is written \\t.", at);
      if (sign !== "\\") continue;
      if (!/^\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.test(this.text.slice(at, at + 6))) {
        this.#fail("after a backslash comes one of \" \\ / b f n r t, or u and four digits. A backslash itself is written \\\\.", at);
      }
      at += 1;
    }
    this.#fail("the closing double quote of this text is missing.");
  }

  #word() {
    const { text } = this;
    if (this.#at === text.length) this.#fail("it ends here, and something is missing.");
    const word = matchAt(WORD, text, this.#at);
    if (Object.hasOwn(WORDS, word)) {
      this.#at += word.length;
      return { ...WORDS[word] };
    }
    if (/^[-+]?(?:NaN|Infinity|inf)$/i.test(word)) this.#fail(`${word} is not JSON. Write a number, or null.`);
    if (Object.hasOwn(MEANT, word)) this.#fail(`${word} is not JSON. Write ${MEANT[word]}.`);
    if (/^[-+.\d]/.test(word)) {
      if (!isNumber(word)) this.#fail(`${cut(word)} is not a number as JSON writes it.`);
      this.#at += word.length;
      return { kind: "number", source: word };
    }
    if (text[this.#at] === "'") this.#fail("texts stand in double quotes.");
    if (text.startsWith("//", this.#at) || text.startsWith("/*", this.#at)) this.#fail("JSON has no comments.");
    if (word) this.#fail(`${cut(word)} is not JSON. Texts stand in double quotes.`);
    return this.#fail("a value is missing here.");
  }

  #skip() {
    this.#at += matchAt(SPACE, this.text, this.#at).length;
  }

  #fail(words, at = this.#at) {
    throw new JsonError(this.text, at, words);
  }
}
