// What a JSON Schema says about a part of a document, as a form needs it.
//
// A shape is { kind, title, description, optional, schema, ... } with a kind of
//   "text" (format), "number", "integer", "boolean", "choice" (options), "object" (properties, required, extra),
//   "dict" (extra), "list" (items, places, isFixed), "union" (variants), "fixed" (one value, which has parts),
//   "any" (nothing is known)
// `schema`, `properties`, `items` and so on are schemas, whose shapes are asked for when they are needed: a schema may
// hold itself. Schemas come from others: only own members are read.
import { isSame, suits } from "./json_shapes.js";

const CANDIDATE_DEPTH = 6;
const DEEPEST_NEW = 12;
const KINDS = { string: "text", number: "number", integer: "integer", boolean: "boolean", array: "list", object: "object" };
export const KIND_WORDS = {
  text: "Text", number: "Number", integer: "Whole number", boolean: "Yes or no", choice: "Choice", list: "List",
  object: "Group of fields", dict: "Names and values", union: "One of several", any: "JSON",
};

export class SchemaReader {
  #root;
  #shapes = new WeakMap();

  /** @param {object | null} root the whole schema. */
  constructor(root) {
    this.#root = isObject(root) ? root : {};
  }

  /** The shape that a schema describes; without an argument the whole one's. */
  shape(schema = this.#root) {
    if (!isObject(schema)) return { kind: "any", optional: false, schema: {} };
    if (!this.#shapes.has(schema)) {
      this.#shapes.set(schema, { kind: "any", optional: false, schema }); // for one that is nothing but itself
      this.#shapes.set(schema, this.#read(this.#resolve(schema)));
    }
    return this.#shapes.get(schema);
  }

  /** Whether a value could be meant by a schema. This chooses variants; the server validates. */
  fits(node, schema, depth = CANDIDATE_DEPTH) {
    const shape = this.shape(schema);
    if (node.kind === "null" && shape.optional) return true;
    if (!suits(shape, node)) return false;
    if (depth === 0) return true;
    if (shape.kind === "union") return shape.variants.some((one) => this.fits(node, one, depth - 1));
    if (shape.kind === "choice") return shape.options.some((option) => isSame(option, node));
    if (shape.kind === "list") return node.items.every(({ value }, index) => this.fits(value, itemSchema(shape, index), depth - 1));
    if (shape.kind === "dict") return node.members.every(({ value }) => this.fits(value, shape.extra, depth - 1));
    if (shape.kind !== "object") return true;
    const values = new Map(node.members.map(({ name, value }) => [name, value]));
    if ([...shape.required].some((name) => !values.has(name))) return false;
    return [...values].every(([name, value]) =>
      shape.properties.has(name) ? this.fits(value, shape.properties.get(name), depth - 1) : shape.extra !== false,
    );
  }

  /** A new value: the default, or as empty as it can be. A number is left empty: nobody has said one. */
  initial(schema, depth = DEEPEST_NEW) {
    const shape = this.shape(schema);
    const name = shape.kind === "fixed" ? "const" : "default";
    const given = Object.hasOwn(shape.schema, name) ? toNode(shape.schema[name], shape) : null;
    return given ?? (shape.optional ? { kind: "null" } : this.filled(shape, depth));
  }

  /** A new value that is not null, as empty as it can be. */
  filled(shape, depth = DEEPEST_NEW) {
    if (depth === 0) return { kind: "null" };
    switch (shape.kind) {
      case "text":
        return { kind: "string", text: "" };
      case "number":
      case "integer":
        return { kind: "number", source: "" };
      case "boolean":
        return { kind: "boolean", on: false };
      case "choice":
        return { ...shape.options[0] };
      case "list":
        return { kind: "array", items: shape.places.map((place) => ({ value: this.initial(place, depth - 1) })) };
      case "object":
        return { kind: "object", members: this.#newMembers(shape, depth) };
      case "dict":
        return { kind: "object", members: [] };
      case "union":
        return this.initial(shape.variants[0], depth - 1);
      default:
        return { kind: "null" };
    }
  }

  /** A member that need not be there and has no default stays away. */
  #newMembers(shape, depth) {
    const members = [];
    for (const [name, schema] of shape.properties) {
      if (!shape.required.has(name) && !Object.hasOwn(this.shape(schema).schema, "default")) continue;
      members.push({ name, value: this.initial(schema, depth - 1) });
    }
    return members;
  }

