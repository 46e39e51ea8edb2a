"""Decisions with an edited output: what is stored, who wins, and what somebody changed by hand."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import requests

from airflow_hitl_review.core.schema import ACTION_KEY, SESSION_KEY, edited_output_key
from airflow_hitl_review.core.texts import sha256_of
from airflow_hitl_review.web.http.field_limits import MAX_EDIT_LENGTH
from demo.processes import wait_until
from tests.plugin.server.test_reviewers import events, has_state, stored, task_instance, wait_for_wake, write
from tests.plugin.server.test_reviewers import xcoms as entries_of
from tests.support.api_server import DAG_ID, ReviewServer
from tests.support.call_samples import refunds

EDITED = edited_output_key(1)
DRAFT = "Draft of item 0."
TYPED: dict[str, Any] = {
    "current_output": '{"regions": [{"name": "North", "revenue": 1}], "done": true}',
    "output_format": "json",
    "output_schema": {
        "type": "object",
        "properties": {
            "regions": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}, "revenue": {"type": "number"}},
                    "required": ["name", "revenue"],
                },
            },
        },
        "required": ["regions"],
    },
}


@pytest.fixture
def server(reviews: ReviewServer) -> ReviewServer:
    """The server of all modules that seed reviews of their own."""
    return reviews


def seed(server: ReviewServer, *more: str, **fields: Any) -> str:
    """A run with a review whose output can be edited."""
    run_id = server.seed(1, *more)
    change(server, run_id, allow_modifications=True, **fields)
    return run_id


def change(server: ReviewServer, run_id: str, **fields: Any) -> None:
    write(server, run_id, SESSION_KEY, {**stored(server, run_id, SESSION_KEY), **fields})


def found(server: ReviewServer, run_id: str) -> Any:
    return server.call("GET", "/sessions/find", params=server.params(run_id)).json()


def decide(server: ReviewServer, run_id: str, action: str, user: str = "ann", **body: Any) -> requests.Response:
    return server.call("POST", f"/sessions/{action}", user=user, params=server.params(run_id), json=body)


def names(server: ReviewServer, run_id: str, map_index: int = 0) -> set[str]:
    listed = server.airflow.api("GET", entries_of(run_id), params={"map_index": map_index, "limit": 100})
    return {entry["key"] for entry in listed["xcom_entries"] if entry["map_index"] == map_index}


def recorded(server: ReviewServer, run_id: str, event: str, map_index: int = 0) -> Any:
    """The record of the only audit log entry of that name."""
    params = {"dag_id": DAG_ID, "run_id": run_id, "event": event, "limit": 100}
    logs = server.airflow.api("GET", "/eventLogs", params=params)["event_logs"]
    (entry,) = [one for one in logs if one["map_index"] == map_index]
    return json.loads(entry["extra"])


def undecided(server: ReviewServer, run_id: str) -> None:
    """Nothing of a refused decision is stored."""
    assert found(server, run_id)["status"] == "pending_review"
    assert names(server, run_id).isdisjoint({EDITED, ACTION_KEY})
    assert not [event for event in events(server, run_id) if event.startswith("hitl_review.")]


@pytest.mark.timeout(180)
def test_approved_edit_is_stored_with_both_digests(server: ReviewServer) -> None:
    run_id = seed(server)
    answer = decide(server, run_id, "approve", edited_output="Mine ✓", feedback="better", channel="notebook")
    assert answer.status_code == 200
    review = answer.json()
    shown = found(server, run_id)
    assert {**shown, "task_state": review["task_state"]} == review  # the task may have been woken since
    assert stored(server, run_id, EDITED) == "Mine ✓"
    digests = {"output_sha256": sha256_of(DRAFT), "edited_output_sha256": sha256_of("Mine ✓")}
    for of_it in (
        recorded(server, run_id, "hitl_review.approve"),
        stored(server, run_id, ACTION_KEY),
        stored(server, run_id, SESSION_KEY)["decisions"][-1],
    ):
        assert digests.items() <= of_it.items()
    assert (review["edited"], review["edited_output"], review["current_output"]) == (True, "Mine ✓", DRAFT)
    turns = [(one["kind"], one["role"], one["content"], one["iteration"]) for one in review["conversation"]]
    assert turns == [
        ("output", "assistant", DRAFT, 1),
        ("edit", "human", "Mine ✓", 1),
        ("feedback", "human", "better", 1),
    ]
    assert [one["user"] and one["user"]["name"] for one in review["conversation"]] == [None, "ann", "ann"]
    (row,) = server.call("GET", "/sessions", params={"q": run_id, "include_ended": "true"}).json()["sessions"]
    assert (row["edited"], row["channel"], row["decided_by"]["name"]) == (True, "notebook", "ann")
    wait_for_wake(server, run_id)
    assert sha256_of("Mine ✓") in str(task_instance(server, run_id).next_kwargs)


def test_changes_can_be_requested_to_an_edit(server: ReviewServer) -> None:
    run_id = seed(server)
    review = decide(server, run_id, "feedback", edited_output="Mine", feedback="shorter").json()
    assert (review["status"], review["edited"], review["edited_output"]) == ("changes_requested", True, "Mine")
    assert [one["kind"] for one in review["conversation"]] == ["output", "edit", "feedback"]
    assert recorded(server, run_id, "hitl_review.changes_requested")["edited_output_sha256"] == sha256_of("Mine")


def test_rejection_ignores_an_edit(server: ReviewServer) -> None:
    run_id = seed(server)
    review = decide(server, run_id, "reject", edited_output="Mine").json()
    assert (review["status"], review["edited"], review["edited_output"]) == ("rejected", False, None)
    assert EDITED not in names(server, run_id)


@pytest.mark.parametrize(
    ("fields", "edited"),
    [
        ({}, DRAFT),
        (TYPED, TYPED["current_output"]),
        (TYPED, json.dumps(json.loads(TYPED["current_output"]), indent=4)),
    ],
)
def test_edit_that_changes_nothing_is_none(server: ReviewServer, fields: dict[str, Any], edited: str) -> None:
    run_id = seed(server, **fields)
    review = decide(server, run_id, "approve", edited_output=edited).json()
    assert (review["status"], review["edited"], review["edited_output"]) == ("approved", False, None)
    assert EDITED not in names(server, run_id)
    assert recorded(server, run_id, "hitl_review.approve")["edited_output_sha256"] is None


@pytest.mark.parametrize(
    "edited",
    [
        '{"regions": [{"name": "North", "revenue": 1.0}], "done": true}',
        '{"regions": [{"name": "North", "revenue": 1}], "done": 1}',
        '{"done": true, "regions": [{"name": "North", "revenue": 1}]}',
        '{"regions": [{"name": "North", "revenue": 9007199254740993}], "done": true}',
    ],
)
def test_small_changes_of_json_are_edits(server: ReviewServer, edited: str) -> None:
    run_id = seed(server, **TYPED)
    review = decide(server, run_id, "approve", edited_output=edited).json()
    assert (review["edited"], review["edited_output"]) == (True, edited)
    assert stored(server, run_id, EDITED) == edited


def test_edit_that_does_not_fit_is_refused_with_its_places(server: ReviewServer) -> None:
    run_id = seed(server, **TYPED)
    edited = '{"regions": [{"name": "North", "revenue": "much"}, {"name": 5, "revenue": 1}]}'
    for action in ("approve", "feedback"):
        answer = decide(server, run_id, action, edited_output=edited, feedback="x")
        assert answer.status_code == 422
        assert answer.json() == {
            "detail": "The edit does not fit the type of the output: regions[0].revenue must be a number, "
            "and there is 1 more such place.",
            "errors": [
                {"path": ["regions", 0, "revenue"], "message": "must be a number"},
                {"path": ["regions", 1, "name"], "message": "must be a text"},
            ],
        }
    undecided(server, run_id)


UNUSABLE = {
    "no JSON": "{",
    "NaN": '{"regions": [NaN]}',
    "a name twice": '{"regions": [], "regions": []}',
    "NUL": '{"regions": [], "a": "\\u0000"}',
    "a lone surrogate": '{"regions": [], "\\ud800": "\\ud800"}',
    "a reserved name": '{"regions": [], "a": {"__classname__": 1}}',
    "too deep": '{"regions": ' + "[" * 300 + "]" * 300 + "}",
    "much too deep": "[" * 200_000,
    "a number too long": '{"regions": [' + "9" * 5_000 + "]}",
    "too long": json.dumps({"regions": [], "a": "x" * MAX_EDIT_LENGTH}),
}


def test_edits_that_cannot_be_used_are_refused(server: ReviewServer) -> None:
    run_id = seed(server, **TYPED)
    for what, edited in UNUSABLE.items():
        answer = decide(server, run_id, "approve", edited_output=edited)
        assert answer.status_code == 422, what
        assert answer.json()["detail"], what
    huge = decide(server, run_id, "approve", edited_output="x" * (9 * 1024 * 1024))
    assert huge.status_code == 413
    undecided(server, run_id)


@pytest.mark.parametrize(("character", "status"), [("\0", 422), ("\ud800", 422)])
def test_text_that_cannot_be_stored_is_refused(server: ReviewServer, character: str, status: int) -> None:
    run_id = seed(server)
    assert decide(server, run_id, "approve", edited_output=f"a{character}").status_code == status
    undecided(server, run_id)


@pytest.mark.parametrize("words", [None, "The output cannot be edited: no."])
def test_output_that_cannot_be_edited_says_so(server: ReviewServer, words: str | None) -> None:
    """Without ``allow_modifications``, as the AI provider's worker and version 0.1.0 write it."""
    run_id = server.seed()
    if words is not None:
        change(server, run_id, modifications_refused=words)
    wanted = words or "The output cannot be edited: its task does not support edits."
    shown = found(server, run_id)
    assert (shown["allow_modifications"], shown["modifications_refused"]) == (False, wanted)
    answer = decide(server, run_id, "approve", edited_output="Mine")
    assert (answer.status_code, answer.json()) == (422, {"detail": wanted, "errors": []})
    undecided(server, run_id)
    assert decide(server, run_id, "approve", edited_output=DRAFT).status_code == 200


