// One review: shows what changes, keeps what is typed, and sends the decision about the output that is on the screen.
import { Draft } from "./draft.js";
import { drawForm, form, say, sayLeft, serveForm, text } from "./form.js";
import { Hold } from "./hold.js";
import { openLinksOutside } from "./links.js";
import { connectionLine, follow, localTimes, loginAddress } from "./live.js";
import { following, opensNext, serveChoice } from "./next.js";
import { notice, problem, tellNext, told } from "./notices.js";
import { serveOutputs } from "./outputs.js";
import { prepare, replacePart } from "./parts.js";

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

/** For each decision: the label of its button, what it does, and what is said while it is held back. */
const WORDS = JSON.parse(form?.dataset.words ?? "{}");
const DONE = {
  approve: (n) => `Approved output ${n}.`,
  reject: (n) => `Rejected output ${n}.`,
  feedback: (n) => `Changes to output ${n} were requested.`,
};

const draft = new Draft(main.dataset.draftKey, text);
const hold = new Hold(Number(form?.dataset.holdSeconds), sayLeft, send);

// --- deciding

function draw() {
  if (!hasReview) return;
  form.hidden = !(state.open || (mayDecide && sending));
  if (!mayDecide) return;
  const isHeld = hold.decision !== null;
  drawForm({ isSending: sending, isAsked: asking !== "" || isHeld, isHeld, isLast: state.last_round });
}

function ask(action) {
  if (sending || asking !== "") return;
  if (hold.decision !== null) {
    if (hold.decision.action === action) hold.release(); // again: now
    return;
  }
  problem("");
  const isEmpty = !text.value.trim();
  if (action === "feedback" && isEmpty) {
    problem("Write what should change, then request changes.");
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
  const words = isEmpty ? WORDS[action].held : WORDS[action].held_with_text;
  say(words.replace("{}", state.iteration), "Send now", "Undo", { approve: "good", reject: "bad" }[action] ?? "");
  hold.start(decision(action));
  draw();
}

/** The decision about what is on the screen. */
function decision(action) {
  next = goesOn && opensNext() ? following(query, document.getElementById("back").search, me) : Promise.resolve("");
  return { action, iteration: state.iteration, output_sha256: state.output_sha256, text: text.value };
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

function send({ action, text: sent, ...about }, { leaving = false } = {}) {
  const body = JSON.stringify({ ...about, channel: "chat", ...(sent.trim() ? { feedback: sent } : {}) });
  const request = { method: "POST", headers: { "Content-Type": "application/json" }, body };
  mine = `${about.iteration} ${action}`;
  if (leaving) {
    draft.left(about);
    fetch(`sessions/${action}?${query}`, { ...request, keepalive: true });
    draw();
    return;
  }
  decide(action, about.iteration, sent, request);
}

async function decide(action, iteration, sent, request) {
  sending = true;
  problem("");
  draw();
  let answer;
  try {
    answer = await fetch(`sessions/${action}?${query}`, { ...request, signal: AbortSignal.timeout(30_000) });
  } catch {
    sending = false;
    draw();
    problem("The server did not answer, so it is not known whether your decision arrived. What you wrote is kept. The page shows the decision once it hears of it; if it does not, decide again.");
    live.refresh();
    return;
  }
  const body = await answer.json().catch(() => ({}));
  sending = false;
  if (answer.ok) {
    draft.sent(sent);
    state = { ...state, open: false };
    draw();
    const done = DONE[action](iteration);
    notice(action === "feedback" ? `${done} The next output appears here.` : done, "good");
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
  refused(answer.status, body.detail);
  live.refresh();
}

function refused(status, detail) {
  if (status === 401) {
    const link = document.createElement("a");
    link.href = loginAddress();
    link.textContent = "Log in again";
    problem("Your login has expired, so nothing was decided. What you wrote is kept.", link);
    return;
  }
  const words = typeof detail === "string" ? detail : (detail?.message ?? detail?.[0]?.msg ?? `The server answered ${status}.`);
  const told = `Your decision was not taken. ${words} ${text.value ? "What you wrote is kept." : ""}`.trim();
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
  for (const part of main.querySelectorAll("[data-part]")) replacePart(part, update.parts[part.dataset.part] ?? "");
  if (outputs.isChosen()) outputs.refresh(); // after the usual view: what is decided on must be on the screen
  const isNew = state.iteration !== before.iteration || state.output_sha256 !== before.output_sha256;
  const isOver = isNew || !state.open;
  const isDropped = isOver && (hold.undo() || asking !== "");
  if (isOver) asking = "";
  tell(before, isNew, isDropped ? " Nothing was sent." : "");
  draw();
}

function isOlder(order, than) {
  if (!order || !than) return false;
  return order[0] < than[0] || (order[0] === than[0] && order[1] < than[1]);
}

function tell(before, isNew, dropped) {
  if (explained) {
    explained = false;
    return;
  }
  if (!state.open && state.decided_by_id === me) draft.arrived();
  const kept = text?.value ? " What you wrote is kept." : "";
  if (state.open && isNew) {
    notice(`Output ${state.iteration} is here.${dropped}${kept}`, "new");
  } else if (before.open && !state.open && state.decided_by !== null && !isMine(before)) {
    const who = state.decided_by_id === me ? "You have decided" : `${state.decided_by} was faster`;
    const unsent = text?.value ? " What you wrote was not sent; it is kept in this tab." : dropped;
    notice(`${who}: ${state.words.toLowerCase()}.${unsent}`, state.decided_by_id === me ? "" : "bad");
  } else if (before.open && !state.open && state.ended_because) {
    notice(`${state.words}: ${state.ended_because}.${text?.value ? " What you wrote was not sent; it is kept in this tab." : dropped}`);
  } else if (before.task_active && !state.task_active && before.status === "pending_review" && state.status === "pending_review") {
    notice(`The task has ended, so there is nothing to decide any more.${dropped}`, "bad");
  }
}

function isMine(before) {
  return sending || (mine !== "" && mine.startsWith(`${before.iteration} `));
}

// ---

localTimes(document);
prepare(document);
try {
  // Who comes from the list goes back to it as it was: the server knows from where. After a detour the tab remembers.
  const back = document.getElementById("back");
  if (back.search === "") back.search = sessionStorage.getItem("hitl-inbox") ?? "";
} catch {
  // storage is switched off
}
if (hasReview && mayDecide) {
  draft.restore(state, me);
  serveForm(ask, answer);
  serveChoice(goesOn);
}
draw();
told();

const latest = main.querySelector('[data-part="latest"]');
const outputs = serveOutputs(main, query, (html) => replacePart(latest, html), mayDecide ? text : null);

const live = follow({
  events: "chat/events",
  updates: "chat/updates",
  query,
  version: () => version,
  onChange: apply,
  onState: connectionLine(document.getElementById("connection")),
});

openLinksOutside();
