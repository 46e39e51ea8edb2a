// What the page tells the reviewer, beside the decision.

/** Say something; no words clear it. `offer`: the label of a button beside it, and what that does. */
export function notice(words, tone = "", offer = null) {
  const line = document.createElement("p");
  line.className = `notice ${tone}`.trim();
  line.textContent = words;
  if (offer) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: offer[0] });
    button.addEventListener("click", offer[1]);
    line.append(" ", button);
  }
  document.getElementById("notices").replaceChildren(...(words ? [line] : []));
}

export function problem(words, link = null) {
  const line = document.getElementById("problem");
  line.replaceChildren(words);
  if (link !== null) line.append(" ", link);
  line.hidden = words === "";
}

/** Words for the page that is opened next. */
export function tellNext(words) {
  try {
    sessionStorage.setItem("hitl-told", words);
  } catch {
    // storage is switched off
  }
}

/** Show what the page before has left. */
export function told() {
  try {
    const words = sessionStorage.getItem("hitl-told");
    sessionStorage.removeItem("hitl-told");
    if (words) notice(words, "good");
  } catch {
    // storage is switched off
  }
}
