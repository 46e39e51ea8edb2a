"""An Airflow whose workers have the AI provider alone: our client there, and the provider's page with our API.

One of its two API servers has the provider alone, too. The other one has this project as well, and leaves the tab
in Airflow's UI to the provider.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from demo.airflow_instance import AirflowInstance
from demo.processes import PATIENCE, wait_until
from hitl_notebook import (
    Client,
    ConflictError,
    InvalidEditError,
    InvalidRequestError,
    PermissionDeniedError,
    ReviewKey,
    ReviewPanel,
)
from hitl_notebook.client.backends import provider as provider_api
from hitl_notebook.client.backends.provider import NOT_IN_OUTPUTS, NOTICE
from tests.compatibility.conftest import need_python
from tests.compatibility.environments import PROVIDER_ONLY, VERSIONS, environment
from tests.compatibility.story import DAGS
from tests.conftest import need_chromium
from tests.notebook.panels import click, html, notice, settle, typed
from tests.support import browser, postgres
from tests.support.lean import AGENTS, lean

pytestmark = [pytest.mark.live, pytest.mark.postgres, pytest.mark.timeout(600)]

USERS = {"admin": "admin", "viv": "viewer"}
BOTH = VERSIONS[-1]


@dataclass
class Provider:
    """The two API servers."""

    alone: AirflowInstance
    with_ours: AirflowInstance

    def reviews(self) -> tuple[ReviewKey, ReviewKey]:
        """Two reviews that wait."""
        run_id = self.alone.trigger("theirs")
        keys = ReviewKey("theirs", run_id, "agent"), ReviewKey("theirs", run_id, "agent_rejected")
        client = Client(self.alone.url, username="admin", password="admin")
        wait_until(
            lambda: {row.key for row in client.sessions()} >= set(keys),
            timeout=60,
            what="the reviews",
            interval=0.5,
        )
        return keys

    def state(self, key: ReviewKey) -> str | None:
        """State of a task instance."""
        return self.alone.task_states(key.dag_id, key.run_id)[key.task_id, key.map_index]


@pytest.fixture(scope="module")
def provider(folder: Path, postgres_server: postgres.Server) -> Iterator[Provider]:
    need_python(PROVIDER_ONLY)
    alone = AirflowInstance(
        folder / "provider_alone",
        DAGS,
        database=postgres_server.create("provider"),
        users=USERS,
        programs=environment(PROVIDER_ONLY),
        settings=lean(folder / "provider_alone", *AGENTS),
    )
    shared = ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY")
    with_ours = AirflowInstance(
        folder / "provider_with_ours",
        DAGS,
        database=alone.database,
        users=USERS,
        programs=environment(BOTH),
        settings={name: alone.env[name] for name in shared} | {"AIRFLOW__HITL_REVIEW__REVIEW_TAB": "False"},
    )
    alone.migrate()
    try:
        second = threading.Thread(target=lambda: with_ours.start("api-server"))
        second.start()
        alone.start("scheduler", "dag-processor", "api-server")
        second.join()
        alone.wait_for_dag("theirs")
        yield Provider(alone, with_ours)
    finally:
        with_ours.stop()
        alone.stop()


def test_a_second_request_of_an_agent_fails_its_task(provider: Provider) -> None:
    """The DAG whose agents ask three times with ours (``test_asking``)."""
    airflow = provider.alone
    airflow.wait_for_dag("asking")
    run_id = airflow.trigger("asking")

    def states() -> dict[str, str | None]:
        return {task_id: state for (task_id, _), state in airflow.task_states("asking", run_id).items()}

    wanted = {"reviewed": "failed", "alone": "awaiting_input"}  # no approval of calls beside a review
    wait_until(lambda: states() == wanted, timeout=120, what="the first request", interval=0.5)
    # Airflow fails a task that is resumed before its scheduler knows that the process which parked it has ended.
    scheduler = airflow.home / "scheduler.log"
    wait_until(
        lambda: any(
            "Received executor event" in line and run_id in line and "alone" in line
            for line in scheduler.read_text(errors="replace").splitlines()
        ),
        timeout=120,
        what="the end of the process",
        interval=0.5,
    )
    path = f"/dags/asking/dagRuns/{quote(run_id)}/taskInstances/alone/-1/hitlDetails"
    airflow.api("PATCH", path, json={"chosen_options": ["Approve"], "params_input": {}})
    wait_until(lambda: states()["alone"] == "failed", timeout=120, what="the second request", interval=0.5)
    (log,) = (airflow.home / "logs").glob(f"dag_id=asking/run_id={run_id}/task_id=alone/*.log")
    assert "ToolApprovalAlreadyRequestedError" in log.read_text()
    made = (airflow.home / "made-alone").read_text()
    assert made.count("refund") == 2  # both calls of the first request, with one answer
    assert not (airflow.home / "made-reviewed").read_text().count("refund")


def test_the_client_finds_and_decides(provider: Provider) -> None:
    approved, rejected = provider.reviews()
    client = Client(provider.alone.url, username="admin", password="admin")
    page = client.sessions(q="FIRST", dag_id="theirs", status="pending_review", order_by="task_id")
    mine = [row for row in page if row.key.run_id == approved.run_id]
    assert [row.key for row in mine] == [approved, rejected]
    assert page.notice == NOTICE
    assert NOTICE in repr(page)
    assert client.sessions(q="no such text").total_entries == 0
    in_output = client.sessions(q="in:output FIRST", dag_id="theirs", status="pending_review")
    assert {approved, rejected} <= {row.key for row in in_output}
    assert in_output.notice == f"{NOTICE} {NOT_IN_OUTPUTS}"
    assert len(client.sessions(limit=1, offset=1)) == 1

    review = client.find(mine[0])
    assert (review.current_output, review.iteration, review.prompt) == ("success (no tool calls)", 1, "first")
    assert review.task_state == "running"
    known = client.sessions_if_changed(None)
    assert client.sessions_if_changed(known) is known

    client.request_changes(review, "shorter")
    with pytest.raises(ConflictError):
        client.approve(review)
    newer = client.wait_for(review, until="output", timeout=30 * PATIENCE, interval=0.5)
    wait_until(  # the provider's worker stores the session before the output
        lambda: len(client.find(newer).conversation) == 3, timeout=30, what="the second output", interval=0.2
    )
    newer = client.find(newer)
    assert [(turn.kind, turn.content) for turn in newer.conversation][1] == ("feedback", "shorter")
    times = [turn.timestamp for turn in newer.conversation]
    assert times == sorted(times)
    assert client.find(newer).conversation == newer.conversation  # said then, not when it is read
    with pytest.raises(ConflictError, match="output 2 is the current one"):
        client.approve(review)
    assert client.approve(newer).status == "approved"
    with pytest.raises(ConflictError):
        client.reject(newer)

    with pytest.raises(InvalidRequestError, match="stores no text"):
        client.reject(mine[1], feedback="a reason that would be lost")
    assert client.reject(mine[1]).status == "rejected"
    wait_until(lambda: provider.state(approved) == "success", timeout=30, what="the approved task")
    wait_until(lambda: provider.state(rejected) == "failed", timeout=30, what="the rejected task")
    ended = {row.key: row for row in client.sessions(include_ended=True)}
    assert (ended[approved].status, ended[approved].task_completed) == ("approved", True)
    assert approved not in {row.key for row in client.sessions()}


def test_many_ended_sessions_hide_none_that_waits(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    approved, other = provider.reviews()
    monkeypatch.setattr(provider_api, "LIMIT", 1)  # as if there were more than a thousand
    client = Client(provider.alone.url, username="admin", password="admin")
    assert {approved, other} <= {row.key for row in client.sessions()}
    for key in (approved, other):
        client.approve(key, iteration=1)


def test_a_first_decision_without_a_look_is_guarded_too(provider: Provider) -> None:
    approved, other = provider.reviews()
    with pytest.raises(ConflictError):
        Client(provider.alone.url, username="admin", password="admin").approve(approved, iteration=2)
    viewer = Client(provider.alone.url, username="viv", password="viv")
    assert viewer.find(approved).is_pending
    with pytest.raises(PermissionDeniedError):
        viewer.approve(approved, iteration=1)
    client = Client(provider.alone.url, username="admin", password="admin")
    assert client.approve(approved, iteration=1).status == "approved"
    client.approve(other, iteration=1)


def test_the_panel_says_so_and_works(provider: Provider) -> None:
    approved, other = provider.reviews()

    async def decide(panel: ReviewPanel, action: str) -> None:
        click(panel, action)
        await settle(panel)

    async def scenario() -> None:
        client = Client(provider.alone.url, username="admin", password="admin", channel="notebook")
        panel = ReviewPanel(client=client, refresh_seconds=0)
        try:
            panel.workspace.model.hold_seconds = 0.05
            panel.workspace.model.opens_next = False
            await settle(panel)
            panel.open(approved)
            await settle(panel)
            assert "This Airflow has the AI provider, but not hitl-notebook" in html(panel)
            assert panel.output == "success (no tool calls)"
            await decide(panel, "approve")
            assert panel.session is not None
            assert panel.session.status == "approved"
            panel.open(other)
            await settle(panel)
            typed(panel, "a reason that would be lost")
            await settle(panel)
            await decide(panel, "reject")
            assert "stores no text" in notice(panel)[1]
            assert panel.workspace.model.draft == "a reason that would be lost"
            typed(panel, "")
            await settle(panel)
            await decide(panel, "reject")
            assert panel.session.status == "rejected"
        finally:
            panel.close()

    asyncio.run(scenario())


def test_where_both_are_the_client_uses_ours(provider: Provider) -> None:
    approved, other = provider.reviews()
    client = Client(provider.with_ours.url, username="admin", password="admin")
    page = client.sessions()
    assert {approved, other} <= {row.key for row in page}
    assert page.notice == ""
    for key in (approved, other):
        assert client.approve(key, iteration=1).decided_by is not None
    wait_until(lambda: provider.state(other) == "success", timeout=30, what="the end of the provider's task")


@pytest.mark.browser
def test_the_providers_page_drives_our_api(provider: Provider) -> None:
    """In Airflow's own UI: its list of turns, feedback, approval and rejection, from its wheel; the API is ours."""
    chromium = need_chromium()
    approved, rejected = provider.reviews()
    ours = f"{provider.with_ours.url}/hitl-review"
    with browser.new_page(chromium) as page:
        asked: set[str] = set()
        page.on("request", lambda request: asked.add(f"{request.method} {request.url.partition('?')[0]}"))
        _open_tab(page, provider.with_ours, approved)
        expect(page.get_by_text("Pending Review")).to_be_visible()
        expect(page.get_by_text("success (no tool calls)")).to_have_count(1)
        page.get_by_placeholder("Type feedback").fill("shorter, please")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("paragraph").filter(has_text="shorter, please")).to_be_visible()
        expect(page.get_by_text("success (no tool calls)")).to_have_count(2)
        expect(page.get_by_text("Iteration: 2/5")).to_be_visible()
        page.get_by_role("button", name="Approve").click()
        page.get_by_role("button", name="Yes").click()
        expect(page.get_by_text("Approved").first).to_be_visible()
        _open_tab(page, provider.with_ours, rejected)
        page.get_by_role("button", name="Reject").click()
        page.get_by_role("button", name="Yes").click()
        expect(page.get_by_text("Rejected").first).to_be_visible()
    wait_until(lambda: provider.state(approved) == "success", timeout=30, what="the approved task")
    wait_until(lambda: provider.state(rejected) == "failed", timeout=30, what="the rejected task")
    wanted: tuple[str, ...] = ("GET {}/static/main.umd.cjs", "GET {}/sessions/find", "POST {}/sessions/feedback")
    wanted += ("POST {}/sessions/approve", "POST {}/sessions/reject")
    assert {line.format(ours) for line in wanted} <= asked
    # Ours took the decisions: it says who, which the provider does not.
    client = Client(provider.with_ours.url, username="admin", password="admin")
    for key in (approved, rejected):
        by = client.find(key).decided_by
        assert by is not None
        assert by.name == "admin"