  /** Follow references, and an `allOf` of one. */
  #resolve(schema) {
    let found = schema;
    const seen = new Set([schema]);
    for (;;) {
      let next;
      let rest;
      if (typeof own(found, "$ref") === "string") {
        ({ $ref: next, ...rest } = found);
        next = this.#target(next);
      } else if (Array.isArray(own(found, "allOf")) && found.allOf.length === 1) {
        ({ allOf: [next], ...rest } = found);
      } else return found;
      if (!isObject(next) || seen.has(next)) return rest;
      seen.add(next);
      found = { ...next, ...rest };
    }
  }

  #target(reference) {
    if (!reference.startsWith("#")) return null;
    let found = this.#root;
    for (const part of decode(reference.slice(1)).split("/").slice(1)) {
      found = isObject(found) || Array.isArray(found) ? own(found, part.replaceAll("~1", "/").replaceAll("~0", "~")) : null;
    }
    return found;
  }

  #read(schema) {
    const about = { title: words(own(schema, "title")), description: words(own(schema, "description")), schema };
    const variants = own(schema, "anyOf") ?? own(schema, "oneOf");
    if (Array.isArray(variants)) return this.#readVariants(variants, about);
    const options = Object.hasOwn(schema, "const") ? [schema.const] : own(schema, "enum");
    if (Array.isArray(options) && options.length) {
      const nodes = options.map((option) => toNode(option, {}));
      if (nodes.every((node) => node && node.kind !== "object" && node.kind !== "array")) {
        return { ...about, kind: "choice", optional: false, options: nodes };
      }
      if (options.length === 1) return { ...about, kind: "fixed", optional: false };
    }
    const types = [own(schema, "type") ?? (own(schema, "properties") ? "object" : [])].flat();
    const named = types.filter((type) => type !== "null");
    if (named.length > 1) return this.#readVariants(types.map((type) => ({ ...schema, type, title: undefined })), about);
    const kind = Object.hasOwn(KINDS, named[0]) ? KINDS[named[0]] : "any";
    const shape = { ...about, kind, optional: types.includes("null") || (kind === "any" && own(schema, "type") === "null") };
    if (kind === "text") shape.format = own(schema, "format");
    if (kind === "object") Object.assign(shape, readObject(schema));
    if (kind === "list") Object.assign(shape, readList(schema));
    return shape;
  }

  #readVariants(all, about) {
    const variants = all.filter((one) => own(one, "type") !== "null");
    const optional = variants.length < all.length;
    if (variants.length === 1) {
      const { title, description, ...shape } = this.shape(variants[0]);
      const schema = { ...shape.schema, ...pick(about.schema, "default") };
      const told = { title: about.title || title, description: about.description || description };
      return { ...shape, ...told, schema, optional: optional || shape.optional };
    }
    if (variants.length === 0) return { ...about, kind: "any", optional };
    return { ...about, kind: "union", variants, optional };
  }
}

/** The schema of an item. */
export function itemSchema(shape, index) {
  return shape.places[index] ?? shape.items;
}

function readObject(schema) {
  const properties = new Map(isObject(own(schema, "properties")) ? Object.entries(schema.properties) : []);
  const extra = own(schema, "additionalProperties");
  if (properties.size === 0 && extra !== false) return { kind: "dict", extra: isObject(extra) ? extra : {} };
  const required = new Set([own(schema, "required") ?? []].flat());
  return { properties, required, extra: extra === false ? false : isObject(extra) ? extra : {} };
}

function readList(schema) {
  const places = Array.isArray(own(schema, "prefixItems")) ? schema.prefixItems : [];
  const items = own(schema, "items");
  const isFixed = places.length > 0 && (items === false || own(schema, "maxItems") === places.length);
  return { places, items: isObject(items) ? items : {}, isFixed };
}

/** A value of a schema as a node; null where JavaScript may have lost some of it. */
function toNode(value, shape) {
  if (value === null) return { kind: "null" };
  if (typeof value === "string") return { kind: "string", text: value };
  if (typeof value === "boolean") return { kind: "boolean", on: value };
  if (typeof value === "number") {
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) return null;
    const source = JSON.stringify(value);
    return { kind: "number", source: shape.kind === "number" && /^-?\d+$/.test(source) ? `${source}.0` : source };
  }
  const parts = Array.isArray(value) ? value : Object.values(value);
  const nodes = parts.map((part) => toNode(part, {}));
  if (nodes.includes(null)) return null;
  if (Array.isArray(value)) return { kind: "array", items: nodes.map((node) => ({ value: node })) };
  return { kind: "object", members: Object.keys(value).map((name, index) => ({ name, value: nodes[index] })) };
}

function own(object, name) {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function pick(object, name) {
  return Object.hasOwn(object, name) ? { [name]: object[name] } : {};
}

function words(value) {
  return typeof value === "string" ? value : "";
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
