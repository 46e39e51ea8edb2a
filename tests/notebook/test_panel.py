from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator

import pytest

from hitl_notebook import Client, ReviewPanel
from hitl_notebook import panel as panel_module
from tests.notebook.panels import html, key, make, notice, open_widgets, settle, until
from tests.notebook.server import ReviewServer


@pytest.fixture
def panel(server: ReviewServer) -> Iterator[ReviewPanel]:
    """A panel without an event loop, on two reviews that wait; ``b`` came last."""
    server.add("a")
    server.add("b", current_output="Draft of b")
    panel = make(server)
    yield panel
    panel.close()


# --- plain Python


def test_it_lists_and_opens_the_first(server: ReviewServer, panel: ReviewPanel) -> None:
    assert [value for _, value in panel._inbox.select.options] == [key("b"), key("a")]
    assert panel._inbox.select.value == panel.model.selected == key("b")
    assert panel.session is not None
    assert panel.output == "Draft of b"
    assert "2 waiting" in html(panel)
    assert "Draft of b" in html(panel)
    assert panel.model.offline == ""


def test_choosing_a_row_opens_it_and_keeps_drafts(server: ReviewServer, panel: ReviewPanel) -> None:
    panel._session.feedback.value = "about b"
    panel._inbox.select.value = key("a")
    assert panel.session is not None
    assert panel.session.key == key("a")
    assert panel._session.feedback.value == ""
    panel._inbox.select.value = key("b")
    assert panel._session.feedback.value == panel.model.draft == "about b"


def test_changes_then_approval(server: ReviewServer, panel: ReviewPanel) -> None:
    panel._session.feedback.value = "Shorter, please"
    panel._session.request_changes.click()
    assert notice(panel)[0] == "success"
    assert "Changes requested" in html(panel)
    assert panel._session.feedback.value == ""
    assert panel._session._form.layout.display == "none"
    assert "Shorter, please" in html(panel)

    server.next_output(key("b"), "Short draft")
    panel._head.refresh.click()
    assert panel.output == "Short draft"
    assert notice(panel) == ("info", "Output 2 is ready.")
    assert not panel._session.approve.disabled

    panel._session.approve.click()
    assert server.sessions[key("b")]["status"] == "approved"
    assert "Approved output 2" in html(panel)
    assert panel._session.approve.disabled
    sent = [(s.path.rpartition("/")[2], s.body) for s in server.seen if s.body and "sessions" in s.path]
    assert sent == [
        ("feedback", {"feedback": "Shorter, please", "iteration": 1, "channel": "notebook"}),
        ("approve", {"iteration": 2, "channel": "notebook"}),
    ]


@pytest.mark.parametrize("reason", ["", " Wrong numbers \n"])
def test_rejection(server: ReviewServer, panel: ReviewPanel, reason: str) -> None:
    panel._session.feedback.value = reason
    panel._session.reject.click()
    assert "Rejected output 1" in html(panel)
    (asked,) = server.asked("/hitl-review/sessions/reject")
    assert asked.body == {"feedback": reason.strip(), "iteration": 1, "channel": "notebook"}


def test_nothing_is_sent_without_feedback(server: ReviewServer, panel: ReviewPanel) -> None:
    panel._session.feedback.value = "  \n"
    panel._session.request_changes.click()
    assert notice(panel)[0] == "warning"
    assert server.asked("/hitl-review/sessions/feedback") == []


@pytest.mark.parametrize("button", ["approve", "reject", "request_changes"])
def test_a_stale_decision_shows_what_is_current(server: ReviewServer, panel: ReviewPanel, button: str) -> None:
    panel._session.feedback.value = "my words"
    server.next_output(key("b"), "Newer draft")
    getattr(panel._session, button).click()
    assert server.sessions[key("b")]["status"] == "pending_review"
    assert notice(panel)[0] == "warning"
    assert "output 2 is current" in html(panel)
    assert panel.output == "Newer draft"
    assert panel._session.feedback.value == "my words"
    getattr(panel._session, button).click()
    assert server.sessions[key("b")]["status"] != "pending_review"
    assert panel._session.feedback.value == ""


def test_somebody_was_faster(server: ReviewServer, panel: ReviewPanel) -> None:
    panel._session.feedback.value = "my words"
    who = {"id": "9", "name": "<script>Eve</script>"}
    server.change(key("b"), status="approved", decided_by=who)
    panel._session.reject.click()
    assert "Already approved by &lt;script&gt;Eve" in html(panel)
    assert "<script>" not in html(panel)
    assert panel._session.feedback.value == "my words"


def test_who_may_read_only(server: ReviewServer) -> None:
    server.add("a")
    panel = ReviewPanel(client=Client(server.url, username="viewer", password="viewer-password"))
    panel._session.approve.click()
    assert "You may not decide" in html(panel)
    assert panel.model.busy == ""
    panel.close()


def test_an_outage_is_told_and_what_is_shown_stays(server: ReviewServer, panel: ReviewPanel) -> None:
    panel._session.feedback.value = "my words"
    server.broken["/hitl-review"] = (503, "text/plain", "down")
    panel._head.refresh.click()
    assert "Refreshing does not work. The server answered 503." in html(panel)
    assert panel.output == "Draft of b"
    panel._session.approve.click()
    assert notice(panel)[0] == "error"
    assert panel._session.feedback.value == "my words"
    server.broken.clear()
    panel._head.refresh.click()
    assert "Refreshing does not work" not in html(panel)
    assert panel._session.feedback.value == "my words"


