"""An agent that asks three times in one task, reviewed in a real JupyterLab."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from demo.airflow_instance import AirflowInstance
from demo.processes import PATIENCE, wait_until
from tests.compatibility.conftest import need_python
from tests.compatibility.environments import VERSIONS, environment
from tests.compatibility.story import DAGS
from tests.compatibility.test_asking import MADE, SAID
from tests.conftest import need_chromium
from tests.notebook.lab import decide, feedback, press, running_lab, tell
from tests.support.lean import AGENTS, lean

pytestmark = [pytest.mark.live, pytest.mark.browser, pytest.mark.timeout(900)]

SLOW = 120_000 * PATIENCE
"""Milliseconds until an agent has gone on, at the most."""


def test_an_agent_asks_three_times(folder: Path, tmp_path: Path) -> None:
    version = VERSIONS[-1]  # test_asking.py has all of them, without a browser
    need_python(version)
    chromium = need_chromium()
    dags = tmp_path / "dags"
    dags.mkdir()
    shutil.copy(DAGS / "asking.py", dags)
    airflow = AirflowInstance(
        folder / f"lab_{version.name}",
        dags,
        users={"admin": "admin", "ada": "admin"},
        programs=environment(version),
        settings=lean(folder / f"lab_{version.name}", *AGENTS),
    )
    (airflow.home / "passwords.json").write_text(json.dumps({"admin": "admin", "ada": "ada-password"}))
    try:
        airflow.start("standalone")
        airflow.wait_for_dag("asking")
        run_id = airflow.trigger("asking")

        def state() -> str | None:
            return airflow.task_states("asking", run_id)["reviewed", -1]

        with running_lab(tmp_path / "lab", chromium) as lab:
            panel = lab.open(airflow)
            rows = panel.locator(".hitl-row").filter(has_text="reviewed")
            rows.first.click(timeout=SLOW)
            _keep_notices(panel)
            _answer(panel, state)
            assert lab.requests == []

        wait_until(lambda: state() == "success", timeout=120, what="the end", interval=0.5)
        made = [json.loads(line) for line in (airflow.home / "made-reviewed").read_text().splitlines()]
        assert sorted(made, key=str) == sorted(MADE, key=str)
        path = f"/dags/asking/dagRuns/{run_id}/taskInstances/reviewed/xcomEntries/return_value"
        assert airflow.api("GET", path)["value"] == "\n".join(SAID)
    finally:
        airflow.stop()


def _answer(panel: Locator, state: Callable[[], str | None]) -> None:
    shown, calls = panel.locator(".hitl-session"), panel.locator(".hitl-session > * .hitl-shown .hitl-call")
    expect(shown.locator(".hitl-shown .hitl-call")).to_have_count(2)
    wait_until(lambda: state() in ("awaiting_input", "deferred"), timeout=120, what="the park", interval=0.5)
    decide(panel, "Approve")
    _told(panel, "Approved all calls of request 1.")
    expect(calls.first).to_contain_text("99", timeout=SLOW)
    press(panel, "Answer in detail")
    editor = panel.locator(".hitl-editor")
    first, second = (editor.get_by_role("group", name=f"{number}. refund") for number in (1, 2))
    first.get_by_label("amount").fill("9.5")
    second.get_by_label("Approve this call").press("Space")
    second.get_by_label("Reason, if it is denied").fill("Too dear.")
    decide(panel, "Send the answers")
    _told(panel, "Answered request 2.")
    expect(calls.first).to_contain_text("Which address?", timeout=SLOW)
    feedback(panel).fill("Kyoto")
    decide(panel, "Answer")
    _told(panel, "Answered request 3.")
    expect(shown.locator(".hitl-output").last).to_contain_text("paid 9.5 for 9", timeout=SLOW)
    decide(panel, "Approve")
    tell(panel, "Approved output 4.")


def _keep_notices(panel: Locator) -> None:
    """Keep each notice that the panel shows: the agent's next output replaces it, perhaps at once."""
    panel.evaluate(
        """(panel) => {
          window.notices = [];
          const keep = () => panel.querySelectorAll(".hitl-notice").forEach((one) => notices.push(one.textContent));
          new MutationObserver(keep).observe(panel, { subtree: true, childList: true, characterData: true });
        }"""
    )


def _told(panel: Locator, text: str) -> None:
    """Wait until the panel has shown this text."""
    panel.page.wait_for_function("(text) => notices.some((one) => one.includes(text))", arg=text)