@pytest.mark.browser
def test_the_providers_page_shows_edits(provider: Provider) -> None:
    """As turns of a person. Its own worker does not know edits, so its outputs cannot be edited."""
    chromium = need_chromium()
    edited, other = provider.reviews()
    client = Client(provider.with_ours.url, username="admin", password="admin")
    review = client.find(edited)
    assert (review.allow_modifications, review.output_schema, review.on_reject) == (False, None, "fail")
    with pytest.raises(InvalidEditError, match="its task does not support edits"):
        client.approve(review, output="better")
    _store_edit(provider.with_ours, edited, "Better, by hand")
    assert [turn.kind for turn in client.find(edited).conversation] == ["output", "edit", "error"]
    with browser.new_page(chromium) as page:
        _open_tab(page, provider.with_ours, edited)
        expect(page.get_by_text("Pending Review")).to_be_visible()
        expect(page.get_by_text("success (no tool calls)")).to_have_count(1)
        expect(page.get_by_text("Better, by hand")).to_have_count(1)
        expect(page.get_by_text("The edit was refused: it is too short")).to_have_count(1)
        page.get_by_role("button", name="Approve").click()
        page.get_by_role("button", name="Yes").click()
        expect(page.get_by_text("Approved").first).to_be_visible()
    client.approve(other, iteration=1)
    wait_until(lambda: provider.state(edited) == "success", timeout=30, what="the approved task")


