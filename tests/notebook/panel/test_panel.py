from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator

import pytest

from hitl_notebook import Client, ReviewPanel
from hitl_notebook.panel import cells
from tests.notebook.panels import (
    click,
    confirm,
    decide,
    enabled,
    form,
    html,
    key,
    listed,
    make,
    notice,
    open_row,
    open_widgets,
    receive,
    refresh,
    settle,
    typed,
    until,
)
from tests.notebook.server import ReviewServer, jwt


@pytest.fixture
def panel(server: ReviewServer) -> Iterator[ReviewPanel]:
    """A panel without an event loop, on two pending reviews; ``b`` is the newest and is open."""
    server.add("a")
    server.add("b", current_output="Draft of b")
    panel = make(server)
    panel.open()
    yield panel
    panel.close()


# --- plain Python


def test_first_view_needs_one_request(server: ReviewServer) -> None:
    server.add("a")
    server.add("b")
    panel = make(server)
    assert listed(panel) == ["b", "a"]
    assert (panel.session, panel.output) == (None, None)
    assert "2 waiting" in html(panel)
    assert "Choose a review" in html(panel)
    assert [s.path for s in server.seen] == ["/auth/token", "/hitl-review/sessions"]
    panel.close()


def test_open_selects_the_first_pending_review(server: ReviewServer, panel: ReviewPanel) -> None:
    assert panel.workspace.list.list.selected == panel.workspace.list.list.rows[0]["id"]
    assert panel.session is not None
    assert panel.session.key == key("b")
    assert panel.output == "Draft of b"
    assert "Draft of b" in html(panel)
    panel.open(key("a"))
    assert panel.session.key == key("a")


def test_opening_a_row_keeps_drafts(server: ReviewServer, panel: ReviewPanel) -> None:
    typed(panel, "about b")
    version = form(panel)["draft_version"]
    open_row(panel, "a")
    assert panel.session is not None
    assert panel.session.key == key("a")
    assert (form(panel)["draft"], form(panel)["draft_version"]) == ("", version + 1)
    open_row(panel, "b")
    assert (form(panel)["draft"], form(panel)["draft_version"]) == ("about b", version + 2)


def test_changes_then_approval(server: ReviewServer, panel: ReviewPanel) -> None:
    typed(panel, "Shorter, please")
    click(panel, "request_changes")
    assert notice(panel)[0] == "success"
    assert "Changes requested" in html(panel)
    assert (form(panel)["draft"], form(panel)["shown"]) == ("", False)
    assert "Shorter, please" in html(panel)

    server.next_output(key("b"), "Short draft")
    refresh(panel)
    assert panel.output == "Short draft"
    assert notice(panel) == ("info", "Output 2 is ready.")
    assert enabled(panel) == ["approve", "request_changes", "reject"]

    typed(panel, " Much better \n")
    click(panel, "approve")
    assert server.sessions[key("b")]["status"] == "approved"
    assert "Approved output 2" in html(panel)
    assert "Much better" in html(panel)
    sent = [(s.path.rpartition("/")[2], s.body) for s in server.seen if s.body and "sessions" in s.path]
    assert sent == [
        ("feedback", {"feedback": "Shorter, please", "iteration": 1, "channel": "notebook"}),
        ("approve", {"feedback": "Much better", "iteration": 2, "channel": "notebook"}),
    ]


def test_text_sent_with_a_click_takes_precedence(server: ReviewServer, panel: ReviewPanel) -> None:
    widget = panel.workspace.session.form
    typed(panel, "Sho")
    receive(widget, do="act", key=form(panel)["key"], action="request_changes", text="Shorter, please")
    (asked,) = server.asked("/hitl-review/sessions/feedback")
    assert asked.body["feedback"] == "Shorter, please"


def test_click_on_a_review_no_longer_open_is_ignored(server: ReviewServer, panel: ReviewPanel) -> None:
    old = form(panel)["key"]
    open_row(panel, "a")
    widget = panel.workspace.session.form
    receive(widget, do="act", key=old, action="request_changes", text="about b")
    receive(widget, do="act", key=old, action="approve", text="about b")
    receive(widget, do="confirm", key=old, action="approve", text="about b")
    assert server.asked("/hitl-review/sessions/feedback") == server.asked("/hitl-review/sessions/approve") == []
    assert form(panel)["confirm"] is None
    open_row(panel, "b")
    assert form(panel)["draft"] == "about b"


