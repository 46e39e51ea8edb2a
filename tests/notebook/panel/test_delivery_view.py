"""The webhook section of the panel."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from hitl_notebook import Delivery, ReviewPanel
from hitl_notebook.panel.background import Background
from hitl_notebook.panel.deliveries.model import DeliveryModel
from hitl_notebook.panel.deliveries.view import DeliveryView, EventRow, endpoint_state, endpoints_html, event_html
from hitl_notebook.panel.views import close_all
from tests.notebook.delivery_server import attempt, delivery, endpoint, failing, page
from tests.notebook.hostile import HOSTILE, Parts, harmless
from tests.notebook.panels import (
    decide,
    form,
    html,
    key,
    make,
    open_row,
    open_widgets,
    refresh,
    settle,
    typed,
    until,
)
from tests.notebook.server import ReviewServer
from tests.notebook.times import START, stamp

PATH = "/hitl-review/deliveries"


@pytest.fixture
def panel(server: ReviewServer) -> Iterator[ReviewPanel]:
    """A panel without an event loop, on two reviews; ``b`` is open and has had two events."""
    server.add("a")
    server.add("b")
    server.webhooks.add(key("b"), endpoints=[endpoint("audit"), failing("chat", format="slack")])
    server.webhooks.add(key("b"), type="hitl_review.changes_requested")
    server.webhooks.add(key("a"), type="hitl_review.finalized")
    panel = make(server)
    panel.open()
    yield panel
    panel.close()


def unfold(panel: ReviewPanel) -> None:
    panel.workspace.deliveries.toggle.value = True


def rows(panel: ReviewPanel) -> list[Any]:
    """The rows' widgets: each has a name, a button and the delivery states."""
    return list(panel.workspace.deliveries._list.children)


def texts(panel: ReviewPanel) -> list[str]:
    return [Parts(f"{row.children[0].value} {row.children[2].value}").text for row in rows(panel)]


def said(panel: ReviewPanel) -> str:
    """Notices and remarks of the section."""
    return Parts(panel.workspace.deliveries._notice.value + panel.workspace.deliveries._state.value).text


def test_folded_section_sends_no_requests(server: ReviewServer, panel: ReviewPanel) -> None:
    refresh(panel)
    assert server.asked(PATH) == []
    assert panel.workspace.deliveries._body.layout.display == "none"
    assert panel.workspace.deliveries.widget.layout.display is None
    assert panel.workspace.deliveries.toggle.description == "Show webhooks"


def test_unfolded_section_shows_events_of_the_open_review(server: ReviewServer, panel: ReviewPanel) -> None:
    unfold(panel)
    assert panel.workspace.deliveries.toggle.description == "Hide webhooks"
    assert panel.workspace.deliveries._body.layout.display is None
    newest, first = texts(panel)
    assert newest.startswith("Changes requested ")
    assert first.startswith("Output 1 ready ")
    assert "✓ Delivered" in first
    assert "audit 1 attempt" in first
    assert "chat Slack · 1 attempt" in first
    assert "answered 503 Service Unavailable" in first
    assert "◌ Next attempt " in first
    assert said(panel) == ""
    open_row(panel, "a")
    (ended,) = texts(panel)
    assert ended.startswith("Review ended ")
    panel.workspace.deliveries.toggle.value = False
    assert panel.workspace.deliveries._body.layout.display == "none"


def test_section_refreshes_with_the_panel(server: ReviewServer, panel: ReviewPanel) -> None:
    unfold(panel)
    before = rows(panel)
    server.webhooks.set(next(iter(server.webhooks.events)), endpoint("audit"), failing("chat", status="failed"))
    server.webhooks.add(key("b"), iteration=2)
    refresh(panel)
    assert texts(panel)[0].startswith("Output 2 ready ")
    assert "✗ Gave up" in texts(panel)[2]
    assert rows(panel)[1:] == before  # the same widgets, so the focus is kept


def test_removed_rows_are_closed(server: ReviewServer, panel: ReviewPanel) -> None:
    unfold(panel)
    with_two = set(open_widgets())
    gone = rows(panel)
    open_row(panel, "a")
    assert all(row.comm is None and row.children[1].comm is None for row in gone)
    server.webhooks.reset()
    refresh(panel)
    assert rows(panel) == []
    assert set(open_widgets()) < with_two
    assert said(panel) == "No webhooks were sent about this review."


def test_section_is_hidden_without_an_open_review(server: ReviewServer) -> None:
    panel = make(server)
    assert panel.workspace.deliveries.widget.layout.display == "none"
    panel.close()


