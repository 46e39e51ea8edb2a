// Quote a passage: select it, then press the button beside it.

const QUIET = 150; // milliseconds without a change of the selection before the button appears

/** The selected passage as a Markdown quotation, with an empty line after it; empty if nothing is selected. */
export function quotationOf(text) {
  const passage = text.replace(/\r\n?/g, "\n").replace(/^\n+|\s+$/g, "");
  if (!passage) return "";
  return `${passage
    .split("\n")
    .map((line) => `> ${line}`.trimEnd())
    .join("\n")}\n\n`;
}

/** Put a quotation after what was typed in a field, and the cursor after it. */
export function insertQuotation(field, quotation) {
  const before = field.value.trimEnd();
  field.value = (before ? `${before}\n\n` : "") + quotation;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
  field.setSelectionRange(field.value.length, field.value.length);
  field.scrollTop = field.scrollHeight;
}

/** Offer to quote what is selected in the outputs inside an element. */
export function watchSelection(root, onQuote) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "hitl-tool hitl-quote";
  button.textContent = "Quote";
  button.title = "Quote this in your feedback (q)";
  let timer = 0;

  const selected = () => {
    const selection = getSelection();
    if (!selection?.rangeCount || selection.isCollapsed) return null;
    const range = selection.getRangeAt(0);
    const inside = range.commonAncestorContainer;
    const element = inside instanceof Element ? inside : inside.parentElement;
    const output = element?.closest(".hitl-output, .hitl-diff");
    return output && root.contains(output) ? { selection, range, box: output.parentElement } : null;
  };

  const quote = () => {
    const found = selected();
    const quotation = found ? quotationOf(found.selection.toString()) : "";
    button.remove();
    if (!quotation) return false;
    found.selection.removeAllRanges();
    onQuote(quotation);
    return true;
  };

  const offer = () => {
    const found = selected();
    if (!found) {
      button.remove();
      return;
    }
    const lines = found.range.getClientRects();
    const last = lines[lines.length - 1];
    if (!last) return;
    found.box.append(button);
    const box = found.box.getBoundingClientRect();
    const left = Math.min(Math.max(last.right - box.left, 0), box.width - button.offsetWidth);
    button.style.left = `${left}px`;
    button.style.top = `${Math.min(last.bottom - box.top + 4, box.height)}px`;
  };

  const onSelection = () => {
    clearTimeout(timer);
    timer = setTimeout(offer, QUIET);
  };
  const keepSelection = (event) => event.preventDefault();
  button.addEventListener("mousedown", keepSelection);
  button.addEventListener("click", quote);
  document.addEventListener("selectionchange", onSelection);
  return {
    quote,
    close: () => {
      clearTimeout(timer);
      button.remove();
      document.removeEventListener("selectionchange", onSelection);
    },
  };
}
