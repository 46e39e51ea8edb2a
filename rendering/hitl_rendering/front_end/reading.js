// What a reader can do with an output, in the panel and on the page alike: choose how it is shown, search in it, sort and
// filter its tables, load its images, quote from it.
import { closeSearch, openSearch } from "./output_search.js";
import { prepareTable } from "./tables.js";
import { watchSelection } from "./quoting.js";

const REMEMBERED = "hitl-display:";

/**
 * Serve all outputs inside an element, also those that appear later.
 *
 * @param {Element} root
 * @param {(choice: {display_as: string, changes: string}) => void} onChoice called when the reader wants another view:
 *   a kind (empty for the usual one), and how changes are shown.
 * @param {(quotation: string) => void} onQuote called with what is quoted, as Markdown.
 * @returns {{ search: () => boolean, quote: () => boolean, close: () => void }}
 */
export function serveReading(root, { onChoice, onQuote }) {
  const quoting = watchSelection(root, onQuote);
  const prepare = () => {
    for (const table of root.querySelectorAll(".hitl-table:not([data-ready])")) prepareTable(table);
    for (const box of root.querySelectorAll(".hitl-shown:not([data-ready])")) prepareBox(box, (select) => onChoice(choiceOf(root, select)));
  };
  const observer = new MutationObserver(prepare);
  observer.observe(root, { childList: true, subtree: true });
  const onClick = (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (button?.classList.contains("hitl-load")) loadImages(button);
    else if (button?.classList.contains("hitl-find")) openSearch(button.closest(".hitl-shown"));
  };
  const onChange = (event) => {
    const select = event.target instanceof Element ? event.target.closest("select[data-choice]") : null;
    if (!select || !root.contains(select)) return;
    remember(select);
    onChoice(choiceOf(root, select));
  };
  root.addEventListener("click", onClick);
  root.addEventListener("change", onChange);
  prepare();
  return {
    search: () => openSearch(root.querySelector(".hitl-shown:has(.hitl-output)")),
    quote: quoting.quote,
    close: () => {
      observer.disconnect();
      quoting.close();
      closeSearch();
      root.removeEventListener("click", onClick);
      root.removeEventListener("change", onChange);
    },
  };
}

// --- the view

function prepareBox(box, choose) {
  box.dataset.ready = "";
  for (const tool of box.querySelectorAll(".hitl-tools")) tool.hidden = false;
  let changed = null;
  for (const select of box.querySelectorAll("select[data-choice]")) {
    const wanted = remembered(select);
    const has = [...select.options].some((option) => option.value === wanted);
    if (wanted === null || !has || wanted === select.dataset.chosen) continue;
    select.value = wanted;
    changed ??= select;
  }
  if (changed) choose(changed);
}

/** What is chosen: in `select`, and in the first of those for other choices. */
function choiceOf(root, select) {
  const selectOf = (name) => (select.dataset.choice === name ? select : root.querySelector(`select[data-choice="${name}"]`));
  const value = (name) => selectOf(name)?.value ?? "";
  return { display_as: value("display_as"), changes: value("changes") };
}

/** How an output is shown is remembered for its task; how changes are shown, for all. */
function keyOf(select) {
  const { choice, task } = select.dataset;
  return `${REMEMBERED}${choice}:${task ?? ""}`;
}

function remembered(select) {
  try {
    return localStorage.getItem(keyOf(select));
  } catch {
    return null; // storage is switched off
  }
}

function remember(select) {
  try {
    if (select.value) localStorage.setItem(keyOf(select), select.value);
    else localStorage.removeItem(keyOf(select));
  } catch {
    // storage is switched off or full: the choice holds for this output
  }
}

// --- images

/** Load all images of the button's host in this output; until then nobody outside learns that it is read. */
function loadImages(button) {
  const { host } = button.dataset;
  const output = button.closest(".hitl-output, .hitl-markdown");
  const alike = [...output.querySelectorAll("button.hitl-load")].filter((one) =>
    host ? one.dataset.host === host : one === button,
  );
  for (const one of alike) {
    const image = document.createElement("img");
    image.referrerPolicy = "no-referrer";
    image.alt = one.dataset.alt;
    image.className = "hitl-loaded";
    image.addEventListener("error", () => {
      image.replaceWith(Object.assign(document.createElement("em"), { textContent: `[image not available: ${one.dataset.alt}]` }));
    });
    image.src = one.dataset.src;
    one.closest(".hitl-image").replaceChildren(image);
  }
}
