// The parts of a review's page that change.
import { localTimes } from "./live.js";

/** Replace one part of the page; what is unfolded and where the focus is stay. */
export function replacePart(part, html) {
  const next = document.createElement("template");
  next.innerHTML = html; // made on the server, cleaned there; the page's policy runs no script from it
  localTimes(next.content);
  const folds = new Map([...part.querySelectorAll("details[data-fold]")].map((d) => [d.dataset.fold, d.open]));
  for (const details of next.content.querySelectorAll("details[data-fold]")) {
    if (folds.has(details.dataset.fold)) details.open = folds.get(details.dataset.fold);
  }
  const shown = document.createElement("template");
  shown.innerHTML = part.innerHTML;
  if (shown.innerHTML === next.innerHTML) return;
  const hadFocus = part.contains(document.activeElement);
  const label = document.activeElement?.getAttribute("aria-label");
  part.replaceChildren(next.content);
  prepare(part);
  if (!hadFocus) return;
  const same = label ? [...part.querySelectorAll("[aria-label]")].find((e) => e.getAttribute("aria-label") === label) : null;
  (same ?? document.querySelector("main h1"))?.focus({ preventScroll: true });
}

export function prepare(root) {
  for (const heading of root.querySelectorAll("h1")) heading.tabIndex = -1; // to be focused after a decision
}