def test_resend(server: ReviewServer, panel: ReviewPanel) -> None:
    unfold(panel)
    again = rows(panel)[0].children[1]
    assert again.description == "Send again"
    assert "“Changes requested”" in again.tooltip
    assert "again to all its endpoints" in again.tooltip
    again.click()
    event_id = list(server.webhooks.events)[1]
    (asked,) = server.asked(f"{PATH}/{event_id}/resend")
    assert (asked.method, asked.body) == ("POST", None)
    assert "◌ Next attempt " in texts(panel)[0]
    assert said(panel) == ("Asked to send “Changes requested” again, to audit. The list shows the result.")
    server.webhooks.set(event_id, endpoint(attempts=2))
    refresh(panel)
    assert "✓ Delivered" in texts(panel)[0]
    assert "2 attempts" in texts(panel)[0]


def test_button_is_busy_during_resend(server: ReviewServer) -> None:
    async def scenario() -> None:
        panel = make(server)
        await settle(panel)
        panel.open()
        await settle(panel)
        unfold(panel)
        assert "Looking for webhooks…" in said(panel)
        await settle(panel)
        again = rows(panel)[0].children[1]
        again.click()
        again.click()
        await asyncio.sleep(0)
        assert (again.description, again.disabled) == ("Sending…", False)
        await settle(panel)
        assert again.description == "Send again"
        assert len([seen for seen in server.seen if seen.path.endswith("/resend")]) == 1
        panel.close()

    server.add("b")
    server.webhooks.add(key("b"))
    asyncio.run(scenario())


def test_reader_may_not_resend(server: ReviewServer) -> None:
    server.add("b")
    server.webhooks.add(key("b"))
    panel = make(server, user="viewer")
    panel.open()
    unfold(panel)
    rows(panel)[0].children[1].click()
    assert said(panel) == "“Output 1 ready” was not sent again. You may not decide the reviews of DAG 'reports'."
    assert rows(panel)[0].children[1].description == "Send again"
    panel.close()


def test_user_without_read_permission(server: ReviewServer) -> None:
    server.add("b")
    panel = make(server, user="stranger")
    panel.open()
    unfold(panel)
    assert said(panel) == "The webhooks could not be fetched. You may not read the reviews of DAG 'reports'."
    assert panel.workspace.inbox.offline == ""
    panel.close()


def test_outdated_server(outdated: ReviewServer) -> None:
    outdated.add("b")
    panel = make(outdated)
    panel.open()
    unfold(panel)
    assert "The webhooks could not be fetched." in said(panel)
    assert "older than this client" in said(panel)
    assert panel.workspace.inbox.offline == ""
    decide(panel, "approve")
    assert outdated.sessions[key("b")]["status"] == "approved"
    panel.close()


def test_outage_keeps_the_list(server: ReviewServer, panel: ReviewPanel) -> None:
    unfold(panel)
    server.broken[PATH] = (503, "text/plain", "down")
    refresh(panel)
    assert said(panel) == "The webhooks could not be fetched. The server answered 503."
    assert len(rows(panel)) == 2
    server.broken.clear()
    refresh(panel)
    assert said(panel) == ""


def test_due_attempt_is_shown_without_other_changes() -> None:
    times = iter(START + timedelta(seconds=n) for n in (0, 1, 9))
    model = DeliveryModel(lambda: next(times))
    view = DeliveryView(model, Background().post, lambda _: None)
    model.select(key("b"))
    model.show(True)
    fetch = model.begin_fetch()
    assert fetch is not None
    seen = []
    for _ in range(2):
        model.apply(fetch, page(delivery(key("b"), endpoints=[failing()])))
        seen.append(view._list.children[0].children[2].value)
    assert ["Next attempt" in seen[0], "Being sent" in seen[1]] == [True, True]
    close_all(view.widget)


def test_more_events_than_fit(server: ReviewServer, panel: ReviewPanel) -> None:
    for _ in range(60):
        server.webhooks.add(key("b"))
    unfold(panel)
    assert len(rows(panel)) == 50
    assert said(panel) == "The latest 50 of 62."


def test_draft_is_kept(server: ReviewServer, panel: ReviewPanel) -> None:
    typed(panel, "still typing")
    version = form(panel)["draft_version"]
    unfold(panel)
    rows(panel)[0].children[1].click()
    refresh(panel)
    panel.workspace.deliveries.toggle.value = False
    assert (form(panel)["draft"], panel.workspace.model.draft) == ("still typing", "still typing")
    assert form(panel)["draft_version"] == version


