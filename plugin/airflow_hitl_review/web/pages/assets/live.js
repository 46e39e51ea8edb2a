// Keeps a page up to date: by server-sent events, or by asking now and then where something holds those back.

const HELLO_MS = 4_000; // so long the first event may take; then a proxy is taken to hold the stream back
const POLL_MS = 2_000;
const POLLS = 30; // then the stream is tried again: it may have been a busy moment
const DEAF = 2; // so often a stream may break off before its first event, while plain requests are answered
const RETRY_MS = [1_000, 2_000, 5_000, 10_000];

/**
 * @param {object} options
 * @param {string} options.events address of the stream, relative
 * @param {string} options.updates address of the answer for those who ask, relative
 * @param {URLSearchParams} options.query names what both are about
 * @param {() => string} options.version what the page has
 * @param {(update: object) => void} options.onChange
 * @param {(html: string) => void} [options.onProgress] what the task does for the next output
 * @param {(state: "live" | "asking" | "lost" | "expired" | "refused") => void} options.onState
 * @returns {{refresh: () => Promise<void>}} refresh asks at once
 */
export function follow({ events, updates, query, version, onChange, onProgress, onState }) {
  let source = null;
  let timer = 0;
  let polls = 0; // that are left; none: by events
  let deaf = 0;
  let failures = 0;
  let etag = "";
  let generation = 0;

  const address = (path, more = {}) => `${path}?${new URLSearchParams([...query, ...Object.entries(more)])}`;

  function stop() {
    generation += 1;
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  function start() {
    stop();
    if (document.hidden) return; // a page that nobody sees costs nothing; it catches up when it is seen
    if (polls > 0) poll();
    else listen();
  }

  function later(action, ms) {
    clearTimeout(timer);
    timer = setTimeout(action, ms);
  }

  function listen() {
    const mine = new EventSource(address(events, { version: version() }));
    source = mine;
    let greeted = false;
    later(() => {
      if (greeted || source !== mine) return;
      polls = POLLS;
      start();
    }, HELLO_MS);
    mine.addEventListener("hello", () => {
      greeted = true;
      failures = 0;
      deaf = 0;
      clearTimeout(timer);
      onState("live");
    });
    mine.addEventListener("change", (event) => {
      failures = 0;
      onChange(JSON.parse(event.data));
    });
    mine.addEventListener("progress", (event) => {
      failures = 0;
      onProgress?.(JSON.parse(event.data).html);
    });
    mine.addEventListener("error", () => {
      if (source !== mine) return;
      // It ended after its time, or broke off. Why, only an answer to a plain request tells.
      mine.close();
      clearTimeout(timer);
      if (!greeted) deaf += 1;
      const wait = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)];
      failures += 1;
      later(async () => {
        if (!(await ask()) || source !== mine) return;
        if (deaf >= DEAF) polls = POLLS;
        start();
      }, wait);
    });
  }

  /** Ask once. @returns {Promise<boolean>} whether to go on; if not, that is seen to elsewhere */
  async function ask() {
    const asked = generation;
    let answer;
    try {
      const headers = etag ? { "If-None-Match": etag } : {};
      answer = await fetch(address(updates), { headers, cache: "no-store", signal: AbortSignal.timeout(15_000) });
      if (answer.ok) {
        etag = answer.headers.get("ETag") ?? "";
        const update = await answer.json();
        onChange(update);
        onProgress?.(update.progress ?? "");
      }
    } catch {
      if (asked === generation) {
        onState("lost");
        retry();
      }
      return false;
    }
    if (asked !== generation) return false; // stopped, or started anew, meanwhile
    if (answer.ok || answer.status === 304) {
      failures = 0;
      return true;
    }
    if (answer.status === 401) onState("expired");
    else if (answer.status === 403) onState("refused");
    else onState("lost");
    retry();
    return false;
  }

  function retry() {
    const wait = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)];
    failures += 1;
    later(start, wait);
  }

  async function poll() {
    if (!(await ask())) return;
    onState("asking");
    polls -= 1;
    later(polls > 0 ? poll : start, POLL_MS);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) start();
    else stop();
  });
  addEventListener("online", start);
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (event) => {
    if (event.persisted) start();
  });
  start();
  return {
    async refresh() {
      if ((await ask()) && source?.readyState !== EventSource.OPEN) start();
    },
  };
}

/** Times in the reader's own zone, with the exact time as title. */
export function localTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const thisYear = at.getFullYear() === new Date().getFullYear();
    element.textContent = at.toLocaleString(undefined, {
      day: "numeric",
      month: "short",
      hour: "2-digit",
      minute: "2-digit",
      ...(thisYear ? {} : { year: "numeric" }),
    });
    element.title = at.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
  }
}

/** Says above all else how the connection is; nothing while all is well. */
export function connectionLine(element) {
  const words = {
    live: "",
    asking: "",
    lost: "Connection lost. Trying again…",
    expired: "Your login has expired.",
    refused: "You may no longer read this.",
  };
  return (state) => {
    document.documentElement.dataset.connection = state;
    if (element.dataset.state === state) return;
    element.dataset.state = state;
    element.replaceChildren(words[state]);
    if (state === "expired") {
      const link = document.createElement("a");
      link.href = loginAddress();
      link.textContent = "Log in again";
      element.append(" ", link);
    }
  };
}

/** Airflow's log-in, which leads back here. */
export function loginAddress() {
  const here = location.pathname + location.search;
  return `../api/v2/auth/login?${new URLSearchParams({ next: here })}`;
}
