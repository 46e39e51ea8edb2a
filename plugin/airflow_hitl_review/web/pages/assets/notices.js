// What the page tells the reviewer, beside the decision.

export function notice(words, tone = "") {
  const line = document.createElement("p");
  line.className = `notice ${tone}`.trim();
  line.textContent = words;
  document.getElementById("notices").replaceChildren(line);
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
