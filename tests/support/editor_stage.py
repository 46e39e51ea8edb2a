"""The editor of outputs in a browser, on a page with the pages' policy and no server of ours behind it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any

from playwright.sync_api import Dialog, Locator, Page
from pydantic import BaseModel

from demo.processes import PATIENCE
from tests.support.browser import new_page

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)

PAGE = """<!doctype html>
<html lang="en">
<title>Editor</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="host.css">
<link rel="stylesheet" href="reading.css">
<link rel="stylesheet" href="editing.css">
<script type="module" src="host.js"></script>
<main><button id="before">Before</button><div id="place"></div><button id="after">After</button></main>
</html>
"""

HOST = """import { OutputEditor } from "./output_editor.js";
window.changes = 0;
window.discarded = 0;
window.shown = (html) => `<div class="hitl-output" tabindex="0" role="region" aria-label="Your edit">${html}</div>`;
window.preview = async (text) => ({ html: shown("<p>shown</p>"), changes: `<p>${text.length} characters</p>` });
window.editor = new OutputEditor({
  preview: (text) => window.preview(text),
  onChange: () => (window.changes += 1),
  onDiscard: () => (window.discarded += 1),
});
document.querySelector("#place").append(window.editor.root);
"""

PATHS = {"/": ("text/html", PAGE), "/host.js": ("text/javascript", HOST)}


def styles() -> str:
    """The style sheet of the review pages, with its variables and its rules for all inputs."""
    file = resources.files("airflow_hitl_review") / "web" / "pages" / "assets" / "page.css"
    return file.read_text(encoding="utf-8")


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        kind, text = PATHS.get(self.path, ("", ""))
        if self.path == "/host.css":
            kind, text = "text/css", styles()
        name = self.path.removeprefix("/")
        if not kind and name.endswith((".js", ".css")) and "/" not in name:
            kind = "text/css" if name.endswith("css") else "text/javascript"
            text = (resources.files("hitl_rendering") / "front_end" / name).read_text(encoding="utf-8")
        self.send_response(200 if kind else 404)
        self.send_header("Content-Type", f"{kind or 'text/plain'}; charset=utf-8")
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@dataclass
class Editor:
    """The editor on a page.

    Attributes:
        faults: script errors, refusals of the policy, dialogs, and requests to other machines.
    """

    page: Page
    faults: list[str] = field(default_factory=list)

    def on_dialog(self, dialog: Dialog) -> None:
        """Close a dialog: there is to be none."""
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    @property
    def root(self) -> Locator:
        """The editor's element."""
        return self.page.locator(".hitl-editor")

    @property
    def value(self) -> str:
        """The edited text."""
        value: str = self.page.evaluate("editor.value")
        return value

    @property
    def is_changed(self) -> bool:
        """Whether the text differs from what was opened."""
        return bool(self.page.evaluate("editor.isChanged"))

    @property
    def problem(self) -> str:
        """Why the edit cannot be sent."""
        problem: str = self.page.evaluate("editor.problem")
        return problem

    @property
    def focused(self) -> str:
        """What has the focus: its name for screen readers, about."""
        name: str = self.page.evaluate(
            """() => {
              const one = document.activeElement;
              return one.getAttribute("aria-label") ?? one.labels?.[0]?.textContent ?? one.textContent;
            }"""
        )
        return name

    def open(self, text: str, **output: Any) -> None:
        """Open a text, as a host does."""
        self.page.evaluate("output => editor.open(output)", {"text": text, "format": "json", **output})

    def open_model(self, value: BaseModel, **output: Any) -> str:
        """Open what a model says, with its schema; returns the text."""
        text = value.model_dump_json(indent=2)
        self.open(text, schema=type(value).model_json_schema(), **output)
        return text

    def errors(self, *errors: tuple[Sequence[str | int], str]) -> None:
        """Show what a server says."""
        told = [{"path": list(path), "message": message} for path, message in errors]
        self.page.evaluate("errors => editor.showErrors(errors)", told)

    def by_label(self, label: str) -> Locator:
        """The control with exactly this name."""
        return self.root.get_by_label(label, exact=True)

    def button(self, name: str) -> Locator:
        """The button with exactly this name."""
        return self.root.get_by_role("button", name=name, exact=True)


@contextmanager
def open_editor(chromium: str, *, width: int = 1100, height: int = 900) -> Iterator[Editor]:
    """The editor in a new browser."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"

    def is_ours(url: str) -> bool:
        return url.startswith((address, "data:"))

    try:
        with new_page(chromium, width=width, height=height) as page:
            editor = Editor(page)
            page.on("console", lambda said: editor.faults.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: editor.faults.append(str(error)))
            page.on("dialog", editor.on_dialog)
            page.on("request", lambda asked: None if is_ours(asked.url) else editor.faults.append(asked.url))
            page.goto(address)
            page.wait_for_function("window.editor !== undefined")
            page.set_default_timeout(10_000 * PATIENCE)
            yield editor
    finally:
        server.shutdown()
        server.server_close()


def json_text(value: Any) -> str:
    """JSON as a server has it where no type is declared."""
    return json.dumps(value, indent=2, ensure_ascii=False)