def test_edit_of_another_output_is_a_conflict(server: ReviewServer) -> None:
    run_id = seed(server)
    for body in ({"iteration": 2}, {"output_sha256": sha256_of("Another")}):
        assert decide(server, run_id, "approve", edited_output="Mine", **body).status_code == 409
    undecided(server, run_id)


@pytest.mark.timeout(300)
def test_one_of_an_edit_and_an_approval_as_it_is_wins(server: ReviewServer) -> None:
    run_id = server.seed(50)
    for token in ("ann", "admin"):
        server.token(token)
    text, json_ = {"mysql": ("char", ""), "postgresql": ("text", "::jsonb")}.get(server.dialect, ("text", ""))
    server.sql(
        f"update xcom set value = replace(cast(value as {text}), :no, :yes){json_}"
        " where run_id = :run and xcom.key = :key",
        no='"allow_modifications": false',
        yes='"allow_modifications": true',
        run=run_id,
        key=SESSION_KEY,
    )

    def send(user: str, index: int, barrier: Barrier, body: dict[str, Any]) -> requests.Response:
        barrier.wait(30)
        return server.call("POST", "/sessions/approve", user=user, params=server.params(run_id, index), json=body)

    edits = 0
    with ThreadPoolExecutor(2) as pool:
        for index in range(50):
            barrier = Barrier(2)
            edit = pool.submit(send, "ann", index, barrier, {"edited_output": f"Mine {index}"})
            as_it_is = pool.submit(send, "admin", index, barrier, {})
            edit_won = edit.result(60).status_code == 200
            edits += edit_won
            codes = sorted((edit.result().status_code, as_it_is.result().status_code))
            assert codes == [200, 409], (edit.result().text, as_it_is.result().text)
            where = server.params(run_id, index)
            review = server.call("GET", "/sessions/find", params=where).json()
            assert review["edited_output"] == (f"Mine {index}" if edit_won else None)
            assert review["edited"] is edit_won
            assert review["decided_by"]["name"] == ("ann" if edit_won else "admin")
            assert (EDITED in names(server, run_id, index)) is edit_won
            log = recorded(server, run_id, "hitl_review.approve", index)
            assert log["edited_output_sha256"] == (sha256_of(f"Mine {index}") if edit_won else None)
    assert edits in range(51)


