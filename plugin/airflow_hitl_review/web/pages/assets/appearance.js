// Light or dark, before anything is drawn: as chosen in Airflow's user menu, else as the system says.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    let chosen = null;
    try {
      chosen = localStorage.getItem("theme"); // where Airflow's UI keeps the choice, on the same origin
    } catch {
      // storage is switched off
    }
    const dark = chosen === "dark" || (chosen !== "light" && system.matches);
    root.dataset.appearance = dark ? "dark" : "light";
  };
  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", (event) => {
    if (event.key === null || event.key === "theme") apply();
  });
  if (window.self !== window.top) {
    root.classList.add("framed");
    // In the tab of a task instance, Airflow has said which one it is.
    if (location.pathname.endsWith("/chat-by-task")) root.classList.add("tab");
  }
})();