def test_clicks_from_other_threads_are_applied_on_the_loop(server: ReviewServer) -> None:
    threads: set[str] = set()

    async def scenario() -> None:
        panel = make(server)
        await settle(panel)
        panel.open()
        await settle(panel)
        panel.workspace.deliveries._model.observe(lambda _: threads.add(threading.current_thread().name))

        def unfold_it() -> None:
            panel.workspace.deliveries.toggle.value = True

        def click() -> None:
            rows(panel)[0].children[1].click()

        for action in (unfold_it, click):
            thread = threading.Thread(target=action, name="elsewhere")
            thread.start()
            await asyncio.to_thread(thread.join, 10)
            await settle(panel)
        assert "Asked to send" in said(panel)
        panel.close()

    server.add("b")
    server.webhooks.add(key("b"))
    asyncio.run(scenario(), debug=True)  # in debug mode the loop refuses calls from other threads
    assert threads == {threading.current_thread().name}


def test_unfolded_section_refreshes_automatically(server: ReviewServer) -> None:
    async def scenario() -> None:
        panel = make(server, refresh_seconds=0.03)
        await settle(panel)
        panel.open()
        await until(lambda: panel.session is not None)
        unfold(panel)
        await until(lambda: len(rows(panel)) == 1)
        server.webhooks.add(key("b"), type="hitl_review.finalized")
        await until(lambda: len(rows(panel)) == 2)
        panel.workspace.deliveries.toggle.value = False
        await settle(panel)
        asked = len(server.asked(PATH))
        listed = len(server.asked("/hitl-review/sessions"))
        await until(lambda: len(server.asked("/hitl-review/sessions")) > listed + 2)
        assert len(server.asked(PATH)) == asked
        panel.close()

    server.add("b")
    server.webhooks.add(key("b"))
    asyncio.run(scenario())


# --- display of an event


@pytest.mark.parametrize(
    ("value", "css", "words"),
    [
        (endpoint(), "good", "✓ Delivered"),
        (failing(status="gone"), "bad", "✗ Gone (410)"),
        (failing(status="failed"), "bad", "✗ Gave up"),
        (failing(next_attempt_at=None), "busy", "◌ Being sent"),
        (failing(next_attempt_at=stamp(0)), "busy", "◌ Being sent"),
        (failing(next_attempt_at=stamp(-60)), "busy", "◌ Being sent"),
        (failing(next_attempt_at=stamp(-61)), "busy", "◌ Due since {}"),
        (failing(next_attempt_at=stamp(5)), "busy", "◌ Next attempt {}"),
        (endpoint(status="on_the_moon"), "busy", "? on_the_moon"),
    ],
)
def test_state_words(value: dict[str, Any], css: str, words: str) -> None:
    (one,) = delivery(endpoints=[value]).endpoints
    due = one.next_attempt_at
    expected = words.format(f"{due.astimezone():%H:%M:%S}" if due else "")
    shown, symbol, text = endpoint_state(one, now=START)
    assert (shown, f"{symbol} {text}") == (css, expected)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"attempts": 0}, "not tried yet"),
        ({"attempts": 1, "format": None}, "1 attempt"),
        ({"attempts": 12, "format": "cloudevents"}, "CloudEvents · 12 attempts"),
    ],
)
def test_attempt_words(changes: dict[str, Any], words: str) -> None:
    shown = Parts(endpoints_html(delivery(endpoints=[endpoint(**changes)]), now=START))
    assert f"audit {words}" in shown.text


def test_event_without_endpoints() -> None:
    assert "It has no endpoints." in Parts(endpoints_html(delivery(endpoints=[]), now=START)).text


def test_long_error_is_truncated() -> None:
    shown = Parts(endpoints_html(delivery(endpoints=[failing(last_error="<x>" * 200)]), now=START))
    assert shown.text.endswith("Last error: " + "<x>" * 100 + "…")


def hostile(text: str) -> Delivery:
    return delivery(
        key("b")._replace(dag_id=text),
        event_id=text,
        type=text,
        endpoints=[
            endpoint(text, format=text, status=text, last_error=text, log=[attempt(error=text)]),
        ],
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_is_escaped(text: str) -> None:
    value = hostile(text)
    html = event_html(value) + endpoints_html(value, now=START + timedelta(1))
    shown = harmless(html, text_tags=False, also=("b", "ul", "li"))
    assert shown.text.count(text) == 4  # type, endpoint, status, error; the format only if it is known
    assert shown.tags.count("li") == 1


def test_foreign_text_is_escaped_in_notices_and_tooltips(server: ReviewServer, panel: ReviewPanel) -> None:
    text = "\"><script>alert('1')</script>\ud800"
    name = text.replace("\ud800", "?")
    server.webhooks.reset()
    server.webhooks.add(key("b"), type=name, endpoints=[endpoint(name)])
    unfold(panel)
    rows(panel)[0].children[1].click()
    assert said(panel).count(name) == 2
    assert "<script>" not in html(panel)
    row = EventRow("x", panel._background.post, lambda _: None)
    row.update(hostile(text), now=START, sending=False)
    row.again.tooltip.encode()  # text that cannot be encoded could not be sent to the front end
    row.widget.children[0].value.encode()
    close_all(row.widget)