# --- edits that somebody changed by hand


def digest_too(server: ReviewServer, run_id: str) -> None:
    write(server, run_id, EDITED, "Forged")
    forged = {"edited_output_sha256": sha256_of("Forged")}
    write(server, run_id, ACTION_KEY, {**stored(server, run_id, ACTION_KEY), **forged})


def text_only(server: ReviewServer, run_id: str) -> None:
    write(server, run_id, EDITED, "Forged")


def removed(server: ReviewServer, run_id: str) -> None:
    server.sql("delete from xcom where run_id = :run and xcom.key = :key and map_index = 0", run=run_id, key=EDITED)


def denied(server: ReviewServer, run_id: str) -> None:
    write(server, run_id, ACTION_KEY, {**stored(server, run_id, ACTION_KEY), "edited_output_sha256": None})


@pytest.mark.timeout(180)
@pytest.mark.parametrize("forge", [text_only, digest_too, removed, denied])
@pytest.mark.parametrize("action", ["approve", "feedback"])
def test_edit_changed_by_hand_does_not_wake_the_task(server: ReviewServer, forge: Any, action: str) -> None:
    run_id = seed(server)
    has_state(server, run_id, "running")
    assert decide(server, run_id, action, edited_output="Mine", feedback="words").status_code == 200
    forge(server, run_id)  # before it parks
    has_state(server, run_id, "awaiting_input")
    wait_until(
        lambda: "hitl_review.refused" in events(server, run_id), timeout=90, what="the refusal", interval=0.5
    )
    assert task_instance(server, run_id).state == "awaiting_input"
    assert found(server, run_id)["status"] == "pending_review"
    # And it can be decided as usual: nothing is left of the forged edit.
    assert decide(server, run_id, "approve").json()["edited_output"] is None
    assert EDITED not in names(server, run_id)