def test_ended_reviews_are_listed_on_request(server: ReviewServer, panel: ReviewPanel) -> None:
    server.add("c", status="approved", task_completed=True)
    panel._head.refresh.click()
    assert len(panel._inbox.select.options) == 2
    panel._head.show_ended.value = True
    assert [value.dag_id for _, value in panel._inbox.select.options] == ["c", "b", "a"]
    assert panel.model.selected == key("b")


def test_an_open_review_that_left_the_list_stays_open(server: ReviewServer, panel: ReviewPanel) -> None:
    server.change(key("b"), status="timeout_exceeded", task_completed=True, task_state="failed")
    panel._head.refresh.click()
    assert panel.model.selected == panel._inbox.select.value == key("b")
    assert panel.session is not None
    assert panel.session.task_completed
    assert panel._session.approve.disabled


def test_refreshing_asks_for_what_changed_only(server: ReviewServer, panel: ReviewPanel) -> None:
    server.seen.clear()
    panel._head.refresh.click()
    (asked,) = server.seen
    assert asked.path == "/hitl-review/sessions"
    assert asked.headers["if-none-match"]


def test_no_secret_gets_into_a_widget(server: ReviewServer, panel: ReviewPanel) -> None:
    token = server.seen[-1].headers["authorization"].removeprefix("Bearer ")
    state = json.dumps([widget.get_state() for widget in open_widgets().values()], default=str)
    assert "ada-password" not in state
    assert token not in state
    assert "Draft of b" in state


def test_without_reviews(server: ReviewServer) -> None:
    panel = make(server)
    assert (panel.session, panel.output) == (None, None)
    assert "Nothing waits for a review" in html(panel)
    panel._session.approve.click()
    assert [s.path for s in server.seen] == ["/auth/token", "/hitl-review/sessions"]
    panel.close()


def test_bad_arguments() -> None:
    for arguments in ({}, {"url": "http://host"}, {"url": "host", "token": "t"}):
        with pytest.raises(ValueError, match=r"url|token"):
            ReviewPanel(**arguments)  # type: ignore[arg-type]


def test_running_a_cell_again_closes_its_earlier_panels(
    server: ReviewServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panel_module, "_in_cell", {})
    cells = iter([("one", "run-1"), ("two", "run-2"), ("one", "run-3"), None])
    monkeypatch.setattr(panel_module, "_current_cell", lambda: next(cells))
    panels = [make(server) for _ in range(4)]
    assert [panel.widget.comm is None for panel in panels] == [True, False, False, False]
    for panel in panels:
        panel.close()


# --- with an event loop, as in a notebook


def test_in_a_loop(server: ReviewServer) -> None:
    async def scenario() -> None:
        panel = make(server)
        assert panel.session is None  # nothing blocks the loop
        await settle(panel)
        assert panel.output == "Draft of b"
        panel._session.feedback.value = "Shorter"
        panel._session.request_changes.click()
        await settle(panel)
        assert notice(panel)[0] == "success"
        assert panel._session.feedback.value == ""
        server.next_output(key("b"), "Short")
        panel._head.refresh.click()
        await settle(panel)
        panel._session.approve.click()
        await settle(panel)
        assert server.sessions[key("b")]["status"] == "approved"
        assert "Approved output 2" in html(panel)
        panel._inbox.select.value = key("a")
        await settle(panel)
        assert panel.session is not None
        assert panel.session.key == key("a")
        panel.close()

    server.add("a")
    server.add("b", current_output="Draft of b")
    asyncio.run(scenario())


def test_callbacks_from_other_threads_are_applied_on_the_loop(server: ReviewServer) -> None:
    threads: dict[str, set[str]] = {}

    async def scenario() -> None:
        panel = make(server)
        await settle(panel)
        names = ("selected", "review", "draft", "busy", "notice", "inbox", "show_ended")
        panel.model.observe(
            lambda change: threads.setdefault(change["name"], set()).add(threading.current_thread().name),
            names,
        )

        def front_end() -> None:
            panel._inbox.select.value = key("a")
            panel._head.show_ended.value = True
            panel._session.feedback.value = "from elsewhere"

        def click() -> None:
            panel._session.request_changes.click()

        for action in (front_end, click):
            thread = threading.Thread(target=action, name="elsewhere")
            thread.start()
            await asyncio.to_thread(thread.join, 10)
            await settle(panel)
        assert server.sessions[key("a")]["status"] == "changes_requested"
        assert set(threads) == {*names}
        assert set.union(*threads.values()) == {threading.current_thread().name}
        panel.close()

    server.add("a")
    server.add("b")
    asyncio.run(scenario(), debug=True)  # in debug mode the loop refuses calls from other threads


def test_it_refreshes_by_itself_until_it_is_closed(server: ReviewServer) -> None:
    async def scenario() -> None:
        panel = make(server, refresh_seconds=0.03)
        await until(lambda: panel.session is not None)
        panel._session.feedback.value = "still typing"
        server.next_output(key("a"), "Second")
        await until(lambda: panel.output == "Second")
        assert panel._session.feedback.value == "still typing"
        panel.close()
        for _ in range(5):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await asyncio.sleep(0.1)  # what was on its way arrives
        asked = len(server.seen)
        panel._head.refresh.click()
        await asyncio.sleep(0.15)
        assert len(server.seen) == asked

    server.add("a")
    asyncio.run(scenario())


def test_closing_while_work_is_under_way(server: ReviewServer, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        panel = make(server, refresh_seconds=1)
        await asyncio.sleep(0)
        panel.close()
        await panel.settled()
        assert panel.session is None
        assert asyncio.all_tasks() == {asyncio.current_task()}

    server.add("a")
    asyncio.run(scenario())
    assert caplog.records == []
