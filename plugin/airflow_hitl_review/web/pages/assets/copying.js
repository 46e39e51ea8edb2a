// Puts a text on the clipboard.

/** @returns {Promise<boolean>} whether it is there */
export async function copyText(text) {
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