@pytest.mark.parametrize("action", ["approve", "request_changes", "reject"])
def test_click_on_an_outdated_output_is_ignored(server: ReviewServer, panel: ReviewPanel, action: str) -> None:
    widget, before = panel.workspace.session.form, form(panel)
    server.next_output(key("b"), "Newer draft")
    refresh(panel)
    receive(widget, do="act", key=before["key"], action=action, text="my words", about=before["about"])
    assert [s for s in server.seen if s.method == "POST" and "sessions" in s.path] == []
    assert form(panel)["confirm"] is None
    assert notice(panel) == (
        "warning",
        "The review has changed in the meantime, so nothing was sent. Look at it again.",
    )
    assert form(panel)["draft"] == "my words"
    receive(
        widget, do="act", key=before["key"], action="request_changes", text="my words", about=form(panel)["about"]
    )
    assert server.asked("/hitl-review/sessions/feedback")[0].body["iteration"] == 2


def test_confirmation_of_another_action_is_ignored(server: ReviewServer, panel: ReviewPanel) -> None:
    server.change(key("b"), max_iterations=1)
    refresh(panel)
    typed(panel, "again")
    click(panel, "request_changes")
    assert form(panel)["confirm"]["label"] == "End the review"
    receive(panel.workspace.session.form, do="confirm", key=form(panel)["key"], action="reject", text="")
    assert [s for s in server.seen if s.method == "POST" and "sessions" in s.path] == []
    receive(panel.workspace.session.form, do="cancel", key=form(panel)["key"])
    assert form(panel)["confirm"] is None


@pytest.mark.parametrize("reason", ["", " Wrong numbers \n"])
def test_reject(server: ReviewServer, panel: ReviewPanel, reason: str) -> None:
    typed(panel, reason)
    decide(panel, "reject")
    assert "Rejected output 1" in html(panel)
    (asked,) = server.asked("/hitl-review/sessions/reject")
    said = {"feedback": reason.strip()} if reason else {}
    assert asked.body == {**said, "iteration": 1, "channel": "notebook"}


def test_changes_without_feedback_are_not_sent(server: ReviewServer, panel: ReviewPanel) -> None:
    typed(panel, "  \n")
    click(panel, "request_changes")
    assert notice(panel)[0] == "warning"
    assert server.asked("/hitl-review/sessions/feedback") == []


@pytest.mark.parametrize("button", ["approve", "reject", "request_changes"])
def test_stale_decision_shows_the_current_output(server: ReviewServer, panel: ReviewPanel, button: str) -> None:
    typed(panel, "my words")
    server.next_output(key("b"), "Newer draft")
    decide(panel, button)
    assert server.sessions[key("b")]["status"] == "pending_review"
    assert notice(panel)[0] == "warning"
    assert "output 2 is current" in html(panel)
    assert panel.output == "Newer draft"
    assert form(panel)["draft"] == "my words"
    decide(panel, button)
    assert server.sessions[key("b")]["status"] != "pending_review"
    assert form(panel)["draft"] == ""


def test_conflicting_decision_of_another_reviewer(server: ReviewServer, panel: ReviewPanel) -> None:
    typed(panel, "my words")
    who = {"id": "9", "name": "<script>Eve</script>"}
    server.change(key("b"), status="approved", decided_by=who)
    decide(panel, "reject")
    assert "Already approved by &lt;script&gt;Eve" in html(panel)
    assert "<script>" not in html(panel)
    assert form(panel)["draft"] == "my words"
    assert "What you typed was not sent</div>" in html(panel)
    assert "my words" in html(panel)


def test_reader_may_not_decide(server: ReviewServer) -> None:
    server.add("a")
    panel = ReviewPanel(client=Client(server.url, username="viewer", password="viewer-password"))
    panel.open()
    decide(panel, "approve")
    assert "You may not decide" in html(panel)
    assert panel.workspace.model.sending is None
    panel.close()


