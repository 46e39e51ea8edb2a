// The outputs on a review's page: how they are shown, search, quotations. What a reader chose holds for later outputs.
import { insertQuotation } from "./quoting.js";
import { serveReading } from "./reading.js";

/**
 * Serve the outputs of the page.
 *
 * @param {Element} main
 * @param {URLSearchParams} query names the review
 * @param {(html: string) => void} showLatest replaces the part of the page with the current output
 * @param {HTMLTextAreaElement | null} text where quotations go; null for who may not decide
 * @param {() => boolean} edit opens the editor, if it can
 * @returns {{ display: () => string, isChosen: () => boolean, refresh: () => void }} how the reader wants outputs to be
 *   shown, empty for the usual way; whether another view was chosen; what fetches it anew
 */
export function serveOutputs(main, query, showLatest, text, edit) {
  let chosen = { display_as: "", changes: "" };
  let number = 0;

  const refresh = async () => {
    const mine = ++number;
    const wanted = new URLSearchParams([...query, ...Object.entries(chosen).filter(([, value]) => value)]);
    let answer;
    try {
      answer = await fetch(`chat/latest?${wanted}`);
    } catch {
      return; // the next update brings it
    }
    const { html } = answer.ok ? await answer.json() : {};
    if (html !== undefined && mine === number) showLatest(html);
  };

  const reading = serveReading(main, {
    onChoice: (choice) => {
      chosen = choice;
      refresh();
    },
    onQuote: (quotation) => {
      if (text?.isConnected) insertQuotation(text, quotation);
    },
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (!(event.target instanceof Element) || event.target.closest("input, textarea, select, [contenteditable]")) return;
    if (!event.target.closest(".hitl-shown")) return; // letters for the whole page would hinder speech input (WCAG 2.1.4)
    const acts = { s: reading.search, q: reading.quote, e: edit };
    if (Object.hasOwn(acts, event.key) && acts[event.key]()) event.preventDefault();
  });

  return { display: () => chosen.display_as, isChosen: () => Boolean(chosen.display_as || chosen.changes), refresh };
}