def test_edit_that_is_no_text_any_more_is_shown_as_text(server: ReviewServer) -> None:
    run_id = seed(server)
    decide(server, run_id, "feedback", edited_output="5", feedback="words")
    write(server, run_id, EDITED, 5)
    assert found(server, run_id)["edited_output"] == "5"


# --- for somebody else

BOB = {"id": "U1", "name": "Bob ✓"}


def test_service_says_for_whom_it_decides(server: ReviewServer) -> None:
    run_id = seed(server)
    review = decide(
        server, run_id, "approve", edited_output="Mine", feedback="fine", acting_for=BOB, channel="chat"
    ).json()
    assert (review["acting_for"], review["channel"], review["decided_by"]["name"]) == (BOB, "chat", "ann")
    assert [one["acting_for"] for one in review["conversation"]] == [None, BOB, BOB]
    assert stored(server, run_id, ACTION_KEY)["acting_for"] == BOB
    log = recorded(server, run_id, "hitl_review.approve")
    assert (log["acting_for_id"], log["user_id"], log["channel"]) == ("U1", review["decided_by"]["id"], "chat")


@pytest.mark.parametrize("user", ["ann", "viv"])
def test_acting_for_a_reviewer_gives_no_right(server: ReviewServer, user: str) -> None:
    run_id = seed(server, "reviewers", "admin")
    for action in ("approve", "reject", "feedback"):
        body = {"acting_for": {"id": "admin", "name": "admin"}, "feedback": "x"}
        assert decide(server, run_id, action, user, **body).status_code == 403
    undecided(server, run_id)


@pytest.mark.parametrize("who", [{"id": "", "name": "x"}, {"id": "x"}, "admin", {"id": "x", "name": "y" * 251}])
def test_incomplete_acting_for_is_refused(server: ReviewServer, who: Any) -> None:
    run_id = seed(server)
    assert decide(server, run_id, "approve", acting_for=who).status_code == 422
    undecided(server, run_id)


@pytest.mark.parametrize("channel", ["timeout", "policy", "other"])
def test_nobody_can_say_that_the_clock_decided(server: ReviewServer, channel: str) -> None:
    run_id = seed(server)
    assert decide(server, run_id, "approve", channel=channel).status_code == 422
    undecided(server, run_id)


# --- what an agent asks


def seed_calls(server: ReviewServer, asked: dict[str, Any]) -> str:
    return seed(
        server,
        current_output=asked["outputs"][0],
        output_format="json",
        output_schema=asked["output_schema"],
        request=asked["request"],
        requests=[1],
    )


@pytest.mark.timeout(180)
def test_calls_are_answered_and_the_answer_is_kept(server: ReviewServer) -> None:
    run_id = seed_calls(server, refunds())
    answers: dict[str, Any] = {"call_1": {"args": {"order_id": 7, "amount": 3, "reason": "late"}}}
    answers |= {"call_2": {"approved": False, "reason": "Too much."}, "call_3": {}}
    review = decide(server, run_id, "approve", calls=answers).json()
    assert (review["status"], review["edited"], review["request_kind"]) == ("changes_requested", True, "tool_calls")
    kept = json.loads(stored(server, run_id, EDITED))
    assert kept["call_1"]["args"] == answers["call_1"]["args"]
    assert (kept["call_2"]["approved"], kept["call_2"]["reason"]) == (False, "Too much.")
    assert kept["call_3"] == json.loads(review["current_output"])["call_3"]
    record = recorded(server, run_id, "hitl_review.approve")
    assert record["edited_output_sha256"] == sha256_of(stored(server, run_id, EDITED))
    late = decide(server, run_id, "approve")
    assert late.status_code == 409
    assert late.json()["detail"]["message"].endswith("; the agent goes on.")
    wait_for_wake(server, run_id)


def test_wrong_answers_decide_nothing(server: ReviewServer) -> None:
    run_id = seed_calls(server, refunds())
    for body, path in (
        ({"calls": {"call_1": {}}}, ["call_2"]),
        (
            {"calls": {name: {"args": {"order_id": "x"}} for name in ("call_1", "call_2", "call_3")}},
            ["call_1", "args"],
        ),
    ):
        answer = decide(server, run_id, "approve", **body)
        assert answer.status_code == 422
        assert path in [error["path"][: len(path)] for error in answer.json()["errors"]]
    assert decide(server, run_id, "feedback", feedback="no", edited_output="{}").status_code == 422
    undecided(server, run_id)
    assert decide(server, run_id, "feedback", feedback="no").json()["status"] == "changes_requested"


def test_answers_to_nothing_are_refused(server: ReviewServer) -> None:
    run_id = seed(server)
    answer = decide(server, run_id, "approve", calls={"call_1": {}})
    assert (answer.status_code, "asks for no calls" in answer.json()["detail"]) == (422, True)
    undecided(server, run_id)