def test_review_assigned_to_others_cannot_be_decided(server: ReviewServer) -> None:
    server.add("a", reviewers=["ben", "cleo"])
    panel = make(server)
    panel.open()
    reason = "Only ben, cleo may decide this review."
    assert "Waiting for others" in html(panel)
    assert [row["words"] for row in panel.workspace.list.list.rows] == ["Waiting for others"]
    assert enabled(panel) == []
    assert {button["title"] for button in form(panel)["buttons"]} == {form(panel)["hint"]} == {reason}
    click(panel, "approve")
    assert form(panel)["confirm"] is None
    panel.close()
    for user in ({"username": "ben", "password": "ben-password"}, {"token": jwt("cleo", 4e9)}):
        panel = ReviewPanel(server.url, refresh_seconds=0, **user)  # type: ignore[arg-type]
        panel.open()
        assert "Waiting for you" in html(panel)
        assert [row["words"] for row in panel.workspace.list.list.rows] == ["Waiting for you"]
        assert len(enabled(panel)) == 3
        decide(panel, "request_changes")
        assert reason not in html(panel)
        panel.close()


def test_outage_is_reported_and_keeps_the_content(server: ReviewServer, panel: ReviewPanel) -> None:
    typed(panel, "my words")
    server.broken["/hitl-review"] = (503, "text/plain", "down")
    refresh(panel)
    assert "what you see may be out of date. The server answered 503." in html(panel)
    assert panel.output == "Draft of b"
    decide(panel, "approve")
    assert notice(panel)[0] == "error"
    assert form(panel)["draft"] == "my words"
    server.broken.clear()
    refresh(panel)
    assert "Refreshing does not work" not in html(panel)
    assert form(panel)["draft"] == "my words"


def test_ended_reviews_are_listed_on_request(server: ReviewServer, panel: ReviewPanel) -> None:
    server.add("c", status="approved", task_completed=True)
    refresh(panel)
    assert listed(panel) == ["b", "a"]
    panel.workspace.list.shown.value = (None, True)
    assert listed(panel) == ["c", "b", "a"]
    assert panel.workspace.model.selected == key("b")
    panel.workspace.list.shown.value = ("approved", True)
    assert listed(panel) == ["c", "b"]
    assert [row["listed"] for row in panel.workspace.list.list.rows] == [True, False]


def test_filter_by_dag_and_text(server: ReviewServer, panel: ReviewPanel) -> None:
    server.add("c", prompt="Sales of <b>May</b>")
    refresh(panel)
    view = panel.workspace.list
    assert [value for _, value in view.dag.options] == ["", "a", "b", "c"]
    view.dag.value = "c"
    assert listed(panel) == ["c", "b"]  # b is open
    view.dag.value = ""
    view.search.value = "sales of"
    assert listed(panel) == ["c", "b"]
    view.search.value = "nothing like it"
    assert listed(panel) == ["b"]
    assert "No review matches" in view.list.empty
    assert "in:output" in view.list.empty
    asked = server.asked("/hitl-review/sessions")[-1].query
    assert (asked["q"], asked["limit"], asked["offset"]) == ("nothing like it", "50", "0")


def test_paging(server: ReviewServer, panel: ReviewPanel) -> None:
    for number in range(60):
        server.add(f"dag_{number:02}")
    refresh(panel)
    view = panel.workspace.list
    assert "1–50 of 62" in html(panel)
    assert (view.back.disabled, view.forth.disabled) == (True, False)
    view.forth.click()
    assert "51–62 of 62" in html(panel)
    assert (view.back.disabled, view.forth.disabled) == (False, True)
    assert len(view.list.rows) == 12
    view.order.value = "dag_id"
    assert "1–50 of 62" in html(panel)


def test_arrivals_are_announced_and_keep_the_open_review(server: ReviewServer, panel: ReviewPanel) -> None:
    typed(panel, "still typing")
    version = form(panel)["draft_version"]
    server.add("c")
    refresh(panel)
    assert listed(panel) == ["c", "b", "a"]
    assert [row["is_new"] for row in panel.workspace.list.list.rows] == [True, False, False]
    assert "New: c › draft." in html(panel)
    assert panel.session is not None
    assert panel.session.key == key("b")
    assert (form(panel)["draft"], form(panel)["draft_version"]) == ("still typing", version)
    open_row(panel, "c")
    assert not any(row["is_new"] for row in panel.workspace.list.list.rows)


