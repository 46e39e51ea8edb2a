"""Make the film in ``docs/pictures``: ``python -m tests.support.film``.

It is of the live product. Needs Chromium, and Python 3.13 for an Airflow with the AI provider.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Locator, expect

from demo.stack import ROOT
from tests.notebook.lab import feedback, press, row, session_form
from tests.support import browser
from tests.support.film.camera import HEIGHT, SCALE, WIDTH, Camera
from tests.support.film.stage import open_notebook, stage, start_reviews

FILM = ROOT / "docs" / "pictures" / "film.webp"

QUOTED = "The best month was 2026-03"


def main() -> None:
    """Film a reviewer."""
    chromium = browser.find_chromium()
    if chromium is None:
        raise SystemExit("No Chromium on this machine (Debian: apt-get install chromium).")
    home = Path(tempfile.mkdtemp(prefix="hitl-film-")) / "run"
    with (
        stage(home) as (airflow, address),
        browser.new_page(chromium, width=WIDTH, height=HEIGHT, scale=SCALE) as page,
    ):
        start_reviews(airflow)
        open_notebook(page, address)
        camera = Camera(page)
        play(camera)
    camera.save(FILM)
    print(f"{FILM.name}: {camera.seconds:.1f} s, {FILM.stat().st_size:,} bytes")  # noqa: T201


def play(camera: Camera) -> None:
    """What is to be seen, scene by scene; after a decision the panel opens the next review."""
    panel = camera.page.locator(".hitl-tab .hitl-panel")
    open_panel(camera, panel)
    ask_for_changes(camera, panel)
    edit(camera, panel)
    answer(camera, panel)
    sort(camera, panel)
    camera.caption = "The agent has made the call with your argument, and reports"
    camera.hold(1.2)
    decide(camera, panel, "Approve", then="report_review")
    see_changes(camera, panel)
    camera.caption = "Nothing waits any more: the tasks go on with what you decided"
    camera.hold(2.5)


def open_panel(camera: Camera, panel: Locator) -> None:
    """Run the notebook's cell."""
    camera.caption = "A cell of a notebook shows what waits in Airflow for your decision"
    camera.hold(0.8)
    camera.click(camera.page.locator("[data-command='notebook:run-cell-and-select-next']"))
    expect(panel.locator(".hitl-row")).to_have_count(4)
    camera.hold(1.5)


def ask_for_changes(camera: Camera, panel: Locator) -> None:
    """Quote from a report."""
    camera.click(row(panel, "report_review"))
    output = panel.locator(".hitl-session .hitl-output")
    expect(output).to_contain_text(QUOTED)
    camera.caption = "Quote a passage, and say what should change"
    camera.hold(1.2)
    camera.select(output, QUOTED)
    quote = panel.get_by_role("button", name="Quote", exact=True)
    quote.wait_for()
    camera.hold(0.3)
    camera.click(quote)
    expect(feedback(panel)).to_be_focused()
    camera.hold(0.3)
    camera.type("And by region? As a table, please.")
    decide(camera, panel, "Request changes", then="expense_claims")


def edit(camera: Camera, panel: Locator) -> None:
    """Put an expense into the right category."""
    camera.caption = "Edit an output, and approve the edit"
    camera.hold(1.0)
    press_on(camera, panel, "Edit")
    category = panel.locator(".hitl-editor").get_by_label("Category, row 1 of Expenses")
    category.wait_for()
    camera.hold(0.8)
    camera.click(category)
    category.select_option(label="travel")
    decide(camera, panel, "Approve the edit", then="support_agent")


def answer(camera: Camera, panel: Locator) -> None:
    """Change what an agent wants to pay back."""
    camera.caption = "An agent asks before it calls a tool: change an argument, and let it go on"
    camera.hold(1.5)
    press_on(camera, panel, "Answer in detail")
    amount = panel.locator(".hitl-editor").get_by_label("amount", exact=True)
    amount.wait_for()
    camera.hold(0.5)
    camera.click(amount, clicks=2)
    camera.type("10.25")
    decide(camera, panel, "Send the answers", then="late_orders")


def sort(camera: Camera, panel: Locator) -> None:
    """Look at the latest orders first."""
    camera.caption = "Records are a table, which sorts and filters"
    camera.hold(1.0)
    heading = panel.locator(".hitl-output th", has_text="days_late")
    for arrow in ("↑", "↓"):
        camera.click(heading)
        expect(heading).to_contain_text(arrow)
        camera.hold(0.4)
    for dag_id in ("support_agent", "report_review"):  # both are there again meanwhile
        expect(row(panel, dag_id)).to_contain_text("Waiting for you")
    decide(camera, panel, "Approve", then="support_agent")


def see_changes(camera: Camera, panel: Locator) -> None:
    """Approve the report that was asked for."""
    camera.caption = "The next report is there, with what has changed"
    camera.hold(1.0)
    changes = panel.locator(".hitl-diff")
    box = changes.bounding_box()
    assert box is not None
    camera.scroll(box["y"] - 120)
    expect(changes.locator("td").first).to_be_in_viewport()
    camera.hold(2.0)
    decide(camera, panel, "Approve", then="report_review")
    expect(panel.locator(".hitl-count")).to_have_text("0 waiting")


def press_on(camera: Camera, panel: Locator, name: str) -> None:
    """Press a button of the form below the open review."""
    camera.click(session_form(panel).get_by_role("button", name=name, exact=True))


def decide(camera: Camera, panel: Locator, name: str, *, then: str) -> None:
    """Press such a button, and wait until the decision has been sent, and the review of this DAG is shown."""
    form = session_form(panel)
    expect(form.get_by_role("button", name=name, exact=True)).to_be_enabled()
    camera.hold(0.2)
    press_on(camera, panel, name)
    expect(form.get_by_role("button", name="Undo")).to_be_visible()
    camera.hold(0.6)
    press(panel, "Send now")
    expect(form.get_by_role("button", name="Undo")).to_be_hidden()
    expect(panel.locator(".hitl-name")).to_contain_text(then)
    expect(panel.locator(".hitl-notice.success").first).to_be_visible()


if __name__ == "__main__":
    main()
