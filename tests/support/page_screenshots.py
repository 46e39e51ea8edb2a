"""Make the pictures of the pages in ``docs/pictures``: ``python -m tests.support.page_screenshots``.

All are of the live product: Airflow with the demo's DAGs. Light, dark, and at the width of a phone. Needs Chromium.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser, Page, expect, sync_playwright

from demo.airflow_instance import AirflowInstance
from demo.processes import wait_until
from demo.stack import DAG_ID, ROOT, USER, whole
from hitl_notebook import Client
from tests.support import browser

PICTURES = ROOT / "docs" / "pictures"
WAYS = {"light": (1180, "light"), "dark": (1180, "dark"), "narrow": (400, "light")}


def main() -> None:
    """A review in its second round, an error, the list, and both in Airflow's own UI."""
    chromium = browser.find_chromium()
    if chromium is None:
        raise SystemExit("No Chromium on this machine (Debian: apt-get install chromium).")
    home = Path(tempfile.mkdtemp(prefix="hitl-shots-")) / "run"
    with whole(home, with_jupyter=False) as (airflow, _, _), sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=browser.ARGUMENTS)
        client = Client(airflow.url, username=USER, password=USER)
        run_id = airflow.trigger(DAG_ID)
        for dag_id in ("figures_review", "descriptions_review"):
            airflow.trigger(dag_id)
        wait_until(lambda: parked(client) == 14, timeout=240, what="14 reviews")
        (review,) = client.sessions(dag_id=DAG_ID)
        client.request_changes(client.find(review), "by region, as a table")
        client.wait_for(review, until="output", timeout=120)
        wait_until(lambda: parked(client) == 14, timeout=60, what="the second output")
        query = f"dag_id={DAG_ID}&run_id={quote(run_id, safe='')}&task_id=review"
        ours, task = f"{airflow.url}/hitl-review", f"{airflow.url}/dags/{DAG_ID}/runs/{quote(run_id)}/tasks/review"
        shoot(running, airflow, "page-review", f"{ours}/chat?{query}", typing)
        shoot(running, airflow, "page-inbox", f"{ours}/inbox", lambda page: page.locator(".row").first.wait_for())
        shoot(running, airflow, "page-tab", task, tab, ways=("light", "dark"))
        shoot(running, airflow, "page-required-actions", f"{airflow.url}/required_actions", forms, ways=("light",))
        client.approve(client.find(review))
        running.close()


def parked(client: Client) -> int:
    """How many wait for a decision."""
    page = client.sessions(status="pending_review", limit=200)
    return sum(row.task_state == "awaiting_input" for row in page)


def typing(page: Page) -> None:
    """Somebody writes."""
    page.get_by_label("Your feedback").fill("Add the units, please.")
    page.locator(".hitl-diff ins").first.wait_for()


def tab(page: Page) -> None:
    """Open the review's tab."""
    page.get_by_role("link", name="Review", exact=True).first.click()
    page.frame_locator("iframe").get_by_role("region", name="Current output").wait_for()


def forms(page: Page) -> None:
    """Airflow's own list of what waits."""
    page.get_by_role("row", name=DAG_ID).get_by_role("link", name="Draft the sales report").click()
    expect(page.get_by_role("button", name="Request changes")).to_be_visible()


def shoot(
    running: Browser,
    airflow: AirflowInstance,
    name: str,
    address: str,
    prepare: Callable[[Page], object],
    ways: tuple[str, ...] = tuple(WAYS),
) -> None:
    """A picture in each way."""
    for way in ways:
        width, scheme = WAYS[way]
        dark = scheme == "dark"
        context = running.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        context.add_cookies([{"name": "_token", "value": airflow.token(USER), "url": f"{airflow.url}/"}])
        page = context.new_page()
        page.set_default_timeout(browser.WAIT)
        page.goto(address)
        prepare(page)
        page.wait_for_timeout(1500)
        page.screenshot(path=PICTURES / f"{name}-{way}.png")
        context.close()


if __name__ == "__main__":
    main()