def test_unknown_rows_are_not_opened(server: ReviewServer, panel: ReviewPanel) -> None:
    widget = panel.workspace.list.list
    for row_id in ("", "{}", '["a"]', "[1, 2, 3, null]", '["a", "b", "c", "d"]', "[" * 100_000):
        receive(widget, do="open", id=row_id)
        receive(widget, do="pick", ids=[row_id], on=True)
    assert panel.workspace.bulk.picks == ()


def test_open_review_stays_open_after_leaving_the_list(server: ReviewServer, panel: ReviewPanel) -> None:
    server.change(key("b"), status="timeout_exceeded", task_completed=True, task_state="failed")
    refresh(panel)
    assert panel.workspace.model.selected == key("b")
    assert [(row["dag_id"], row["state"], row["listed"]) for row in panel.workspace.list.list.rows] == [
        ("a", "waiting", True),
        ("b", "timed_out", False),
    ]
    assert panel.session is not None
    assert panel.session.task_completed
    assert enabled(panel) == []


def test_refresh_is_conditional(server: ReviewServer, panel: ReviewPanel) -> None:
    server.seen.clear()
    refresh(panel)
    (asked,) = server.seen
    assert asked.path == "/hitl-review/sessions"
    assert asked.headers["if-none-match"]


def test_widgets_contain_no_secrets(server: ReviewServer, panel: ReviewPanel) -> None:
    token = server.seen[-1].headers["authorization"].removeprefix("Bearer ")
    state = json.dumps([widget.get_state() for widget in open_widgets().values()], default=str)
    assert "ada-password" not in state
    assert token not in state
    assert "Draft of b" in state


def test_mimebundle_and_repr_without_front_end(server: ReviewServer) -> None:
    server.add("a")
    panel = make(server)
    bundle = panel._repr_mimebundle_()
    assert bundle["text/plain"] == repr(panel)
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert f"{server.url}: 1 waiting" in repr(panel)
    panel.close()
    assert panel._repr_mimebundle_() == {"text/plain": "This review panel is closed. Run its cell again."}
    unconnected = ReviewPanel(server.url, username="nobody", refresh_seconds=0)
    assert "not connected" in repr(unconnected)
    unconnected.close()


def test_no_count_before_the_first_list(server: ReviewServer) -> None:
    server.broken["/hitl-review"] = (503, "text/plain", "down")
    panel = make(server)
    assert html(panel).count("The list could not be fetched. The server answered 503.") == 1
    assert "out of date" not in html(panel)
    assert 'class="hitl-count"' not in html(panel)
    assert f"{server.url}: not connected: The server answered 503. It is seen" in repr(panel)
    server.broken.clear()
    refresh(panel)
    assert "could not be fetched" not in html(panel)
    assert "0 waiting" in html(panel)
    server.broken["/hitl-review"] = (503, "text/plain", "down")
    refresh(panel)
    assert "what you see may be out of date. The server answered 503." in html(panel)
    assert f"{server.url}: 0 waiting" in repr(panel)
    panel.close()


def test_without_reviews(server: ReviewServer) -> None:
    panel = make(server)
    assert (panel.session, panel.output) == (None, None)
    assert "Nothing waits for a review" in panel.workspace.list.list.empty
    with pytest.raises(RuntimeError, match="No listed review waits"):
        panel.open()
    assert not form(panel)["shown"]
    assert [s.path for s in server.seen] == ["/auth/token", "/hitl-review/sessions"]
    panel.close()


def test_invalid_arguments() -> None:
    for arguments in ({"url": "host", "token": "t"}, {"url": "http://host", "token": "t", "username": "ada"}):
        with pytest.raises(ValueError, match=r"url|token"):
            ReviewPanel(**arguments)  # type: ignore[arg-type]


def test_rerunning_a_cell_closes_its_earlier_panels(server: ReviewServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "_in_cell", {})
    runs = iter([("one", "run-1"), ("two", "run-2"), ("one", "run-3"), None])
    monkeypatch.setattr(cells, "_current_cell", lambda: next(runs))
    panels = [make(server) for _ in range(4)]
    assert [panel.widget.comm is None for panel in panels] == [True, False, False, False]
    for panel in panels:
        panel.close()


