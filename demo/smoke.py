"""``make smoke``: the demo's whole loop without a browser; the last line counts what passed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from demo.airflow_instance import AirflowInstance
from demo.live_notebook import LiveNotebook
from demo.processes import PATIENCE, StartError
from demo.stack import DAG_ID, ROOT, Receiver, notebook_env, whole

HOME = ROOT / ".demo" / "smoke"
WAIT = 90.0 * PATIENCE


class Checks:
    """Counts what held and what did not."""

    def __init__(self) -> None:
        self.passed = self.failed = 0

    def expect(self, what: str, holds: bool, detail: object = "") -> None:
        """Count and print one check."""
        self.passed, self.failed = self.passed + holds, self.failed + (not holds)
        print(f"{'ok  ' if holds else 'FAIL'} {what}{'' if holds else f': {detail}'}", flush=True)

    def eventually(self, what: str, holds: Callable[[], bool], detail: Callable[[], object]) -> None:
        """Count one check that may take a while to hold."""
        end = time.monotonic() + WAIT
        while not (held := holds()) and time.monotonic() < end:
            time.sleep(0.5)
        self.expect(what, held, None if held else detail())


def walk(checks: Checks, airflow: AirflowInstance, receiver: Receiver, book: LiveNotebook) -> None:
    """One round of changes, one approval, one rejection."""
    first, second = airflow.trigger(DAG_ID), airflow.trigger(DAG_ID)

    def state(run_id: str, task_id: str = "review") -> str | None:
        return airflow.task_states(DAG_ID, run_id).get((task_id, -1))

    def parks(run_id: str) -> None:
        checks.eventually(f"parked {run_id}", lambda: state(run_id) == "awaiting_input", lambda: state(run_id))

    parks(first)
    parks(second)

    with book.kernel():
        book.run_all()
        book.panel("panel.workspace.model.opens_next = False")  # both reviews are opened by name

        def open_run(run_id: str) -> None:
            rows = "panel.client.sessions(status='pending_review')"
            book.panel(f"panel.open(next(row for row in {rows} if row.key.run_id == {run_id!r}))")

        def output() -> str:
            return book.panel("print(panel.output)")

        listed = book.listed_runs()
        checks.expect("the panel lists both reviews", first in listed and second in listed, listed)

        open_run(first)
        before = output()
        checks.expect("the draft is shown", "Sales by month" in before, before)
        book.press("request_changes", "by region, as a table")
        checks.eventually(
            "changes lead to the next output",
            lambda: "Sales by region" in output(),
            lambda: book.panel("print(panel.session)"),
        )
        after = output()
        checks.expect("the next output follows the feedback", "| Region | Revenue |" in after, after)
        book.press("approve")
        checks.eventually("approved: the task succeeds", lambda: state(first) == "success", lambda: state(first))
        checks.eventually(
            "approved: the next task ran",
            lambda: state(first, "publish") == "success",
            lambda: state(first, "publish"),
        )

        open_run(second)
        book.press("reject", "not this quarter")
        checks.eventually("rejected: the task fails", lambda: state(second) == "failed", lambda: state(second))

    result = airflow.api("GET", f"/dags/{DAG_ID}/dagRuns/{first}/taskInstances/review/xcomEntries/return_value")[
        "value"
    ]
    checks.expect("the task's result is the approved output", "Sales by region" in result, result)

    def events() -> list[tuple[str, str]]:
        return sorted((e["type"].removeprefix("hitl_review."), e["data"]["status"]) for e in receiver.events())

    wanted = [("output_ready", "pending_review")] * 3 + [("finalized", "approved"), ("finalized", "rejected")]
    wanted.append(("changes_requested", "changes_requested"))
    checks.eventually("the receiver verified every webhook", lambda: events() == sorted(wanted), events)


def main() -> int:
    """Run it; 0 if all held."""
    checks = Checks()
    try:
        with whole(HOME, with_jupyter=False) as (airflow, receiver, _):
            (HOME / "jupyter").mkdir()
            book = LiveNotebook(ROOT / "notebooks" / "review.ipynb", notebook_env(HOME / "jupyter", airflow))
            walk(checks, airflow, receiver, book)
    except StartError as error:
        checks.expect("everything starts", False, error)
    except Exception as error:  # noqa: BLE001 - the last line must count it
        checks.expect("the loop runs to its end", False, repr(error))
    print(f"smoke: {checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
