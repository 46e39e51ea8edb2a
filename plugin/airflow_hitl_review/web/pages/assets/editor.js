// Loads the editor of outputs when it is wanted: most reviews are decided without.

const STYLE = "assets/editing.css";

/** @returns {Promise<OutputEditor>} */
export async function makeEditor(host) {
  const [{ OutputEditor }] = await Promise.all([import("./output_editor.js"), style()]);
  return new OutputEditor(host);
}

function style() {
  if (document.querySelector(`link[href="${STYLE}"]`)) return null;
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: STYLE });
  return new Promise((resolve, reject) => {
    link.addEventListener("load", resolve);
    link.addEventListener("error", () => {
      link.remove();
      reject(new Error("The editor could not be loaded."));
    });
    document.head.append(link);
  });
}
