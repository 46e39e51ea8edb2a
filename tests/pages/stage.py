"""The pages on a real API server, in a browser."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from demo.processes import PATIENCE
from tests.support import browser
from tests.support.api_server import DAG_ID, TASK_ID, ReviewServer, search_path

WAIT = 15_000.0 * PATIENCE
"""Milliseconds."""

UNMAPPED_DAG_ID = "json_review"


@dataclass(frozen=True)
class Key:
    """Names a review."""

    dag_id: str
    run_id: str
    task_id: str = TASK_ID
    map_index: int = 0

    @property
    def query(self) -> str:
        """The key as a query string."""
        return urlencode(self.params)

    @property
    def params(self) -> dict[str, Any]:
        """The key as parameters for ``requests``."""
        return {
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "task_id": self.task_id,
            "map_index": self.map_index,
        }


@dataclass
class Stage:
    """Reviews of a simulated worker on a running server.

    Attributes:
        prefix: path prefix of the server.
    """

    server: ReviewServer
    seeder: subprocess.Popen[str]
    prefix: str = ""

    def make(self, *reviews: dict[str, Any], mapped: bool = True) -> list[Key]:
        """Create a run with these reviews, see ``tests.support.seed_pages``."""
        dag_id = DAG_ID if mapped else UNMAPPED_DAG_ID
        run_id = self._do("make", dag_id, reviews)
        return [Key(dag_id, run_id, TASK_ID, index if mapped else -1) for index in range(len(reviews))]

    def one(self, *, mapped: bool = True, **review: Any) -> Key:
        """Create one review."""
        return self.make({"outputs": ["# Draft\n\nThe first draft."], **review}, mapped=mapped)[0]

    def next_output(self, key: Key, output: str) -> None:
        """Store the next output, as the worker does."""
        self._do("next", list(key.params.values()), output)

    def refuse_edit(self, key: Key, error: str, kind: str = "edit") -> None:
        """Give the review back, as the worker does when it cannot go on with the edit; see ``seed_pages``."""
        self._do("refuse", list(key.params.values()), error, kind)

    def set_state(self, key: Key, state: str) -> None:
        """Change the state of the task instance."""
        self._do("state", list(key.params.values()), state)

    def tell(self, key: Key, **progress: Any) -> None:
        """Say what the task does just now, as the worker does; nothing deletes it."""
        self._do("tell", list(key.params.values()), progress or None)

    def drop(self, key: Key) -> None:
        """Delete the session."""
        self._do("drop", list(key.params.values()))

    def address(self, path: str) -> str:
        """Address of one of our pages, such as ``inbox``."""
        return f"{self.server.airflow.url}/hitl-review/{path}"

    def chat(self, key: Key) -> str:
        """Address of a review's page."""
        return self.address(f"chat?{key.query}")

    def find(self, key: Key) -> Any:
        """The review over REST."""
        return self.server.call("GET", "/sessions/find", params=key.params).json()

    def decide(self, key: Key, action: str, *, user: str = "admin", **body: Any) -> requests.Response:
        """Decide a review over REST."""
        return self.server.call("POST", f"/sessions/{action}", user=user, params=key.params, json=body)

    def _do(self, *command: Any) -> str:
        assert self.seeder.stdin is not None
        assert self.seeder.stdout is not None
        self.seeder.stdin.write(json.dumps(command) + "\n")
        self.seeder.stdin.flush()
        for line in self.seeder.stdout:
            if line.startswith("done "):
                return line.removeprefix("done ").rstrip("\n")
        raise RuntimeError((self.server.airflow.home / "seed_pages.log").read_text(errors="replace")[-3000:])


@contextmanager
def stage_on(server: ReviewServer) -> Iterator[Stage]:
    """Start the process that creates reviews."""
    with (server.airflow.home / "seed_pages.log").open("ab") as log:
        seeder = subprocess.Popen(
            [sys.executable, "-m", "tests.support.seed_pages"],
            env=server.airflow.env | {"PYTHONPATH": search_path()},
            cwd=server.airflow.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        yield Stage(server, seeder)
    finally:
        for pipe in (seeder.stdin, seeder.stdout):
            if pipe is not None:
                pipe.close()
        seeder.wait(30)


@dataclass
class People:
    """Logged-in people, each with their own browser session.

    Attributes:
        dialogs: messages of all alert boxes and other dialogs.
        foreign: addresses of all requests to other machines.
        errors: script and policy errors of the pages; not failed loading, which tests cause themselves.
    """

    stage: Stage
    chromium: Browser
    dialogs: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    _contexts: list[BrowserContext] = field(default_factory=list)

    def page(self, user: str | None = "ann", *, opens_next: bool = False, **options: Any) -> Page:
        """A page of a new browser session.

        Args:
            user: who is logged in; nobody if None.
            opens_next: whether the next review opens after a decision.
            options: of the browser context.
        """
        options = {"viewport": {"width": 1200, "height": 900}, **options}
        context = self.chromium.new_context(**options)
        self._contexts.append(context)
        if user is not None:
            self.log_in(context, user)
        if not opens_next:
            context.add_init_script("try { localStorage['hitl-opens-next'] ??= 'no'; } catch {}")
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("dialog", self._on_dialog)
        page.on("request", lambda request: self._on_request(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda line: self._on_console(line.type, line.text))
        return page

    def log_in(self, context: BrowserContext, user: str, token: str | None = None) -> None:
        """Set the cookie that Airflow's login sets."""
        value = token or self.stage.server.token(user)
        context.add_cookies([{"name": "_token", "value": value, "url": self.stage.server.airflow.url + "/"}])

    def close(self) -> None:
        """Close all browsers."""
        while self._contexts:
            self._contexts.pop().close()

    def _on_dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _on_console(self, kind: str, text: str) -> None:
        if kind == "error" and not text.startswith("Failed to load resource"):
            self.errors.append(text)

    def _on_request(self, url: str) -> None:
        if not url.startswith((self.stage.server.airflow.url, "data:", "blob:")):
            self.foreign.append(url)


@contextmanager
def open_chromium(path: str) -> Iterator[Browser]:
    """A headless browser."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=browser.ARGUMENTS)
        expect.set_options(timeout=WAIT)
        try:
            yield chromium
        finally:
            chromium.close()


def unreachable(route: Route) -> None:
    """Route handler for requests while the connection is lost."""
    route.abort("connectionfailed")


def picture(page: Page, name: str, folder: Path) -> None:
    """Take a screenshot."""
    page.screenshot(path=folder / f"{name}.png")
