"""Reviews in Airflow's Required Actions, with a complete Airflow."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests
from sqlalchemy import create_engine, text

from demo.airflow_instance import AirflowInstance
from demo.processes import PATIENCE, wait_until
from tests.live.test_reviews import call, query, wait_for
from tests.plugin.web.test_required_actions import DAG_ID, answer, hitl, pending, state_of


@pytest.fixture
def token(live: AirflowInstance) -> str:
    return live.token()


@pytest.mark.live
@pytest.mark.postgres
@pytest.mark.timeout(300)
def test_rounds_answered_in_required_actions(live: AirflowInstance, token: str) -> None:
    """Also before and at the moment of parking; each round is open again, for its own output."""
    count = 16
    run_id = live.trigger(DAG_ID, {"count": count})
    engine = create_engine(live.database)
    statement = text(
        "select ti.map_index, ti.state from task_instance ti join hitl_detail h on h.ti_id = ti.id"
        " where ti.dag_id = :dag and ti.run_id = :run"
    )
    codes: dict[int, int] = {}
    early = 0
    end = time.monotonic() + 120 * PATIENCE
    try:
        # 0 to 5: approved as soon as they are parked. 6: changes. 7: rejected. 8: changes, over REST. 9: later.
        # From 10: approved as soon as there is a form, most of them before they park: Airflow alone would resume
        # them at the moment of parking, and then fail them.
        while len(codes) < count - 1:
            assert time.monotonic() < end, codes
            with engine.connect() as connection:
                rows = connection.execute(statement, {"dag": DAG_ID, "run": run_id}).all()
            found = {int(index): str(state) for index, state in rows}
            for index in sorted(found.keys() - codes.keys() - {9}):
                if index < 10 and found[index] != "awaiting_input":
                    continue
                early += found[index] == "running"
                if index == 8:
                    body = {"feedback": "over REST", "iteration": 1}
                    given = call(live, "POST", "feedback", token, query(run_id, index), body)
                else:
                    option = {6: "Request changes", 7: "Reject"}.get(index, "Approve")
                    given = hitl(live, token, run_id, index, answer(option, f"said {index}", 1))
                codes[index] = given.status_code
            time.sleep(0.02)
    finally:
        engine.dispose()
    assert set(codes.values()) == {200}, codes
    assert early, "all had parked before they could be answered"
    row = hitl(live, token, run_id, 8).json()
    assert (row["chosen_options"], row["responded_by_user"]["name"]) == (["Request changes"], "admin")

    def open_again() -> bool:
        rows = [hitl(live, token, run_id, index).json() for index in (6, 8)]
        return pending(live, run_id) == [6, 8, 9] and all(r["params"]["output"]["value"] == 2 for r in rows)

    wait_until(open_again, timeout=90, what="the second round of two reviews", interval=0.5)
    find = call(live, "GET", "find", token, query(run_id, 6)).json()
    assert find["current_output"] == "Draft 1 after: said 6"
    shown = hitl(live, token, run_id, 6).json()
    assert shown["subject"] == "Item 6"
    assert "**Output of round 2 of 5**\n\n> Draft 1 after: said 6" in shown["body"]
    stale = hitl(live, token, run_id, 6, answer("Approve", None, 1))
    assert (stale.status_code, "output 2 is the current one" in stale.json()["detail"]) == (409, True)
    for index, output in ((6, 2), (8, 2), (9, 1)):
        assert hitl(live, token, run_id, index, answer("Approve", "", output)).status_code == 200
    wait_for(live, run_id, {"success": count - 1, "failed": 1}, timeout=120)
    assert state_of(live, run_id, 7) == "failed"
    result = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/review/xcomEntries/return_value?map_index=6"
    assert live.api("GET", result)["value"] == "Draft 1 after: said 6"


@pytest.mark.live
@pytest.mark.postgres
@pytest.mark.timeout(300)
def test_edits_in_required_actions(live: AirflowInstance, token: str) -> None:
    """An output is edited, left as it is, refused, and the start of the next one."""
    run_id = live.trigger(DAG_ID, {"count": 3})
    wait_until(lambda: pending(live, run_id) == [0, 1, 2], timeout=120, what="three reviews", interval=0.5)

    def given(index: int, option: str, edited: Any, feedback: str | None = None) -> requests.Response:
        body = answer(option, feedback, 1)
        body["params_input"] |= {"edited_output": edited}
        return hitl(live, token, run_id, index, body)

    def find(index: int) -> Any:
        return call(live, "GET", "find", token, query(run_id, index)).json()

    field = hitl(live, token, run_id, 0).json()["params"]["edited_output"]
    assert (field["value"], field["schema"]["section"]) == ("Draft of item 0.", "Edit the output")
    edit = "Better  \n\n\tYes \u2603 \n"
    assert given(0, "Approve", edit).status_code == 200
    assert (find(0)["edited"], find(0)["edited_output"], find(0)["channel"]) == (True, edit, "airflow")
    assert given(1, "Approve", "Draft of item 1.").status_code == 200
    assert (find(1)["edited"], find(1)["edited_output"]) == (False, None)

    for wrong, words in (("a\0b", "cannot be stored: U+0000"), ({"a": 1}, "must be a text")):
        refused = given(2, "Approve", wrong)
        assert (refused.status_code, words in refused.json()["detail"]) == (422, True), refused.text
        assert "Nothing is decided yet." in refused.json()["detail"]
    assert (find(2)["status"], len(find(2)["conversation"])) == ("pending_review", 1)
    assert hitl(live, token, run_id, 2).json()["response_received"] is False
    assert given(2, "Request changes", "A start", "go on").status_code == 200
    wait_until(lambda: pending(live, run_id) == [2], timeout=90, what="the second round", interval=0.5)
    assert [(turn["kind"], turn["content"]) for turn in find(2)["conversation"]] == [
        ("output", "Draft of item 2."),
        ("edit", "A start"),
        ("feedback", "go on"),
        ("output", "Draft 1 after: go on"),
    ]
    assert hitl(live, token, run_id, 2, answer("Approve", None, 2)).status_code == 200
    wait_for(live, run_id, {"success": 3}, timeout=120)
    results = f"/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/review/xcomEntries/return_value"
    found = [live.api("GET", results, params={"map_index": index})["value"] for index in range(3)]
    assert found == [edit, "Draft of item 1.", "Draft 1 after: go on"]


@pytest.mark.live
@pytest.mark.postgres
@pytest.mark.timeout(300)
def test_edit_of_json_in_required_actions(live: AirflowInstance) -> None:
    """As Airflow's form sends it back: with the no-break space that keeps it a text there."""
    run_id = live.trigger("json_review")
    task = f"/dags/json_review/dagRuns/{run_id}/taskInstances/review"

    def state() -> str | None:
        return live.task_states("json_review", run_id)["review", -1]

    wait_until(lambda: state() == "awaiting_input", timeout=120, what="the park", interval=0.5)
    shown = live.api("GET", f"{task}/-1/hitlDetails")["params"]["edited_output"]["value"]
    assert shown == '{\n  "total": 3,\n  "note": ""\n}\u00a0'
    edit: dict[str, Any] = {
        "chosen_options": ["Approve"],
        "params_input": {"output": 1, "edited_output": shown[:-2] + "\u00a0"},
    }
    with pytest.raises(RuntimeError, match=r"422.*The edit is not JSON: "):
        live.api("PATCH", f"{task}/-1/hitlDetails", json=edit)
    edit["params_input"] = {"output": 1, "edited_output": shown.replace("3", str(2**53 + 1))}
    live.api("PATCH", f"{task}/-1/hitlDetails", json=edit)
    wait_until(lambda: state() == "success", timeout=120, what="the end", interval=0.5)
    result = live.api("GET", f"{task}/xcomEntries/return_value")["value"]
    assert result == {"total": 2**53 + 1, "note": ""}
