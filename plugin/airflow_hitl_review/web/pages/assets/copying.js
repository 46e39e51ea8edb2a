// Puts an edit on the clipboard.
import { notice } from "./notices.js";

/** Copy it, and say whether that worked. */
export async function copyEdit(text) {
  if (await isCopied(text)) notice("Your edit is copied.", "good");
  else notice("The browser does not let the page copy. Select the text, and copy it yourself.", "bad");
}

async function isCopied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text); // pages without TLS have no clipboard of their own
  }
}

function copySelected(text) {
  const before = document.activeElement;
  const area = document.createElement("textarea");
  area.className = "hitl-unseen";
  area.value = text;
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  before?.focus({ preventScroll: true });
  return isCopied;
}
