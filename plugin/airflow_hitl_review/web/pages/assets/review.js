// One review: shows what changes, keeps what is typed, and sends the decision about the output that is on the screen.
import { connectionLine, follow, localTimes, loginAddress } from "./live.js";
import { serveOutputs } from "./outputs.js";

const main = document.getElementById("review");
const form = document.getElementById("decision");
const text = document.getElementById("feedback");
const notices = document.getElementById("notices");
const query = new URLSearchParams(location.search);
const hasReview = form !== null;
const mayDecide = main.dataset.mayDecide === "yes";

let version = main.dataset.version;
let state = JSON.parse(main.dataset.state);
let sending = false;
let asking = ""; // the action that is asked back
let mine = ""; // what this page decided last: "iteration action"
let explained = false; // why a decision was not taken is on the screen: what the page catches up with adds nothing

/** For each decision: the label of its button, what it does, and the question before it. */
const WORDS = JSON.parse(form?.dataset.words ?? "{}");
const DONE = {
  approve: (n) => `Approved output ${n}.`,
  reject: (n) => `Rejected output ${n}.`,
  feedback: (n) => `Changes to output ${n} were requested. The next output appears here.`,
};

// --- what is typed

const draftKey = `hitl-draft-${main.dataset.draftKey}`;

function loadDraft() {
  try {
    return sessionStorage.getItem(draftKey) ?? "";
  } catch {
    return "";
  }
}

function saveDraft() {
  try {
    if (text.value) sessionStorage.setItem(draftKey, text.value);
    else sessionStorage.removeItem(draftKey);
  } catch {
    // storage is switched off or full: the text stays in the page alone
  }
}

// --- notices

function notice(words, tone = "") {
  const line = document.createElement("p");
  line.className = `notice ${tone}`.trim();
  line.textContent = words;
  notices.replaceChildren(line);
}

function problem(words, link = null) {
  const line = document.getElementById("problem");
  line.replaceChildren(words);
  if (link !== null) line.append(" ", link);
  line.hidden = words === "";
}

// --- the form

function draw() {
  if (!hasReview) return;
  form.hidden = !(state.open || (mayDecide && sending));
  if (!mayDecide) return;
  const confirm = document.getElementById("confirm");
  const buttons = document.getElementById("buttons");
  for (const button of form.querySelectorAll("button")) button.disabled = sending;
  confirm.hidden = asking === "";
  buttons.hidden = asking !== "";
  document.getElementById("hint").textContent = state.last_round
    ? form.dataset.lastRound
    : "";
  form.setAttribute("aria-busy", String(sending));
}

function ask(action) {
  problem("");
  if (action === "feedback" && !text.value.trim()) {
    problem("Write what should change, then request the changes.");
    text.focus();
    return;
  }
  if (action === "feedback" && !state.last_round) {
    decide(action);
    return;
  }
  asking = action;
  const unsent = action === "approve" && text.value.trim() ? " What you wrote is not sent with an approval." : "";
  const { label, question } = WORDS[action];
  document.getElementById("confirm-text").textContent = question.replace("{}", state.iteration) + unsent;
  const yes = document.getElementById("confirm-yes");
  yes.textContent = action === "feedback" ? label : `${label} output ${state.iteration}`;
  yes.className = { approve: "good", reject: "bad" }[action] ?? "";
  draw();
  yes.focus();
}

function cancel() {
  const action = asking;
  asking = "";
  draw();
  form.querySelector(`[data-action="${action}"]`)?.focus();
}

