// One review: shows what changes, keeps what is typed, and sends the decision about the output that is on the screen.
import { changeWords, isOlder } from "./changes.js";
import { Draft } from "./draft.js";
import { Editing } from "./editing.js";
import { drawEdit, drawForm, focusEdit, form, say, sayHeld, sayLeft, serveForm, text, wordsFor } from "./form.js";
import { Hold, isTooLong } from "./hold.js";
import { openLinksOutside } from "./links.js";
import { connectionLine, follow, localTimes } from "./live.js";
import { following, linkBack, opensNext, serveChoice } from "./next.js";
import { notice, problem, tellNext, told } from "./notices.js";
import { serveOutputs } from "./outputs.js";
import { isSame } from "./output_names.js";
import { prepare, replacePart } from "./parts.js";
import { post, RefusedError, wordsOf } from "./requests.js";

const main = document.getElementById("review");
const query = new URLSearchParams(location.search);
const hasReview = form !== null;
const mayDecide = main.dataset.mayDecide === "yes";
const me = main.dataset.userId;
// In the tab of a task instance, Airflow says around the page which one it is: no other opens there.
const goesOn = !document.documentElement.classList.contains("tab");

let version = main.dataset.version;
let state = JSON.parse(main.dataset.state);
let sending = false;
let asking = ""; // the action that is asked back
let next = Promise.resolve(""); // address of what opens after the decision
let mine = ""; // what this page decided last: "iteration action"
let explained = false; // why a decision was not taken is on the screen: what the page catches up with adds nothing

const draft = new Draft(main.dataset.draftKey, text);
const hold = new Hold(Number(form?.dataset.holdSeconds), sayLeft, send);
const editing = new Editing({
  place: document.getElementById("edit"),
  query,
  draft,
  display: () => outputs.display(),
  onChange: draw,
  onOutdated: () => live.refresh(),
  onLeft: focusEdit,
});

// --- deciding

function draw() {
  if (!hasReview) return;
  form.hidden = !(state.open || (mayDecide && sending));
  if (!mayDecide) return;
  const isHeld = hold.decision !== null;
  editing.draw(state, sending || isHeld);
  const isEdited = editing.toSend !== null;
  const isAsked = asking !== "" || isHeld;
  drawForm({ isSending: sending, isAsked, isHeld, isEdited, isLastRound: state.last_round }, state.form);
  drawEdit(state, editing.isOpen);
}

/** Open the editor; tells whether that is possible. */
function edit() {
  if (!mayDecide || !state.open || sending || asking !== "" || hold.decision !== null) return false;
  if (state.editable) editing.start();
  else problem(state.not_editable ?? "");
  return true;
}

function ask(action) {
  if (sending || asking !== "") return;
  if (hold.decision !== null) {
    if (hold.decision.action === action) hold.release(); // again: now
    return;
  }
  problem("");
  const isEmpty = !text.value.trim();
  const isEdited = editing.toSend !== null;
  const words = wordsFor(action, isEdited, state.form);
  if (words.impossible) return problem(words.impossible);
  if (action !== "reject" && editing.blocks()) return;
  if (action === "feedback" && isEmpty) {
    problem(state.form.text_missing);
    text.focus();
    return;
  }
  if (action === "feedback" && state.last_round) {
    asking = action;
    say(form.dataset.lastRoundQuestion, "End the review", "Cancel", "bad");
    draw();
    document.getElementById("confirm-yes").focus();
    return;
  }
  const wanted = decision(action);
  const isDropped = action === "reject" && editing.isDropped;
  sayHeld(wanted, { isEdited, isDropped, isTooLong: isTooLong(wanted) }, state.form);
  hold.start(wanted);
  draw();
}

/** The decision about what is on the screen. */
function decision(action) {
  next = goesOn && opensNext() ? following(query, document.getElementById("back").search, me) : Promise.resolve("");
  const edited_output = action === "reject" ? null : editing.toSend;
  return { action, iteration: state.iteration, output_sha256: state.output_sha256, edited_output, text: text.value };
}

function answer(isYes) {
  const action = asking || hold.decision?.action;
  if (isYes && asking === "") return hold.release();
  asking = "";
  hold.undo();
  if (isYes) return send(decision(action));
  const hadFocus = document.getElementById("confirm").contains(document.activeElement);
  draw();
  if (hadFocus) form.querySelector(`[data-action="${action}"]`)?.focus();
}

