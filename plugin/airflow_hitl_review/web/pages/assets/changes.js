// What has changed about a review, in words.
import { isSame } from "./output_names.js";

/**
 * What has changed since.
 *
 * @param {object} before the review's state before
 * @param {object} state and now
 * @param {object} reader
 * @param {string} reader.me the reader's id
 * @param {boolean} reader.isMine whether the decision was made on this page
 * @param {boolean} reader.hasWritten whether something is typed that was not sent
 * @param {boolean} reader.isDropped whether a decision was about to be sent
 * @returns {[string, string] | null} words and their tone
 */
export function changeWords(before, state, { me, isMine, hasWritten, isDropped }) {
  const dropped = isDropped ? " Nothing was sent." : "";
  const unsent = hasWritten ? " What you wrote was not sent; it is kept in this tab." : dropped;
  if (state.open && !isSame(before, state)) {
    return [`Output ${state.iteration} is here.${dropped}${hasWritten ? " What you wrote is kept." : ""}`, "new"];
  }
  if (!before.open && state.open && state.has_unused_edit) {
    return [`The task did not go on with the edit of output ${state.iteration}. Decide again, or go on with the edit.`, "bad"];
  }
  if (before.open && !state.open && state.decided_by !== null && !isMine) {
    const isMe = state.decided_by_id === me;
    const who = isMe ? "You have decided" : `${state.decided_by} was faster`;
    return [`${who}: ${state.words.toLowerCase()}.${unsent}`, isMe ? "" : "bad"];
  }
  if (before.open && !state.open && state.ended_because) return [`${state.words}: ${state.ended_because}.${unsent}`, ""];
  const isPending = before.status === "pending_review" && state.status === "pending_review";
  if (isPending && before.task_active && !state.task_active) {
    return [`The task has ended, so there is nothing to decide any more.${dropped}`, "bad"];
  }
  return null;
}

/** Whether an update is older than what is shown: another API server process may learn of a decision later. */
export function isOlder(order, than) {
  if (!order || !than) return false;
  return order[0] < than[0] || (order[0] === than[0] && order[1] < than[1]);
}
