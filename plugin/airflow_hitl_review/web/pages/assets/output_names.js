// Which output is meant: its number and its digest.

export function nameOf({ iteration, output_sha256 }) {
  return { iteration, output_sha256 };
}

export function isSame(one, other) {
  return one.iteration === other.iteration && one.output_sha256 === other.output_sha256;
}

/** Whether a decision leaves nothing of an edit: it was made with the edit as it is, or drops it. */
export function settles(decision, edit) {
  return isSame(decision, edit) && (decision.edited_output === null || decision.edited_output === edit.text);
}

/** Text of an output of a review; null if it is not known any more. */
export function textOf(review, output) {
  if (isSame(review, output)) return review.current_output;
  const isEarlier = ({ kind, iteration }) => kind === "output" && iteration === output.iteration && iteration < review.iteration;
  return review.conversation.find(isEarlier)?.content ?? null;
}
