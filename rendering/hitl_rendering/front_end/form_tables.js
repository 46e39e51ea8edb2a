// Tables of a typed form: which lists can be one, their columns and their head.
import { element } from "./edit_text.js";
import { newId } from "./form_fields.js";
import { labelOf } from "./form_groups.js";
import { shapeOf, suits } from "./json_shapes.js";

const MOST_COLUMNS = 12;

/** Kinds of values that a cell can show. */
export const IN_CELLS = ["text", "number", "integer", "boolean", "choice"];

/** A schema for the rows of a table, where the list's says no more than that they are objects; else null. */
export function guessedTable(form, shape, node) {
  const { kind } = form.schemas.shape(shape.items);
  if (shape.places.length || !["dict", "any"].includes(kind) || node.items[0]?.value.kind !== "object") return null;
  return shapeOf(node).items ?? null;
}

/** The columns, if all items are objects whose members are without parts; else null. */
export function columnsOf(form, shape, node) {
  if (shape.places.length) return null;
  const item = form.schemas.shape(shape.items);
  if (item.kind !== "object") return null;
  const columns = new Map();
  const add = (name, schema) => {
    const { kind, description } = form.schemas.shape(schema);
    columns.set(name, { name, schema, kind, description, label: labelOf(schema, name) });
  };
  for (const [name, schema] of item.properties) add(name, schema);
  if ([...columns.values()].some(({ kind, schema }) => !IN_CELLS.includes(kind) && Object.hasOwn(schema, "type"))) return null;
  for (const { value } of node.items) {
    if (!suits(item, value)) return null;
    for (const member of value.members) {
      if ("members" in member.value || "items" in member.value) return null;
      if (!columns.has(member.name)) add(member.name, item.extra);
    }
  }
  const kinds = [...columns.values()].map(({ kind }) => kind);
  const isFlat = kinds.every((kind) => IN_CELLS.includes(kind) || kind === "any");
  return isFlat && columns.size > 0 && columns.size <= MOST_COLUMNS ? [...columns.values()] : null;
}

/** Whether values of a kind stand at the end of their cell. */
export function isNumeric(kind) {
  return kind === "number" || kind === "integer";
}

/** The row of headings. A column's description gets an id, `note`, for the controls below it. */
export function tableHead(columns) {
  const row = element("tr");
  row.append(element("th", "hitl-edit-count", "#"));
  for (const column of columns) {
    const heading = element("th", isNumeric(column.kind) ? "is-number" : "", column.label);
    if (column.description) {
      const note = element("div", "hitl-edit-note", column.description);
      note.id = column.note = newId();
      heading.append(note);
    }
    row.append(heading);
  }
  for (const heading of row.children) heading.scope = "col";
  row.append(element("td", "hitl-edit-last"));
  const head = element("thead");
  head.append(row);
  return head;
}
