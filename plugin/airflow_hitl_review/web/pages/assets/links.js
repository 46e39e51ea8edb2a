/* Airflow shows a page in a frame that may open no window: a click on a link of an output would do nothing. Airflow's
   own document, of the same origin, may; so the click is made there. */
export function openLinksOutside() {
  if (window.self === window.top) return;
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest(".hitl-markdown a[href]");
    if (!link) return;
    let outside;
    try {
      outside = window.parent.document;
    } catch {
      return; // somebody else's frame: the browser decides
    }
    event.preventDefault();
    const copy = outside.createElement("a");
    Object.assign(copy, { href: link.href, target: "_blank", rel: "noopener noreferrer nofollow" });
    outside.body.append(copy);
    copy.click();
    copy.remove();
  });
}
