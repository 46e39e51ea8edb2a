// The form: the text, the buttons, and what takes their place: a question, or a decision that is held back.

export const form = document.getElementById("decision");
export const text = document.getElementById("feedback");
const choices = document.getElementById("choices");
const editButton = document.getElementById("edit-output");
const confirm = document.getElementById("confirm");
const yes = document.getElementById("confirm-yes");
const no = document.getElementById("confirm-no");

/**
 * @param {(action: string) => void} ask called with the decision that is wanted
 * @param {(isYes: boolean) => void} answer called with what is answered in place of the buttons
 * @param {() => void} edit called when the output is to be edited
 */
export function serveForm(ask, answer, edit) {
  editButton.addEventListener("click", edit);
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
      event.preventDefault();
      if (!event.repeat) ask("feedback");
    }
  });
  for (const button of form.querySelectorAll("[data-action]")) {
    button.addEventListener("click", () => ask(button.dataset.action));
  }
  for (const [button, isYes] of [[yes, true], [no, false]]) {
    button.addEventListener("click", (event) => {
      if (event.detail < 2) answer(isYes); // the second click of a double click was meant for what was here before
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !confirm.hidden) answer(false);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
}

/**
 * Show whether a decision is being sent, asked back or held back.
 *
 * @param {object} shown
 * @param {boolean} shown.isEdited whether an edit goes with the decision
 * @param {boolean} shown.isLastRound
 * @param {object} told the form's words, as the server has them for this review
 */
export function drawForm({ isSending, isAsked, isHeld, isEdited, isLastRound }, told) {
  const hadFocus = document.activeElement;
  for (const button of form.querySelectorAll("button")) button.disabled = isSending;
  text.readOnly = isSending || isHeld; // what is sent is what was there
  confirm.hidden = !isAsked;
  confirm.classList.toggle("held", isHeld);
  choices.classList.toggle("covered", isAsked);
  if (isAsked && choices.contains(hadFocus)) (isHeld ? no : yes).focus();
  for (const button of choices.querySelectorAll("[data-action]")) {
    const { label, effect, impossible } = wordsFor(button.dataset.action, isEdited, told);
    if (button.textContent !== label) button.textContent = label;
    button.hidden = impossible !== "";
    button.title = button.dataset.action === "feedback" ? `${effect} (Ctrl+Enter)` : effect;
  }
  if (text.placeholder !== told.placeholder) text.placeholder = told.placeholder;
  document.getElementById("hint").textContent = isLastRound ? form.dataset.lastRound : isEdited ? told.edit_hint : "";
  form.setAttribute("aria-busy", String(isSending));
}

/** The label of a decision's button, what it does, what is said while it is held back, and why it cannot be made. */
export function wordsFor(action, isEdited, told) {
  return (isEdited ? told.edit_actions : told.actions)[action];
}

/** Show whether the output can be edited, or why not; without words it is not spoken of. */
export function drawEdit({ editable, not_editable: why, form: told }, isOpen) {
  editButton.hidden = !editable && !why;
  editButton.title = isOpen ? "" : editable ? `${told.edit_effect} (e in the output)` : (why ?? "");
  editButton.textContent = isOpen ? "Show the edit" : told.edit_label;
  editButton.setAttribute("aria-disabled", String(!editable));
}

export function focusEdit() {
  const isShown = !form.hidden && !editButton.hidden;
  (isShown ? editButton : document.querySelector("main h1"))?.focus({ preventScroll: isShown });
}

/** Set what takes the place of the buttons. */
export function say(words, yesLabel, noLabel, tone) {
  document.getElementById("confirm-text").textContent = words;
  yes.textContent = yesLabel;
  no.querySelector("span").textContent = noLabel;
  document.getElementById("left").textContent = "";
  confirm.dataset.tone = tone;
}

/**
 * Say that a decision is held back.
 *
 * @param {object} decision
 * @param {object} how
 * @param {boolean} how.isEdited whether an edit goes with it
 * @param {boolean} how.isDropped whether an edit is lost by it
 * @param {boolean} how.isTooLong whether it cannot be sent when the page is left
 */
export function sayHeld({ action, iteration, text: typed }, { isEdited, isDropped, isTooLong }, told) {
  const { held, held_with_text } = wordsFor(action, isEdited, told);
  const words = (typed.trim() ? held_with_text : held).replace("{}", iteration);
  const more = `${isDropped ? "; your edit is dropped" : ""}${isTooLong ? ". Stay on this page until it is sent" : ""}`;
  say(words + more, "Send now", "Undo", { approve: "good", reject: "bad" }[action] ?? "");
}

export function sayLeft(seconds) {
  document.getElementById("left").textContent = ` (${seconds} s)`;
}