# --- after a decision


@pytest.mark.parametrize(
    ("opened", "following"),
    [("c", "a"), ("a", "e"), ("e", "c")],  # the list is e, d, c, b, a; b is for others, and d waits for its task
)
def test_next_waiting_review_opens(server: ReviewServer, opened: str, following: str) -> None:
    for name in "abcde":
        server.add(name, reviewers=["ben"] if name == "b" else [])
    server.change(key("d"), status="changes_requested")
    server.change(key("e"))
    panel = make(server)
    panel.workspace.model.opens_next = True
    panel.open(key(opened))
    typed(panel, "Good")
    click(panel, "approve")
    assert panel.session is not None
    assert (panel.session.key, form(panel)["draft"]) == (key(following), "")
    assert notice(panel) == ("success", f"{opened} › draft: Approved output 1. The task goes on.")
    assert server.sessions[key(opened)]["status"] == "approved"
    panel.close()


def test_last_waiting_review_stays_open(server: ReviewServer) -> None:
    server.add("a")
    server.add("b", status="changes_requested")
    panel = make(server)
    panel.workspace.model.opens_next = True
    panel.open(key("a"))
    click(panel, "reject")
    assert panel.session is not None
    assert panel.session.key == key("a")
    assert notice(panel) == ("success", "Rejected output 1. The task fails and is not retried.")
    panel.close()


def test_choice_of_what_opens_after_a_decision(server: ReviewServer, panel: ReviewPanel) -> None:
    assert form(panel)["next"] == {"label": "Then open the next", "on": False}
    receive(panel.workspace.session.form, do="opennext", on=True)
    assert form(panel)["next"]["on"] is True
    assert panel.workspace.model.opens_next is True


# --- with an event loop, as in a notebook


def held(server: ReviewServer, scenario: Callable[[ReviewPanel], Coroutine[None, None, None]]) -> None:
    """Run this with a panel on two reviews, in which an approval of ``b`` is held back for long."""

    async def run() -> None:
        panel = make(server)
        panel.workspace.model.hold_seconds = 3600.0
        await settle(panel)
        panel.open(key("b"))
        await settle(panel)
        typed(panel, "Fine")
        await settle(panel)
        click(panel, "approve")
        await until(lambda: form(panel)["confirm"] is not None)
        assert form(panel)["confirm"]["text"] == "Approving output 1 with your comment"
        assert form(panel)["confirm"]["seconds"] == 3600.0
        await scenario(panel)
        panel.close()

    server.add("a")
    server.add("b")
    asyncio.run(run())


def approvals(server: ReviewServer) -> list[tuple[str, object]]:
    return [(seen.query["dag_id"], seen.body) for seen in server.asked("/hitl-review/sessions/approve")]


SENT = [("b", {"feedback": "Fine", "iteration": 1, "channel": "notebook"})]


def test_undo_sends_nothing(server: ReviewServer) -> None:
    async def scenario(panel: ReviewPanel) -> None:
        receive(panel.workspace.session.form, do="cancel", key=form(panel)["key"])
        await settle(panel)
        assert (form(panel)["confirm"], form(panel)["draft"]) == (None, "Fine")

    held(server, scenario)
    assert approvals(server) == []


def test_held_decision_is_sent_after_its_time(server: ReviewServer) -> None:
    async def scenario(panel: ReviewPanel) -> None:
        receive(panel.workspace.session.form, do="cancel", key=form(panel)["key"])
        panel.workspace.model.hold_seconds = 0.2
        await settle(panel)
        click(panel, "approve")
        await asyncio.sleep(0)
        assert form(panel)["confirm"] is not None
        assert approvals(server) == []
        await settle(panel)
        assert approvals(server) == SENT
        assert notice(panel)[0] == "success"

    held(server, scenario)


@pytest.mark.parametrize("how", ["send now", "again", "open another", "pick another", "close"])
def test_held_decision_is_sent_at_once(server: ReviewServer, how: str) -> None:
    async def scenario(panel: ReviewPanel) -> None:
        if how == "send now":
            confirm(panel)
        elif how == "again":
            click(panel, "approve")
        elif how == "open another":
            open_row(panel, "a")
        elif how == "pick another":
            panel.pick(key("a"))
        else:
            panel.close()
        await until(lambda: approvals(server) == SENT)
        await settle(panel)
        if how != "close":
            assert notice(panel)[0] == "success"

    held(server, scenario)
    assert server.sessions[key("b")]["status"] == "approved"
    assert approvals(server) == SENT


