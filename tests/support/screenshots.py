"""Make the pictures in ``docs/pictures``: ``python -m tests.support.screenshots``. Needs Chromium.

All are of the live product: Airflow with the demo's DAGs, and JupyterLab.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Locator, Page, ViewportSize, expect

from demo.airflow_instance import AirflowInstance
from demo.processes import wait_until
from demo.stack import ROOT, USER, whole
from hitl_notebook import Client
from tests.support import browser

PICTURES = ROOT / "docs" / "pictures"

WIDE: ViewportSize = {"width": 1240, "height": 2200}
HALF: ViewportSize = {"width": 620, "height": 3200}


def main() -> None:
    """The empty state, the inbox, a session with a difference, a bulk run, an error, the webhooks."""
    chromium = browser.find_chromium()
    if chromium is None:
        raise SystemExit("No Chromium on this machine (Debian: apt-get install chromium).")
    PICTURES.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="hitl-shots-")) / "run"
    with whole(home, with_jupyter=True) as (airflow, _, address), browser.new_page(chromium) as page:
        client = Client(airflow.url, username=USER, password=USER)
        page.set_viewport_size(WIDE)
        browser.run_notebook(page, address)
        page.keyboard.press("Control+b")  # JupyterLab's side bar
        panel = page.locator(".hitl-panel")
        shoot(page, "empty", wait_for=panel.get_by_text("Nothing waits for a review"))

        for dag_id in ("descriptions_review", "figures_review", "report_review", "report_review"):
            airflow.trigger(dag_id)
        wait_until(lambda: waiting(airflow, client) == 15, timeout=240, what="15 reviews")
        panel.get_by_role("button", name="Refresh", exact=True).click()
        expect(panel.locator(".hitl-row")).to_have_count(15)
        shoot(page, "inbox", wait_for=panel.locator(".hitl-row").first)

        panel.locator(".hitl-row", has_text="report_review").first.click()
        form = panel.locator(".hitl-session .hitl-form").last
        form.locator("textarea").fill("by region, as a table")
        form.get_by_role("checkbox", name="Then open the next").uncheck()
        form.get_by_role("button", name="Request changes").click()
        form.get_by_role("button", name="Send now").click()
        panel.locator(".hitl-diff ins").first.wait_for()
        form.locator("textarea").fill("Add the units, please.")
        shoot(page, "session", wait_for=panel.locator(".hitl-output td").first)

        panel.get_by_role("button", name="Show webhooks").click()
        panel.get_by_text("Output 2 ready").wait_for()
        page.wait_for_timeout(1000)
        panel.screenshot(path=PICTURES / "webhooks-light.png")
        panel.get_by_role("button", name="Hide webhooks").click()

        conflict(client, "report_review")
        form.get_by_role("button", name="Reject", exact=True).click()
        form.get_by_role("button", name="Send now").click()
        shoot(page, "error", wait_for=panel.get_by_text("Your decision was not taken"))

        boxes = panel.locator(".hitl-row", has_text="descriptions_review").locator("input[type=checkbox]")
        for number in range(5):
            boxes.nth(number).check()
        conflict(client, "descriptions_review")
        several = panel.locator(".hitl-bulk")
        several.get_by_role("button", name="Approve 5", exact=True).click()
        several.locator(".hitl-confirm").get_by_role("button", name="Approve 5").click()
        several.locator(".hitl-results, .hitl-notice").first.wait_for()
        for number in range(5, 8):
            boxes.nth(number).scroll_into_view_if_needed()
        shoot(page, "bulk", wait_for=several.locator(".hitl-results li").first)


def waiting(airflow: AirflowInstance, client: Client) -> int:
    """How many wait for a decision, and are parked."""
    page = client.sessions(status="pending_review", limit=200)
    return sum(row.task_state == "awaiting_input" for row in page)


def conflict(client: Client, dag_id: str) -> None:
    """Somebody else decides about the first that is listed."""
    client.approve(next(iter(client.sessions(status="pending_review", dag_id=dag_id))))


def shoot(page: Page, name: str, *, wait_for: Locator) -> None:
    """A picture in each theme, and one at half width."""
    wait_for.wait_for()
    panel = page.locator(".hitl-panel")
    page.mouse.move(2, 2)
    page.wait_for_timeout(1500)
    panel.screenshot(path=PICTURES / f"{name}-light.png")
    page.set_viewport_size(HALF)
    page.wait_for_timeout(1500)
    panel.screenshot(path=PICTURES / f"{name}-half.png")
    page.set_viewport_size(WIDE)
    theme(page, "JupyterLab Dark")
    panel.screenshot(path=PICTURES / f"{name}-dark.png")
    theme(page, "JupyterLab Light")


def theme(page: Page, name: str) -> None:
    """Change JupyterLab's theme."""
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.get_by_text("Theme", exact=True).hover()
    page.get_by_text(name, exact=True).click()
    page.mouse.move(2, 2)
    page.wait_for_timeout(1500)


if __name__ == "__main__":
    main()