def _store_edit(airflow: AirflowInstance, key: ReviewKey, edit: str) -> None:
    """Put a refused edit into a session, as our worker and our API would leave it."""
    path = f"/dags/{key.dag_id}/dagRuns/{key.run_id}/taskInstances/{key.task_id}/xcomEntries"
    name = "airflow_hitl_review_agent_session"
    session = airflow.api("GET", f"{path}/{name}")["value"]
    now = datetime.now(timezone.utc).isoformat()
    digest = hashlib.sha256(edit.encode()).hexdigest()
    about = {"iteration": 1, "edited_output_sha256": digest, "user": {"id": "ann", "name": "Ann"}}
    refusal = {"kind": "edit", "at": now, "asked_at": now, "feedback": "", "error": "it is too short"}
    session |= {"decisions": [about | {"action": "approve", "at": now}], "failures": [about | refusal]}
    airflow.api("POST", path, json={"key": "airflow_hitl_review_edited_output_1", "value": edit})
    airflow.api("PATCH", f"{path}/{name}", json={"value": session})


def _open_tab(page: Page, airflow: AirflowInstance, key: ReviewKey) -> None:
    page.context.add_cookies([{"name": "_token", "value": airflow.token(), "url": airflow.url}])
    run_id = quote(key.run_id, safe="")
    page.goto(f"{airflow.url}/dags/{key.dag_id}/runs/{run_id}/tasks/{key.task_id}")
    page.get_by_role("link", name="HITL Review").click()