@pytest.mark.parametrize("what", ["another output", "somebody else's decision"])
def test_held_decision_is_dropped(server: ReviewServer, what: str) -> None:
    async def scenario(panel: ReviewPanel) -> None:
        if what == "another output":
            server.next_output(key("b"), "Newer draft")
        else:
            server.change(key("b"), status="rejected", decided_by={"id": "9", "name": "Eve"})
        refresh(panel)
        await until(lambda: form(panel)["confirm"] is None)
        await settle(panel)
        text = {
            "another output": "The review has changed in the meantime, so nothing was sent. Look at it again.",
            "somebody else's decision": "Eve has decided: rejected. Nothing was sent.",
        }[what]
        assert notice(panel) == ("warning", text)
        assert panel.workspace.model.draft == "Fine"

    held(server, scenario)
    assert approvals(server) == []


def test_panel_in_an_event_loop(server: ReviewServer) -> None:
    async def scenario() -> None:
        panel = make(server)
        assert listed(panel) == []  # nothing blocks the loop
        assert f"{server.url}: not loaded yet. It is seen" in repr(panel)
        await settle(panel)
        panel.open()
        await settle(panel)
        assert panel.output == "Draft of b"
        typed(panel, "Shorter")
        await settle(panel)
        click(panel, "request_changes")
        await settle(panel)
        assert notice(panel)[0] == "success"
        assert form(panel)["draft"] == ""
        server.next_output(key("b"), "Short")
        refresh(panel)
        await settle(panel)
        click(panel, "approve")
        await settle(panel)
        assert server.sessions[key("b")]["status"] == "approved"
        assert "Approved output 2" in html(panel)
        open_row(panel, "a")
        await settle(panel)
        assert panel.session is not None
        assert panel.session.key == key("a")
        panel.workspace.list.search.value = "Write"
        await settle(panel)
        assert server.asked("/hitl-review/sessions")[-1].query["q"] == "Write"
        panel.close()

    server.add("a")
    server.add("b", current_output="Draft of b")
    asyncio.run(scenario())


def test_callbacks_from_other_threads_are_applied_on_the_loop(server: ReviewServer) -> None:
    threads: dict[str, set[str]] = {}

    async def scenario() -> None:
        panel = make(server)
        await settle(panel)
        names = ("selected", "review", "draft", "sending", "notice", "filters", "page", "picks")
        for model in (panel.workspace.model, panel.workspace.inbox, panel.workspace.bulk):
            model.observe(
                lambda change: threads.setdefault(change["name"], set()).add(threading.current_thread().name),
                [name for name in names if model.has_trait(name)],
            )

        def front_end() -> None:
            open_row(panel, "a")
            panel.workspace.list.shown.value = (None, True)
            receive(panel.workspace.list.list, do="pick", ids=[row["id"] for row in rows], on=True)

        def type_and_click() -> None:
            typed(panel, "from elsewhere")
            receive(
                panel.workspace.session.form,
                do="act",
                key=form(panel)["key"],
                action="request_changes",
                text="from elsewhere",
            )

        rows = panel.workspace.list.list.rows
        for action in (front_end, type_and_click):
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


def test_panel_refreshes_until_closed(server: ReviewServer) -> None:
    async def scenario() -> None:
        panel = make(server, refresh_seconds=0.03)
        await settle(panel)
        panel.open()
        await until(lambda: panel.session is not None)
        typed(panel, "still typing")
        server.next_output(key("a"), "Second")
        await until(lambda: panel.output == "Second")
        assert form(panel)["draft"] == "still typing"
        panel.close()
        for _ in range(5):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await asyncio.sleep(0.1)  # responses in flight arrive
        asked = len(server.seen)
        refresh(panel)
        await asyncio.sleep(0.15)
        assert len(server.seen) == asked

    server.add("a")
    asyncio.run(scenario())


def test_close_during_pending_work(server: ReviewServer, caplog: pytest.LogCaptureFixture) -> None:
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
