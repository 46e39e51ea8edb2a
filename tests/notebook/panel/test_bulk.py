"""Bulk decisions in the panel and over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from hitl_notebook import ReviewPanel
from hitl_notebook.panel.actions import Action
from hitl_notebook.panel.bulk.model import BulkRun, Outcome
from hitl_notebook.panel.bulk.view import results_html
from tests.notebook.hostile import HOSTILE, Parts
from tests.notebook.panels import html, key, listed, make, receive, refresh, settle
from tests.notebook.server import ReviewServer, review


@pytest.fixture
def panel(server: ReviewServer) -> Iterator[ReviewPanel]:
    """A panel without an event loop, on four reviews; ``d`` waits for its task."""
    for name in "abc":
        server.add(name)
    server.add("d", status="changes_requested")
    panel = make(server)
    yield panel
    panel.close()


def pick(panel: ReviewPanel, *dag_ids: str, on: bool = True) -> None:
    """Tick checkboxes in the list."""
    rows = panel.workspace.list.list.rows
    receive(
        panel.workspace.list.list, do="pick", ids=[row["id"] for row in rows if row["dag_id"] in dag_ids], on=on
    )


def state(panel: ReviewPanel) -> dict[str, Any]:
    value: dict[str, Any] = panel.workspace.several.form.state
    return value


def act(panel: ReviewPanel, action: str, text: str = "") -> None:
    receive(panel.workspace.several.form, do="act", key=state(panel)["key"], action=action, text=text)


def confirm(panel: ReviewPanel, action: str, text: str = "") -> None:
    receive(panel.workspace.several.form, do="confirm", key=state(panel)["key"], action=action, text=text)


def sent(server: ReviewServer) -> list[tuple[str, str, Any]]:
    return [
        (s.path.rpartition("/")[2], s.query["dag_id"], s.body)
        for s in server.seen
        if s.method == "POST" and "sessions" in s.path
    ]


def test_bulk_form_is_hidden_without_picks(panel: ReviewPanel) -> None:
    assert panel.workspace.several.widget.layout.display == "none"
    assert not state(panel)["shown"]


def test_approve_several(server: ReviewServer, panel: ReviewPanel) -> None:
    pick(panel, "a", "b", "d")
    assert panel.workspace.list.list.picked == [
        row["id"] for row in panel.workspace.list.list.rows if row["dag_id"] in "ab"
    ]
    assert "2 picked" in html(panel)
    assert [button["label"] for button in state(panel)["buttons"]] == [
        "Approve 2",
        "Request changes to 2",
        "Reject 2",
    ]
    act(panel, "approve")
    assert sent(server) == []
    assert "Approve 2 reviews?" in state(panel)["confirm"]["text"]
    confirm(panel, "approve")
    body = {"iteration": 1, "channel": "notebook"}
    assert sorted(sent(server)) == [("approve", "a", body), ("approve", "b", body)]
    assert "2 approved." in html(panel)
    assert panel.workspace.list.list.picked == []
    assert [row["state"] for row in panel.workspace.list.list.rows if row["dag_id"] in "ab"] == ["approved"] * 2


def test_reject_several_with_a_reason(server: ReviewServer, panel: ReviewPanel) -> None:
    pick(panel, "a", "b")
    act(panel, "reject", "  Too long ")
    confirm(panel, "reject", "  Too long ")
    assert {body["feedback"] for _, _, body in sent(server)} == {"Too long"}
    assert state(panel)["draft"] == ""
    assert "2 rejected." in html(panel)


def test_request_changes_to_several_with_one_text(server: ReviewServer, panel: ReviewPanel) -> None:
    server.change(key("b"), max_iterations=1)
    refresh(panel)
    pick(panel, "a", "b")
    act(panel, "request_changes", " ")
    assert state(panel)["confirm"] is None
    assert state(panel)["notice"]["text"] == "Write what should change, then request changes."
    act(panel, "request_changes", "Shorter\n")
    assert state(panel)["notice"] is None
    assert "1 is in its last round: that review ends" in state(panel)["confirm"]["text"]
    confirm(panel, "request_changes", "")
    assert sent(server) == []
    act(panel, "request_changes", "Shorter\n")
    confirm(panel, "request_changes", "Shorter\n")
    body = {"iteration": 1, "channel": "notebook", "feedback": "Shorter\n"}
    assert sorted(sent(server), key=str) == [("feedback", "a", body), ("feedback", "b", body)]
    assert "2 sent back with your changes." in html(panel)
    assert state(panel)["draft"] == ""


def test_approve_several_with_a_comment(server: ReviewServer, panel: ReviewPanel) -> None:
    pick(panel, "a", "b")
    act(panel, "approve", "Good ")
    assert "Approve 2 reviews with your comment?" in state(panel)["confirm"]["text"]
    confirm(panel, "approve", "Good ")
    assert {body["feedback"] for _, _, body in sent(server)} == {"Good"}


def test_only_one_form_is_shown(server: ReviewServer, panel: ReviewPanel) -> None:
    panel.open(key("c"))
    single = panel.workspace.session.form
    assert (single.state["shown"], state(panel)["shown"]) == (True, False)
    receive(single, do="draft", key=single.state["key"], text="about c")
    pick(panel, "a", "c")
    assert (single.state["shown"], state(panel)["shown"]) == (False, True)
    act(panel, "approve")
    confirm(panel, "approve")
    assert (single.state["shown"], state(panel)["shown"]) == (False, False)  # c is decided
    assert panel.workspace.model.notice is not None
    assert panel.workspace.model.notice.text == "You have decided: approved."
    panel.open(key("b"))
    assert single.state["shown"]


def test_picks_that_a_filter_hides_are_named_and_kept(server: ReviewServer, panel: ReviewPanel) -> None:
    for number in range(6):
        server.add(f"x{number}")
    refresh(panel)
    pick(panel, *"ab", *(f"x{number}" for number in range(6)))
    assert "not listed" not in html(panel)
    panel.workspace.list.dag.value = "b"
    assert "8 picked" in html(panel)
    assert "7 are not listed: x5 › draft, " in html(panel)
    assert ", 2 more. Your decision" in html(panel)
    panel.workspace.list.dag.value = ""
    assert "not listed" not in html(panel)
    panel.workspace.list.dag.value = "b"
    act(panel, "approve")
    confirm(panel, "approve")
    assert "8 approved." in html(panel)


def test_decision_applies_to_the_listed_output(server: ReviewServer, panel: ReviewPanel) -> None:
    pick(panel, "a", "b", "c")
    server.next_output(key("a"), "Newer draft")
    server.change(key("b"), status="rejected", decided_by={"id": "9", "name": "<b>Eve</b>"})
    refresh(panel)
    assert "2 of them changed since you picked" in html(panel)
    act(panel, "approve")
    confirm(panel, "approve")
    assert [s["status"] for s in (server.sessions[key(name)] for name in "abc")] == [
        "pending_review",
        "rejected",
        "approved",
    ]
    said = html(panel)
    assert "1 approved, 2 not." in said
    assert "output 2 has arrived in the meantime: open it and read it" in said
    assert "Already rejected by &lt;b&gt;Eve" in said
    assert panel.workspace.list.list.picked == []


def test_row_with_outdated_output_is_not_picked(server: ReviewServer, panel: ReviewPanel) -> None:
    rows = [row for row in panel.workspace.list.list.rows if row["dag_id"] in "ab"]
    server.next_output(key("a"), "Newer draft")
    refresh(panel)
    ids, iterations = [row["id"] for row in rows], [row["iteration"] for row in rows]
    receive(panel.workspace.list.list, do="pick", ids=ids, iterations=iterations, on=True)
    assert [pick.key for pick in panel.workspace.bulk.picks] == [key("b")]


def test_outage_stops_the_run_and_keeps_picks(server: ReviewServer, panel: ReviewPanel) -> None:
    pick(panel, "a", "b", "c")
    server.broken["/hitl-review/sessions/approve"] = (503, "text/plain", "down")
    act(panel, "approve")
    confirm(panel, "approve")
    assert "3 not" in html(panel)
    assert len(panel.workspace.list.list.picked) == 3
    server.broken.clear()
    act(panel, "approve")
    confirm(panel, "approve")
    assert "3 approved." in html(panel)


def test_output_1_of_a_new_try_is_not_approved(server: ReviewServer, panel: ReviewPanel) -> None:
    pick(panel, "a")
    server.change(key("a"), current_output="Made anew, and seen by nobody")
    refresh(panel)
    assert "1 of them changed since you picked" in html(panel)
    act(panel, "approve")
    confirm(panel, "approve")
    assert server.sessions[key("a")]["status"] == "pending_review"
    assert "1 not." in html(panel)


def test_refused_rejection_keeps_the_reason(server: ReviewServer, panel: ReviewPanel) -> None:
    pick(panel, "a")
    server.broken["/hitl-review/sessions/reject"] = (403, "application/json", '{"detail": "Not yours"}')
    act(panel, "reject", "the reason")
    confirm(panel, "reject", "the reason")
    assert panel.workspace.bulk.draft == "the reason"


def test_pick_with_wrong_types(server: ReviewServer, panel: ReviewPanel) -> None:
    for wrong in ("a", [("a", "b")], [None]):
        with pytest.raises(TypeError, match="Give a review"):
            panel.pick(wrong)  # type: ignore[arg-type]
    panel.pick(key("a"))
    assert len(panel.workspace.bulk.picks) == 1


def test_close_summary(server: ReviewServer, panel: ReviewPanel) -> None:
    pick(panel, "a")
    pick(panel, "a", on=False)
    assert panel.workspace.several.widget.layout.display == "none"
    pick(panel, "a")
    act(panel, "approve")
    confirm(panel, "approve")
    assert panel.workspace.several.clear.description == "Close"
    panel.workspace.several.clear.click()
    assert panel.workspace.several.widget.layout.display == "none"


def test_pick_from_code(server: ReviewServer, panel: ReviewPanel) -> None:
    client = panel.client
    panel.pick(client.sessions())
    assert len(panel.workspace.bulk.picks) == 3
    panel.pick([key("b")])
    assert [one.key for one in panel.workspace.bulk.picks] == [key("b")]
    with pytest.raises(ValueError, match="is not listed"):
        panel.pick([key("a"), key("nowhere")])
    assert [one.key for one in panel.workspace.bulk.picks] == [key("b")]


def test_progress_and_stop_in_an_event_loop(server: ReviewServer) -> None:
    async def scenario() -> None:
        panel = make(server)
        await settle(panel)
        pick(panel, *listed(panel))
        await settle(panel)
        steps: list[float] = []

        def step(change: dict[str, Any]) -> None:
            steps.append(change["new"])
            if change["new"] == 10:
                panel.workspace.several.stop.click()

        panel.workspace.several.progress.observe(step, "value")
        act(panel, "approve")
        await settle(panel)
        confirm(panel, "approve")
        await asyncio.sleep(0)
        assert "Approving…" in state(panel)["busy"]
        await settle(panel)
        assert panel.workspace.several.progress.max == 50
        assert steps == sorted(steps)
        taken = sum(s["status"] == "approved" for s in server.sessions.values())
        assert 10 <= taken < 50
        assert f"{taken} approved, {50 - taken} not sent: still picked." in html(panel)
        assert len(panel.workspace.list.list.picked) == 50 - taken
        panel.workspace.several.progress.unobserve(step, "value")
        act(panel, "approve")
        await settle(panel)
        confirm(panel, "approve")
        await settle(panel)
        assert all(s["status"] == "approved" for s in server.sessions.values())
        panel.close()

    for number in range(50):
        server.add(f"dag_{number:02}")
    asyncio.run(scenario())


@pytest.mark.parametrize("text", HOSTILE)
def test_summary_escapes_hostile_text(text: str) -> None:
    row = review(key(text))
    run = BulkRun(Action.REJECT, (row,), (Outcome(key(text), 1, text),), ended=True)
    parts = Parts(results_html(run))
    assert set(parts.tags) == {"div", "span", "ul", "li", "b", "br"}
    assert {name for _, name, _ in parts.attributes} == {"class", "role", "aria-live"}
    assert parts.others == []
    assert "1 not." in parts.text
