// Says beside the editor what has become of an edit, and what can be done with it.

/**
 * Say it, or nothing while all is well.
 *
 * @param {HTMLElement} line
 * @param {object | null} edit the edit: its output, whether the editor has it, whether it is of the output on the
 *   screen, whether a decision is being sent, and why it could not be opened
 * @param {object} state the review's
 * @param {{copy: Function, discard: Function, editCurrent: Function, goOn: Function, open: Function}} acts
 * @returns {boolean} whether something was said
 */
export function tellStanding(line, edit, state, acts) {
  const { words, choices } = standing(edit, state);
  if (line.dataset.words !== words || line.dataset.choices !== String(choices.map(([label]) => label))) {
    line.replaceChildren(words && Object.assign(document.createElement("p"), { textContent: words }), buttonsOf(choices, acts));
    line.dataset.words = words;
    line.dataset.choices = choices.map(([label]) => label);
  }
  line.hidden = words === "";
  return words !== "";
}

function standing(edit, state) {
  const copy = ["Copy the edit", "copy"];
  const discard = ["Discard the edit", "discard"];
  if (edit === null) {
    if (!state.open || !state.has_unused_edit) return { words: "", choices: [] };
    return { words: "The task did not go on with the last edit of this output.", choices: [["Go on with the edit", "goOn"]] };
  }
  const name = `Your edit of output ${edit.iteration}`;
  if (edit.failure) {
    const words = `${name} is kept, but could not be opened. ${edit.failure.message}`;
    return { words, choices: [["Try again", "open"], copy, discard] };
  }
  if (!edit.isLoaded) return { words: `${name} is being opened.`, choices: [] };
  if (!state.open && edit.isLocked) return { words: "", choices: [] }; // the answer says whether it was sent
  // The editor, below, has a button to discard the edit.
  if (!state.open) return { words: `${name} was not sent. It is kept in this tab: copy it, or discard it.`, choices: [copy] };
  if (edit.isCurrent) return { words: "", choices: [] };
  const isNext = edit.iteration !== state.iteration;
  const arrived = isNext ? `Output ${state.iteration} has arrived.` : "Another output has arrived.";
  const instead = [isNext ? `Edit output ${state.iteration} instead` : "Edit the new output instead", "editCurrent"];
  const words = `${arrived} Your edit is of ${isNext ? `output ${edit.iteration}` : "the one before"}: copy it, or discard it.`;
  return { words, choices: [copy, ...(state.editable ? [instead] : [])] };
}

function buttonsOf(choices, acts) {
  const bar = Object.assign(document.createElement("div"), { className: "buttons" });
  for (const [label, act] of choices) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
    button.addEventListener("click", acts[act]);
    bar.append(button);
  }
  bar.hidden = choices.length === 0;
  return bar;
}
