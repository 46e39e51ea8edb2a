"""The static record of a panel that a saved notebook keeps; in JupyterLab: ``test_jupyterlab.py``."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from hitl_notebook import ReviewKey, ReviewPanel
from hitl_notebook.panel import record as record_module
from hitl_notebook.panel.actions import Action
from tests.notebook.hostile import HOSTILE, harmless
from tests.notebook.panels import key, make, open_row, refresh, settle
from tests.notebook.server import ReviewServer, session
from tests.notebook.times import stamp


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is displayed: the data, and whether it updates an output."""
    calls: list[Any] = []

    def display(data: dict[str, str], *, raw: bool, display_id: str, update: bool = False) -> None:
        assert raw
        calls.append((update, display_id, data))

    monkeypatch.setattr(record_module, "display", display)
    monkeypatch.setattr(record_module, "PAUSE", 0.1)
    return calls


def shown(panel: ReviewPanel) -> str:
    """The text of the record, which contains nothing active."""
    whole = panel._repr_mimebundle_()["text/html"]
    start, style, html = re.split("</?style>", whole)
    assert "<" not in style
    parts = harmless(start + html.replace("</td>", " </td>").replace("</p>", " </p>"), also=["bdi", "strong"])
    return " ".join(parts.text.split())


def test_record_shows_the_list_the_open_review_and_the_decisions(server: ReviewServer) -> None:
    for name in ("a", "b", "c"):
        server.add(name, current_output=f"# Draft of {name}")
    panel = make(server)
    assert f"Reviews at {server.url}: 3 waiting." in shown(panel)
    open_row(panel, "b")
    panel.client.approve(key("b"), iteration=1)
    refresh(panel)
    # Several at once; their tasks end before the list is fetched again, so that it shows none of them.
    bulk = panel.workspace.bulk
    panel.pick(key("c"))
    bulk.act(Action.REJECT)
    run = bulk.confirm()
    assert run is not None
    bulk.taken(run.picks[0])
    bulk.ended()
    for name in "bc":
        server.change(key(name), task_completed=True)
    refresh(panel)
    text = shown(panel)
    assert "b › draft manual__2030 Approved output 1, by ada, 2030-01-0" in text
    assert "c › draft manual__2030 Rejected output 1, by ada, 20" in text
    assert "a › draft manual__2030 Waiting" in text
    assert "Open: b › draft Task Write the report.Output 1 Draft of b" in text
    plain = panel._record.bundle()["text/plain"]
    assert "b › draft, manual__2030: Approved, output 1, by ada, 2030-01-0" in plain
    assert "ada-password" not in str(panel._repr_mimebundle_())
    panel.close()


def test_a_new_round_is_recorded_as_waiting(server: ReviewServer) -> None:
    server.add("a")
    panel = make(server)
    panel.client.request_changes(panel.client.find(key("a")), "Shorter")
    refresh(panel)
    assert "Changes requested output 1, by ada" in shown(panel)
    server.next_output(key("a"), "Short")
    refresh(panel)
    assert "a › draft manual__2030 Waiting" in shown(panel)
    assert "by ada" not in shown(panel)
    panel.close()


@pytest.mark.parametrize("output_format", ["text", "json"])
def test_hostile_texts_are_only_text(server: ReviewServer, output_format: str) -> None:
    for text in HOSTILE:
        name = ReviewKey(text, text, text)
        who = {"id": "9", "name": text}
        output = json.dumps({text: text}) if output_format == "json" else text
        decided = {"status": "approved", "decided_by": who, "decided_at": stamp(1)}
        server.sessions[name] = session(
            name, prompt=text, current_output=output, output_format=output_format, **decided
        )
    panel = make(server)
    for text in HOSTILE:
        panel.open(ReviewKey(text, text, text))
        assert panel.session is not None
        shown(panel)
    panel.close()


def test_long_texts_and_lists_are_cut(server: ReviewServer) -> None:
    for number in range(60):
        server.add(f"dag{number}", prompt="p" * 5_000, current_output="o" * 1_000_000)
        server.change(
            key(f"dag{number}"), status="approved", decided_by={"id": "1", "name": "ada"}, decided_at=stamp(1)
        )
    panel = make(server)
    panel.workspace.inbox.turn_page(1)
    panel.open(key("dag0"))
    text = shown(panel)
    assert "the first 2,000 of 5,000 characters" in text
    assert "the first 10,000 of 1,000,000 characters" in text
    assert "and 10 more" in text
    assert len(text) < 20_000
    panel.close()


def test_without_a_connection_the_record_says_so(server: ReviewServer) -> None:
    panel = ReviewPanel(server.url, username="ada", refresh_seconds=0)
    assert "Reviews: the panel was not connected." in shown(panel)
    panel.close()
    server.broken["/hitl-review"] = (503, "text/plain", "down")
    panel = make(server)
    assert "the list was not loaded. The server answered 503" in shown(panel)
    panel.close()


def test_record_is_written_only_when_it_has_changed(server: ReviewServer, written: list[Any]) -> None:
    async def scenario() -> None:
        panel = make(server, refresh_seconds=0.02)
        panel._ipython_display_()
        await settle(panel)
        await asyncio.sleep(0.3)
        assert [update for update, _, _ in written[:1]] == [False]
        before = len(written)
        await asyncio.sleep(0.3)  # refreshes, without a change
        assert len(written) == before
        for number in range(5):
            server.add(f"new{number}")
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.4)
        assert before < len(written) <= before + 2  # not once for each
        update, name, data = written[-1]
        assert update
        assert name == written[0][1]
        assert set(data) == {"text/html", "text/plain"}  # no view: JupyterLab would make it anew
        assert "new4" in data["text/html"]
        server.add("last")
        refresh(panel)
        await asyncio.sleep(0.05)
        panel.close()
        assert "last" in written[-1][2]["text/html"]
        after = len(written)
        await asyncio.sleep(0.3)
        assert len(written) == after

    server.add("a")
    asyncio.run(scenario())