function send(wanted, { leaving = false } = {}) {
  if (leaving && isTooLong(wanted)) return draw(); // it is here again at the next visit, unsent
  const { action, text: typed, edited_output, ...about } = wanted;
  const texts = { ...(edited_output !== null && { edited_output }), ...(typed.trim() && { feedback: typed }) };
  const request = post({ ...about, channel: "chat", ...texts });
  mine = `${about.iteration} ${action}`;
  if (!leaving) return decide(wanted, request);
  draft.unheard(wanted);
  fetch(`sessions/${action}?${query}`, { ...request, keepalive: true });
  draw();
}

async function decide(wanted, request) {
  const { action, iteration } = wanted;
  sending = true;
  problem("");
  draw();
  let answer;
  try {
    answer = await fetch(`sessions/${action}?${query}`, { ...request, signal: AbortSignal.timeout(30_000) });
  } catch {
    sending = false;
    mine = "";
    draft.unheard(wanted);
    problem("The server did not answer, so it is not known whether your decision arrived. What you wrote is kept. The page shows the decision once it hears of it; if it does not, decide again.");
    tell({ ...state, open: true }, false); // what the page has heard of meanwhile
    draw();
    live.refresh();
    return;
  }
  const body = await answer.json().catch(() => ({}));
  sending = false;
  if (answer.ok) {
    draft.sent(wanted.text);
    editing.decided(wanted);
    state = { ...state, open: false };
    draw();
    const words = wordsFor(action, body.edited, state.form);
    const done = words.done.replace("{}", iteration);
    const goesOn = action === "feedback" || (action === "approve" && state.asks);
    notice(goesOn ? `${done} ${state.form.comes}` : done, "good");
    const address = await next;
    if (address !== "") {
      tellNext(`${main.querySelector("h1")?.textContent}: ${done}`);
      location.assign(address);
      return;
    }
    main.querySelector("h1")?.focus();
    live.refresh();
    return;
  }
  mine = "";
  draw();
  refused(answer.status, body);
  live.refresh();
}

function refused(status, body) {
  if (status === 401) {
    problem("Your login has expired, so nothing was decided. What you wrote is kept.", new RefusedError("", status).link);
    return;
  }
  const kept = text.value || editing.isChanged ? "What you wrote is kept." : "";
  const told = `Your decision was not taken. ${wordsOf(status, body)} ${kept}`.trim();
  if (body.errors?.length) editing.showErrors(body.errors);
  if (status !== 409) return problem(told);
  notice(told, "bad"); // stays when the page has caught up
  explained = true;
}

// --- what changes

function apply(update) {
  if (update.version === version) return;
  if (!hasReview) {
    // The first output is here, or there will be none. Else nothing that is on the screen has changed.
    if (update.state.status !== null || update.state.task_active !== state.task_active) location.reload();
    return;
  }
  if (isOlder(update.state.order, state.order)) return;
  const before = state;
  version = update.version;
  if (update.state.status === null) {
    hold.undo();
    state = { ...state, open: false };
    notice("This review is gone: its task was cleared or deleted. If the task runs again, its next output appears here.", "bad");
    draw();
    return;
  }
  state = update.state;
  if (!before.open && state.open) mine = "";
  for (const part of main.querySelectorAll("[data-part]")) replacePart(part, update.parts[part.dataset.part] ?? "");
  if (outputs.isChosen()) outputs.refresh(); // after the usual view: what is decided on must be on the screen
  const isOver = !isSame(before, state) || !state.open;
  const isDropped = isOver && (hold.undo() || asking !== "");
  if (isOver) asking = "";
  tell(before, isDropped);
  draw();
}

function tell(before, isDropped) {
  const arrived = sending ? null : draft.settle(state, me); // the answer comes first
  if (arrived !== null) {
    editing.decided(arrived);
    problem("");
  }
  if (explained) return void (explained = false);
  const hasWritten = Boolean(text?.value) || editing.isChanged;
  const isMine = sending || (mine !== "" && mine.startsWith(`${before.iteration} `));
  const said = changeWords(before, state, { me, isMine, hasWritten, isDropped });
  if (said) notice(...said);
}

// ---

localTimes(document);
prepare(document);
linkBack();
if (hasReview && mayDecide) {
  draft.restore(state, me);
  serveForm(ask, answer, edit);
  serveChoice(goesOn);
}
draw();
if (hasReview && mayDecide) editing.restore();
told();

const latest = main.querySelector('[data-part="latest"]');
const outputs = serveOutputs(main, query, (html) => replacePart(latest, html), mayDecide ? text : null, edit);

const live = follow({
  events: "chat/events",
  updates: "chat/updates",
  query,
  version: () => version,
  onChange: apply,
  onProgress: (html) => replacePart(main.querySelector('[data-part="progress"]'), html),
  onState: connectionLine(document.getElementById("connection")),
});

openLinksOutside();
