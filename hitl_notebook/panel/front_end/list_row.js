import { make, write } from "./shared.js";

const SHAPES = {
  waiting: { fill: "M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3z" },
  working: { line: "M8 3a5 5 0 0 1 5 5M11.6 11.6A5 5 0 0 1 8 13M4.4 11.6A5 5 0 0 1 3.1 7M4.6 4.3A5 5 0 0 1 5.6 3.6" },
  approved: { line: "M3 8.6l3.4 3.4L13 4.6" },
  rejected: { line: "M4 4l8 8M12 4l-8 8" },
  timed_out: { line: "M8 2.6a5.4 5.4 0 1 0 0 10.8A5.4 5.4 0 0 0 8 2.6zM8 5v3.2l2.2 1.4" },
  ended: { line: "M4 4h8v8H4z" },
  abandoned: { line: "M8 2.6a5.4 5.4 0 1 0 0 10.8A5.4 5.4 0 0 0 8 2.6zM4.3 11.7l7.4-7.4" },
};
const OPEN_STATES = new Set(["waiting", "working"]);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function mark() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "hitl-mark");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS("http://www.w3.org/2000/svg", "path"));
  return svg;
}

function draw(svg, state) {
  const shape = SHAPES[state] ?? SHAPES.ended;
  const path = svg.firstChild;
  path.setAttribute("d", shape.fill ?? shape.line);
  path.setAttribute("fill", shape.fill ? "currentColor" : "none");
  path.setAttribute("stroke", shape.fill ? "none" : "currentColor");
}

function span(milliseconds) {
  if (milliseconds < HOUR) return `${Math.max(1, Math.floor(milliseconds / MINUTE))} min`;
  if (milliseconds < 2 * DAY) return `${Math.floor(milliseconds / HOUR)} h`;
  return `${Math.floor(milliseconds / DAY)} d`;
}

function age(at, now) {
  const past = now - at;
  if (Number.isNaN(past)) return "";
  if (past < MINUTE) return "now";
  if (past < 7 * DAY) return span(past);
  return new Date(at).toLocaleDateString(undefined, { day: "numeric", month: "short" });
}

function exact(at) {
  return Number.isNaN(at) ? "" : new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/** When it is due: in words, and how pressing that is. */
function due(at, now) {
  if (Number.isNaN(at)) return ["", ""];
  const left = at - now;
  if (left <= 0) return ["overdue", "over"];
  if (left < MINUTE) return ["due now", "soon"];
  return [`due in ${span(left)}`, left < HOUR ? "soon" : ""];
}

/** What tells generated run ids apart, such as "2030-11-23 14:05:10"; other ids as they are. */
function shortRun(runId) {
  const parts = /^[a-z_]+?__(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)(?:\.\d+)?(?:\+00:00|Z)?(_\w+)?$/.exec(runId);
  return parts ? `${parts[1]} ${parts[2]}${parts[3] === ":00" ? "" : parts[3]}` : runId;
}

/** One row; its element stays the same as long as the review is listed. */
export class ListRow {
  constructor(id) {
    this.id = id;
    this.element = make("div", "hitl-row");
    this.element.setAttribute("role", "row");
    this.element.tabIndex = -1;
    const pickCell = make("label", "hitl-row-pick");
    pickCell.setAttribute("role", "gridcell");
    this.box = make("input");
    this.box.type = "checkbox";
    this.box.tabIndex = -1;
    pickCell.append(this.box);
    const cell = make("div", "hitl-row-cell");
    cell.setAttribute("role", "gridcell");
    this.mark = mark();
    this.title = make("span", "hitl-row-title");
    this.place = make("span", "hitl-row-place");
    this.dag = make("span", "hitl-row-dag");
    this.task = make("span", "hitl-row-task");
    this.run = make("span", "hitl-row-run");
    this.nameCell = make("span", "hitl-row-name");
    this.nameCell.append(this.dag, make("span", "hitl-row-arrow", " › "), this.task);
    this.place.append(this.nameCell, this.run);
    this.fresh = make("span", "hitl-row-new", "New");
    this.age = make("span", "hitl-row-age");
    this.text = make("span", "hitl-row-text");
    this.words = make("span", "hitl-row-words");
    this.round = make("span", "hitl-row-round");
    this.due = make("span", "hitl-row-due");
    const middle = make("div", "hitl-row-middle");
    middle.append(this.fresh, this.text);
    const facts = make("div", "hitl-row-facts");
    facts.append(this.mark, this.words, this.round);
    cell.append(this.title, this.age, this.place, middle, facts, this.due);
    this.element.append(pickCell, cell);
  }

  update(data) {
    this.data = data;
    this.updatedAt = Date.parse(data.updated_at);
    this.deadlineAt = data.deadline_at && OPEN_STATES.has(data.state) ? Date.parse(data.deadline_at) : NaN;
    const mapped = data.map_index >= 0 ? ` [${data.map_index}]` : "";
    this.name = `${data.dag_id} › ${data.task_id}${mapped}`;
    this.element.dataset.id = data.id;
    this.element.dataset.state = data.state;
    this.element.classList.toggle("is-new", Boolean(data.is_new));
    this.element.classList.toggle("is-unlisted", !data.listed);
    draw(this.mark, data.state);
    write(this.title, data.title || this.name);
    this.title.title = this.title.textContent;
    this.nameCell.hidden = !data.title; // then the name is the title
    write(this.dag, data.dag_id);
    write(this.task, `${data.task_id}${mapped}`);
    this.place.title = this.name;
    this.fresh.hidden = !data.is_new;
    write(this.text, data.excerpt ?? "");
    this.text.parentElement.hidden = !this.text.textContent && !data.is_new;
    write(this.words, data.listed ? data.words : `${data.words}, not on this page`);
    write(this.round, data.round);
    this.round.hidden = !data.round;
    write(this.run, `run ${shortRun(data.run_id)}`);
    this.run.title = `Run ${data.run_id}`;
    this.box.disabled = !data.pickable;
    this.box.title = data.pickable ? "Pick, to decide several at once (Space)" : "Only reviews that wait can be picked";
    this.box.setAttribute("aria-label", `Pick ${this.name}, run ${shortRun(data.run_id)}`);
    this.age.title = `Since ${exact(this.updatedAt)}. Started ${exact(Date.parse(data.created_at))}.`;
    this.due.title = Number.isNaN(this.deadlineAt) ? "" : `Decide before ${exact(this.deadlineAt)}`;
    this.tick(Date.now());
  }

  tick(now) {
    const [words, level] = due(this.deadlineAt, now);
    write(this.age, age(this.updatedAt, now));
    write(this.due, words);
    this.due.hidden = !words;
    this.due.dataset.level = level;
    const parts = [this.data.is_new ? "New" : "", this.words.textContent, this.data.title, this.name];
    parts.push(this.round.textContent, this.run.textContent, this.age.textContent && `for ${this.age.textContent}`, words);
    const label = [...parts, this.text.textContent].filter(Boolean).join(", ");
    if (this.element.getAttribute("aria-label") !== label) this.element.setAttribute("aria-label", label);
  }
}
