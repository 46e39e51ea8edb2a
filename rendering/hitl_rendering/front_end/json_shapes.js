// Values and shapes: the shape of a value that no schema describes, and whether a value fits a shape (json_schema.js).

const NODES = {
  text: "string", number: "number", integer: "number", boolean: "boolean", object: "object", dict: "object", list: "array",
};

/** The shape of what no schema describes, from the value itself: fields for what is flat, else its source. */
export function shapeOf(node) {
  const about = { optional: false, schema: {}, isGuessed: true };
  switch (node?.kind) {
    case "string":
      return { ...about, kind: "text" };
    case "number":
      return { ...about, kind: "number" };
    case "boolean":
      return { ...about, kind: "boolean" };
    case "object":
      return { ...about, kind: "object", properties: new Map(), required: new Set(), extra: {} };
    case "array": {
      const kinds = new Set(node.items.map(({ value }) => value.kind));
      const isOne = kinds.size === 1 && !kinds.has("array") && !kinds.has("null");
      if (!isOne || !node.items.every(({ value }) => isFlatObject(value))) return { ...about, kind: "any" };
      return { ...about, kind: "list", items: guessItems(node), places: [], isFixed: false };
    }
    default:
      return { ...about, kind: "any" };
  }
}

/** Whether a form of this shape can show the value. */
export function suits(shape, node) {
  if (shape.kind in NODES) return NODES[shape.kind] === (node.insteadOf ?? node.kind);
  return shape.kind !== "choice" || !("members" in node || "items" in node);
}

/** Whether two values without parts are the same. */
export function isSame(one, other) {
  if (one.kind !== other.kind) return false;
  if (one.kind === "number") return one.source === other.source || Number(one.source) === Number(other.source);
  return one.text === other.text && one.on === other.on;
}

function isFlatObject({ kind, members }) {
  return kind !== "object" || members.every(({ value }) => value.kind !== "object" && value.kind !== "array");
}

/** A schema for further items, as those that are there. */
function guessItems(node) {
  const first = node.items[0].value;
  const types = { string: "string", number: "number", boolean: "boolean" };
  if (first.kind !== "object") return { type: types[first.kind] };
  const properties = new Map();
  for (const { value } of node.items) {
    for (const member of value.members) {
      const kinds = properties.get(member.name) ?? properties.set(member.name, new Set()).get(member.name);
      kinds.add(types[member.value.kind] ?? "null");
    }
  }
  const isInAll = (name) => node.items.every(({ value }) => value.members.some((member) => member.name === name));
  const required = [...properties.keys()].filter(isInAll);
  const entries = [...properties].map(([name, kinds]) => [name, kinds.size === 1 && kinds.has("null") ? {} : { type: [...kinds] }]);
  return { type: "object", properties: Object.fromEntries(entries), required };
}
