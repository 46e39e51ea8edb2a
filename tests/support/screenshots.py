"""Make the pictures in ``docs/``: ``python -m tests.support.screenshots``. Needs Chromium."""

from __future__ import annotations

import tempfile
from pathlib import Path

from demo.airflow_instance import wait_until
from demo.stack import DAG_ID, ROOT, whole
from tests.support import browser


def main() -> None:
    """Light, dark and narrow, of a review in its second round."""
    chromium = browser.find_chromium()
    if chromium is None:
        raise SystemExit("No Chromium on this machine (Debian: apt-get install chromium).")
    home = Path(tempfile.mkdtemp(prefix="hitl-shots-")) / "run"
    with whole(home, with_jupyter=True) as (airflow, _, address), browser.new_page(chromium, width=1280) as page:
        runs = [airflow.trigger(DAG_ID) for _ in range(3)]
        wait_until(
            lambda: all(airflow.task_states(DAG_ID, run)["review", -1] == "awaiting_input" for run in runs),
            timeout=120,
            what="the reviews",
        )
        browser.run_notebook(page, address)
        panel = page.locator(".hitl-panel")
        panel.locator("textarea").fill("by region, as a table")
        panel.get_by_role("button", name="Request changes").click()
        panel.locator(".hitl-output td").first.wait_for()
        panel.locator("textarea").fill("Add the units, please.")
        page.wait_for_timeout(1500)
        panel.screenshot(path=ROOT / "docs" / "panel-light.png")
        page.set_viewport_size({"width": 1280, "height": 1500})
        panel.get_by_role("button", name="Show webhooks").click()
        panel.get_by_text("Output 2 ready").wait_for()
        page.wait_for_timeout(1000)
        panel.screenshot(path=ROOT / "docs" / "webhooks-light.png")
        panel.get_by_role("button", name="Hide webhooks").click()
        page.set_viewport_size({"width": 1280, "height": 1000})
        page.get_by_role("menuitem", name="Settings", exact=True).click()
        page.get_by_text("Theme", exact=True).hover()
        page.get_by_text("JupyterLab Dark", exact=True).click()
        page.wait_for_timeout(2000)
        panel.screenshot(path=ROOT / "docs" / "panel-dark.png")
        page.set_viewport_size({"width": 760, "height": 1300})
        page.wait_for_timeout(1000)
        panel.screenshot(path=ROOT / "docs" / "panel-narrow.png")


if __name__ == "__main__":
    main()
