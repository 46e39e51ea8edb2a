"""The demo as a user sees it: ``airflow standalone`` on SQLite, the notebook, JupyterLab in a browser."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import report
from demo.airflow_instance import AirflowInstance
from demo.processes import wait_until
from demo.stack import DAG_ID, ROOT, Receiver, own_folder, whole
from tests.conftest import need_chromium
from tests.support.browser import send_now


def test_the_report_follows_the_feedback() -> None:
    rows = report.read()
    first = report.write(rows)
    assert "Sales by month" in first
    assert "€66,180" in first
    table = report.write(rows, report.understand(["by region, as a table"]))
    assert "| North | €39,200 |" in table
    quoted = "> The best month was 2026-03\n\nAnd by region? As a table, please."
    assert report.write(rows, report.understand([quoted])) == table
    both = report.write(rows, report.understand(["by region, as a table", "with growth"]))
    assert both.startswith(table)
    assert "+11.2%" in both
    assert "I did not understand" in report.write(rows, report.understand(["sing it"]))


def test_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with own_folder(tmp_path / "run"):
        with pytest.raises(RuntimeError, match="Another run uses"), own_folder(tmp_path / "run"):
            pass
        assert (tmp_path / "run").is_dir()


@pytest.mark.live
@pytest.mark.timeout(600)
def test_smoke() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo.smoke"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    last = done.stdout.splitlines()[-1]
    assert (done.returncode, last) == (0, "smoke: 11 passed, 0 failed"), done.stdout + done.stderr


@pytest.fixture
def jupyter(folder: Path) -> Iterator[tuple[AirflowInstance, Receiver, str]]:
    with whole(folder / "demo", with_jupyter=True) as parts:
        yield parts


@pytest.mark.browser
@pytest.mark.live
@pytest.mark.timeout(600)
def test_review_in_jupyterlab(request: pytest.FixtureRequest) -> None:
    from playwright.sync_api import expect

    from tests.support import browser

    chromium = need_chromium()
    airflow, receiver, address = request.getfixturevalue("jupyter")
    run_id = airflow.trigger(DAG_ID)

    def state(task_id: str = "review") -> str | None:
        states: dict[tuple[str, int], str | None] = airflow.task_states(DAG_ID, run_id)
        return states.get((task_id, -1))

    wait_until(lambda: state() == "awaiting_input", timeout=90, what="the review")
    with browser.new_page(chromium) as page:
        browser.run_notebook(page, address)
        panel = page.locator(".hitl-panel")
        expect(panel.locator(".hitl-row")).to_have_count(1)
        expect(panel.locator(".hitl-row")).to_contain_text("report_review › review")
        expect(panel.locator(".hitl-count")).to_have_text("1 waiting")
        panel.locator(".hitl-row").click()
        expect(panel.locator(".hitl-output")).to_contain_text("Sales by month")

        form = panel.locator(".hitl-session .hitl-form").last
        request_changes = form.get_by_role("button", name="Request changes")
        request_changes.click()
        expect(panel.get_by_text("Write what should change, then")).to_be_visible()

        form.locator("textarea").fill("by region, as a table")
        # The panel refreshes automatically meanwhile; typed text stays.
        page.wait_for_timeout(6_000)
        expect(form.locator("textarea")).to_have_value("by region, as a table")
        request_changes.click()
        send_now(form)
        expect(panel.locator(".hitl-output")).to_contain_text("Sales by region")
        expect(panel.locator(".hitl-output td").first).to_have_text("North")
        expect(panel.locator(".hitl-change .hitl-turn.human")).to_contain_text("by region, as a table")
        expect(panel.locator(".hitl-diff ins").first).to_be_visible()
        expect(form.locator("textarea")).to_have_value("")

        form.get_by_role("button", name="Approve", exact=True).click()
        send_now(form)
        expect(panel.get_by_text("Approved output 2.")).to_be_visible()
        expect(panel.locator(".hitl-pill")).to_have_text("Approved")
        expect(form).to_be_hidden()
        # Nothing is pending now; the open review can still be read.
        expect(panel.locator(".hitl-count")).to_have_text("0 waiting")

        panel.get_by_role("button", name="Show webhooks").click()
        events = panel.locator(".hitl-event")
        wait_until(lambda: len(receiver.events()) == 4, timeout=60, what="the webhooks")
        expect(events).to_have_count(4)
        for text in ("Output 1 ready", "Changes requested", "Output 2 ready", "Review ended"):
            expect(events.filter(has_text=text)).to_be_visible()
        expect(events.first).to_contain_text("Delivered")
        expect(events.first).to_contain_text("1 attempt")
        events.first.get_by_role("button", name="Send again").click()
        expect(events.first).to_contain_text("2 attempts")
        expect(events.first).to_contain_text("Delivered")

        page.goto(f"{airflow.url}/auth/login")
        page.locator("input[name=username]").fill("admin")
        page.locator("input[name=password]").fill("admin")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda url: "/auth/" not in url)  # or it would interrupt the next navigation
        page.wait_for_load_state("load")
        page.goto(f"{airflow.url}/dags/{DAG_ID}/runs/{run_id}/tasks/review")
        expect(page.get_by_text("Success").first).to_be_visible()
        # The same review in Airflow's own UI: a tab, and the operator's button.
        page.get_by_role("link", name="Review", exact=True).first.click()
        expect(page.frame_locator("iframe").locator(".pill")).to_have_text("Approved")
        page.goto(f"{airflow.url}/dags/{DAG_ID}/runs/{run_id}/tasks/review/details")
        button = page.locator("a[href*='/hitl-review/chat']")
        expect(button).to_have_text("Review")
        page.goto(f"{airflow.url}{button.get_attribute('href')}")
        expect(page.locator(".hitl-output td").first).to_have_text("North")
        page.get_by_role("link", name="All reviews").click()
        expect(page.get_by_text("Nothing waits for you.")).to_be_visible()
    wait_until(lambda: state() == "success", timeout=60, what="the end of the task")
    got = sorted((e["type"].removeprefix("hitl_review."), e["data"]["status"]) for e in receiver.events())
    ready, changes = ("output_ready", "pending_review"), ("changes_requested", "changes_requested")
    assert got == [changes, ("finalized", "approved"), ready, ready]
