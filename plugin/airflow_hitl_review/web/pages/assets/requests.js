// Requests about a review, and what is said when one fails.
import { loginAddress } from "./live.js";

/** Why a request was not answered as it should. */
export class RefusedError extends Error {
  /**
   * @param {string} words
   * @param {number} status 0: the server did not answer
   */
  constructor(words, status = 0) {
    super(words);
    this.status = status;
  }

  /** A link that helps, or null. */
  get link() {
    if (this.status !== 401) return null;
    const link = document.createElement("a");
    link.href = loginAddress();
    link.textContent = "Log in again";
    return link;
  }
}

/** Words of an answer that is no success. */
export function wordsOf(status, { detail } = {}) {
  if (status === 401) return "Your login has expired.";
  return typeof detail === "string" ? detail : (detail?.message ?? detail?.[0]?.msg ?? `The server answered ${status}.`);
}

/** The review with its texts, which the page's updates leave out. */
export function wholeReview(query) {
  return json(`sessions/find?${query}`, { cache: "no-store" });
}

/** An edit as outputs are shown, and what was changed by hand, both as HTML. */
export function previewOf(query, text, displayAs) {
  return json(`chat/preview?${query}`, post({ edited_output: text, display_as: displayAs }));
}

export function post(body) {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

async function json(address, options) {
  let answer;
  try {
    answer = await fetch(address, { ...options, signal: AbortSignal.timeout(30_000) });
  } catch {
    throw new RefusedError("The server did not answer.");
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new RefusedError(wordsOf(answer.status, body), answer.status);
  return body;
}