async function decide(action) {
  if (sending) return;
  sending = true;
  asking = "";
  problem("");
  draw();
  const sent = text.value;
  const about = { iteration: state.iteration, output_sha256: state.output_sha256, channel: "chat" };
  if (action !== "approve" && sent.trim()) about.feedback = sent;
  mine = `${about.iteration} ${action}`;
  let answer;
  try {
    answer = await fetch(`sessions/${action}?${query}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(about),
      signal: AbortSignal.timeout(30_000),
    });
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
    if (text.value === sent) text.value = "";
    saveDraft();
    notice(DONE[action](about.iteration), "good");
    state = { ...state, open: false };
    draw();
    main.querySelector("h1")?.focus();
    live.refresh();
    return;
  }
  mine = "";
  draw();
  if (answer.status === 401) {
    const link = document.createElement("a");
    link.href = loginAddress();
    link.textContent = "Log in again";
    problem("Your login has expired, so nothing was decided. What you wrote is kept.", link);
    return;
  }
  const detail = body.detail;
  const words = typeof detail === "string" ? detail : (detail?.message ?? detail?.[0]?.msg ?? `The server answered ${answer.status}.`);
  const told = `Your decision was not taken. ${words} ${text.value ? "What you wrote is kept." : ""}`.trim();
  if (answer.status === 409) {
    notice(told, "bad"); // above: the form may be gone once the page has caught up
    explained = true;
  } else {
    problem(told);
  }
  live.refresh();
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
    state = { ...state, open: false };
    notice("This review is gone: its task was cleared or deleted. If the task runs again, its next output appears here.", "bad");
    draw();
    return;
  }
  state = update.state;
  for (const part of main.querySelectorAll("[data-part]")) {
    if (part.dataset.part === "latest" && outputs.isChosen()) outputs.refresh();
    else replacePart(part, update.parts[part.dataset.part] ?? "");
  }
  const isNew = state.iteration !== before.iteration || state.output_sha256 !== before.output_sha256;
  if (asking !== "" && (isNew || !state.open)) asking = "";
  tell(before, isNew);
  draw();
}

function isOlder(order, than) {
  if (!order || !than) return false;
  return order[0] < than[0] || (order[0] === than[0] && order[1] < than[1]);
}

function tell(before, isNew) {
  if (explained) {
    explained = false;
    return;
  }
  if (state.open && isNew) {
    notice(`Output ${state.iteration} is here.${text?.value ? " What you wrote is kept." : ""}`, "new");
  } else if (before.open && !state.open && state.decided_by !== null && !isMine(before)) {
    const kept = text?.value ? " What you wrote was not sent; it is kept in this tab." : "";
    notice(`${state.decided_by} was faster: ${state.words.toLowerCase()}.${kept}`, "bad");
  } else if (before.task_active && !state.task_active && before.status === "pending_review" && state.status === "pending_review") {
    notice("The task has ended, so there is nothing to decide any more.", "bad");
  }
}

function isMine(before) {
  return sending || (mine !== "" && mine.startsWith(`${before.iteration} `));
}

function replacePart(part, html) {
  const next = document.createElement("template");
  next.innerHTML = html; // made on the server, cleaned there; the page's policy runs no script from it
  localTimes(next.content);
  const folds = new Map([...part.querySelectorAll("details[data-fold]")].map((d) => [d.dataset.fold, d.open]));
  for (const details of next.content.querySelectorAll("details[data-fold]")) {
    if (folds.has(details.dataset.fold)) details.open = folds.get(details.dataset.fold);
  }
  const shown = document.createElement("template");
  shown.innerHTML = part.innerHTML;
  if (shown.innerHTML === next.innerHTML) return;
  const hadFocus = part.contains(document.activeElement);
  const label = document.activeElement?.getAttribute("aria-label");
  part.replaceChildren(next.content);
  prepare(part);
  if (!hadFocus) return;
  const same = label ? [...part.querySelectorAll("[aria-label]")].find((e) => e.getAttribute("aria-label") === label) : null;
  (same ?? main.querySelector("h1"))?.focus({ preventScroll: true });
}

function prepare(root) {
  for (const heading of root.querySelectorAll("h1")) heading.tabIndex = -1; // to be focused after a decision
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
  text.value = loadDraft();
  text.addEventListener("input", saveDraft);
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
      event.preventDefault();
      if (!sending && asking === "") ask("feedback");
    }
  });
  for (const button of form.querySelectorAll("[data-action]")) {
    button.addEventListener("click", () => ask(button.dataset.action));
  }
  document.getElementById("confirm-yes").addEventListener("click", () => decide(asking));
  document.getElementById("confirm-no").addEventListener("click", cancel);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && asking !== "") cancel();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
}
draw();

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

/* Airflow shows a page in a frame that may open no window: a click on a link of an output would do nothing. Airflow's
   own document, of the same origin, may; so the click is made there. */
if (window.self !== window.top) {
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest(".hitl-markdown a[href]");
    if (!link) return;
    let outside;
    try {
      outside = window.parent.document;
    } catch {
      return; // somebody else's frame: the browser decides
    }
    event.preventDefault();
    const copy = outside.createElement("a");
    Object.assign(copy, { href: link.href, target: "_blank", rel: "noopener noreferrer nofollow" });
    outside.body.append(copy);
    copy.click();
    copy.remove();
  });
}
