// The list that the reader came from, and which of its reviews opens after a decision: the next one, if that is wanted.

const STORED = "hitl-opens-next"; // the notebook's panel has the same choice, in its own origin
const NAMES = ["dag_id", "run_id", "task_id", "map_index"];

/** Who comes from the list goes back to it as it was: the server knows from where. After a detour the tab remembers. */
export function linkBack() {
  try {
    const back = document.getElementById("back");
    if (back.search === "") back.search = sessionStorage.getItem("hitl-inbox") ?? "";
  } catch {
    // storage is switched off
  }
}

export function opensNext() {
  try {
    return localStorage.getItem(STORED) !== "no";
  } catch {
    return true;
  }
}

/** Offer the choice, unless no other review opens where the page is. */
export function serveChoice(isOffered) {
  const box = document.getElementById("open-next");
  box.checked = opensNext();
  box.parentElement.hidden = !isOffered;
  box.addEventListener("change", () => {
    try {
      localStorage.setItem(STORED, box.checked ? "yes" : "no");
    } catch {
      // storage is switched off: the choice holds for this page alone
    }
  });
}

/**
 * @param {URLSearchParams} query names the review that is shown
 * @param {string} list the query of the list that the reader came from
 * @param {string} userId the reader
 * @returns {Promise<string>} address of the next review that waits for the reader; empty if there is none
 */
export async function following(query, list, userId) {
  const asked = new URLSearchParams(list);
  asked.set("status", "pending_review");
  asked.delete("include_ended");
  try {
    const answer = await fetch(`sessions?${asked}`, { signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) return "";
    const { sessions } = await answer.json();
    const here = sessions.findIndex((row) => NAMES.every((name) => String(row[name]) === query.get(name)));
    const others = [...sessions.slice(here + 1), ...sessions.slice(0, Math.max(here, 0))];
    const next = others.find(({ reviewers }) => !reviewers.length || reviewers.includes(userId));
    return next ? `chat?${new URLSearchParams(NAMES.map((name) => [name, next[name]]))}` : "";
  } catch {
    return "";
  }
}
