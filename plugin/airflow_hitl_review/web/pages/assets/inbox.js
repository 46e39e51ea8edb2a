// The list of reviews: what changes appears by itself, and filters apply as they are chosen.
import { connectionLine, follow, localTimes } from "./live.js";

const list = document.getElementById("list");
const filters = document.getElementById("filters");
const TYPING_MS = 300;
const show = connectionLine(document.getElementById("connection"));
let version = document.getElementById("inbox").dataset.version;
let asked = 0;
let typed = 0; // the timer of the search field
let isTyping = false; // whether the last step in the browser's history is of the search field

localTimes(document);
remember();

function remember() {
  try {
    sessionStorage.setItem("hitl-inbox", location.search); // the way back from a review leads to the same list
  } catch {
    // storage is switched off
  }
}

async function replace(address, { fresh }) {
  asked += 1;
  const mine = asked;
  let answer;
  try {
    answer = await fetch(address, { cache: fresh ? "no-store" : "default", signal: AbortSignal.timeout(30_000) });
  } catch {
    show("lost");
    return;
  }
  if (mine !== asked) return; // an older answer than what was asked for since
  if (answer.redirected) return show("expired");
  if (!answer.ok) return show(answer.status === 403 ? "refused" : "lost");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const next = page.getElementById("list");
  if (next === null || mine !== asked) return;
  localTimes(next);
  if (next.innerHTML === list.innerHTML) return;
  const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  list.replaceChildren(...next.childNodes);
  if (focused !== null) {
    const same = [...list.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused);
    (same ?? list.querySelector("a.row"))?.focus({ preventScroll: true });
  }
}

filters.addEventListener("submit", (event) => {
  event.preventDefault();
  apply();
});
filters.addEventListener("change", () => apply());
filters.elements.q.addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => apply({ typing: true }), TYPING_MS);
});
filters.querySelector("button").hidden = true; // for those without this script

/** Show what the filters ask for. While somebody types, that is one step back in the browser's history, not many. */
function apply({ typing = false } = {}) {
  clearTimeout(typed);
  const kept = [...new FormData(filters)].filter(([name, value]) => value && !(name === "order_by" && value === "-updated_at"));
  const query = new URLSearchParams(kept).toString();
  const address = query ? `inbox?${query}` : "inbox";
  if (new URL(address, location.href).href === location.href) return; // Enter in the search field tells it twice
  if (typing && isTyping) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  isTyping = typing;
  remember();
  replace(location.href, { fresh: false });
}

addEventListener("popstate", () => location.reload());

follow({
  events: "inbox/events",
  updates: "inbox/updates",
  query: new URLSearchParams(),
  version: () => version,
  onChange(update) {
    if (update.version === version) return;
    version = update.version;
    // Many open lists do not ask in the same moment.
    setTimeout(() => replace(location.href, { fresh: true }), Math.random() * 500);
  },
  onState: show,
});
